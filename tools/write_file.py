"""`write_file`: a whole file, new or replaced."""

from __future__ import annotations

import os
from pathlib import Path

from qcode.editing.diff import changes
from qcode.editing.placeholder import left_out
from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools import syntax
from qcode.tools.base import Context, Effect, Result, Tool, Touch
from qcode.tools.clip import clip
from qcode.tools.files import (
    Coding,
    binary_kind,
    changed_since_seen,
    decode,
    failed,
    fingerprint,
    line_count,
    read_existing,
    write_atomic,
)


class Params(Record):
    file_path: str
    content: str


class WriteFile(Tool[Params]):
    name = "write_file"
    effect = Effect.EDIT
    params = Params

    def touches(self, params: Params) -> Touch:
        return Touch((params.file_path,))

    def summary(self, params: Params) -> str:
        return f"{params.file_path} ({_lines(line_count(params.content))})"

    async def run(self, params: Params, context: Context) -> Result:
        real = context.path(params.file_path)
        if params.file_path.endswith("/"):
            raise ToolError(f"{clip(params.file_path)} names a directory; give the file's path.")
        if os.path.lexists(real):
            return _overwrite(params, context, real)
        return create(context, real, params.file_path, params.content)


def create(context: Context, real: Path, path: str, content: str) -> Result:
    """Create a file that does not exist."""
    save(context, real, path, content.encode(), before=None)
    shown = context.workspace.show(real)
    warning = syntax.warning(real.name, content)
    count = _lines(line_count(content))
    return Result(
        f"Created {shown} ({count}).{warning}",
        f"created, {count}",
        changes("", content, shown).diff,
    )


def save(
    context: Context, real: Path, path: str, data: bytes, *, before: os.stat_result | None
) -> None:
    """Write a file atomically and note its content as known to the model.

    Raises:
        ToolError: it could not be written; the file is as it was.
    """
    try:
        write_atomic(real, data, before=before)
        context.seen[real] = fingerprint(real, data)
    except OSError as error:
        raise failed(error, path) from error


def _overwrite(params: Params, context: Context, real: Path) -> Result:
    path = clip(params.file_path)
    data = read_existing(context, path, real)
    before = real.stat()
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
    old, coding = decode(data) if data else ("", Coding())
    if marker := left_out(params.content, old):
        raise ToolError(
            f"The content has a line that stands for left-out code: {clip(marker)!r}. It would "
            f"replace that code; {path} was not changed. Write it out whole, or use edit."
        )
    content = like(old, params.content)
    encoded = coding.encode(content)
    shown = context.workspace.show(real)
    if encoded == data:
        return Result(f"{shown} already has exactly this content.", "unchanged")
    syntax.check(real.name, old, content)
    save(context, real, path, encoded, before=before)
    change = changes(old, content, shown)
    return Result(
        f"Overwrote {shown} ({_lines(line_count(content))}, +{change.added} −{change.removed}).",
        f"+{change.added} −{change.removed}",
        change.diff,
    )


def like(old: str, new: str) -> str:
    r"""Return new content with the line ends of the old, unless it has `\r\n` of its own."""
    if old.count("\r\n") * 2 > old.count("\n") and "\r\n" not in new:
        return new.replace("\n", "\r\n")
    return new


def _lines(count: int) -> str:
    return f"{count} line{'s' if count != 1 else ''}"
