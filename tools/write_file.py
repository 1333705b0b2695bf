"""`write_file`: a whole file, new or replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from qcode import beneath
from qcode.editing.placeholder import left_out
from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools.base import Context, Result, Touch
from qcode.tools.change import (
    Opened,
    Planned,
    aside,
    carry_out,
    is_large,
    lines_of,
    new_file,
)
from qcode.tools.clip import clip
from qcode.tools.files import (
    Coding,
    binary_kind,
    changed_since_seen,
    decode,
    line_count,
    read_existing,
)
from qcode.tools.notebooks import check_whole
from qcode.tools.rehearsed import FileTool
from qcode.tools.schema import HIDDEN


class Params(Record):
    file_path: str
    content: str
    insist: Annotated[bool, HIDDEN] = False


class WriteFile(FileTool[Params]):
    name = "write_file"
    params = Params

    def touches(self, params: Params) -> Touch:
        return Touch((params.file_path,))

    def summary(self, params: Params) -> str:
        return f"{params.file_path} ({lines_of(line_count(params.content))})"

    async def run(self, params: Params, context: Context) -> Result:
        real = context.path(params.file_path, write=True)
        if params.file_path.endswith("/"):
            raise ToolError(f"{clip(params.file_path)} names a directory; give the file's path.")
        check_whole(clip(params.file_path), real, params.content)
        if not beneath.exists(real):
            return await carry_out(context, [new_file(real, params.content)])
        before = await _known(context, real, clip(params.file_path))
        if marker := left_out(params.content, before.text):
            raise ToolError(
                f"The content has a line that stands for left-out code: {clip(marker)!r}. It would "
                f"replace that code; {before.path} was not changed. "
                "Write it out whole, or use edit."
            )
        content = like(before.text, params.content)
        if before.coding.encode(content) == before.data:
            shown = context.workspace.show(real)
            return Result(f"{shown} already has exactly this content.", "unchanged")
        plan = Planned(real, before, content, is_whole=True)
        return await carry_out(context, [plan], insist=params.insist)


async def _known(context: Context, real: Path, path: str) -> Opened:
    """Return an existing file whose present content the model knows."""
    status, data = read_existing(context, path, real)
    if data and real not in context.seen:
        if kind := binary_kind(data):
            raise ToolError(
                f"{path} exists and is {kind}. If it has to go, remove it with a shell command."
            )
        raise ToolError(
            f"{path} exists ({len(data):,} bytes) and you have not read it. "
            "Read it first, or change it with edit."
        )
    if changed_since_seen(context, real, data):
        raise ToolError(f"{path} has changed since you read it. Read it again.")
    text, coding = await aside(is_large(data), decode, data) if data else ("", Coding())
    return Opened(real, path, data, text, coding, status, is_changed=False)


def like(old: str, new: str) -> str:
    r"""Return new content with the line ends of the old, unless it has `\r\n` of its own."""
    if old.count("\r\n") * 2 > old.count("\n") and "\r\n" not in new:
        return new.replace("\n", "\r\n")
    return new
