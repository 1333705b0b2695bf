"""`edit`: one exact text replaced by another."""

from __future__ import annotations

from typing import Annotated

from qcode.editing.diff import changes
from qcode.editing.match import Refused, replace
from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools import syntax
from qcode.tools.base import Context, Effect, Result, Tool, Touch
from qcode.tools.files import binary_kind, changed_since_seen, decode, read_existing
from qcode.tools.write_file import create, save


class Params(Record):
    file_path: str
    old_string: Annotated[str, "exact and unique, with indentation; empty creates the file"]
    new_string: str
    replace_all: bool = False


class Edit(Tool[Params]):
    name = "edit"
    effect = Effect.EDIT
    params = Params

    def touches(self, params: Params) -> Touch:
        return Touch((params.file_path,))

    def summary(self, params: Params) -> str:
        return params.file_path

    async def run(self, params: Params, context: Context) -> Result:
        path = params.file_path
        real = context.path(path)
        if not params.old_string:
            if not real.exists():
                return create(context, real, path, params.new_string)
            if real.is_file() and real.stat().st_size:
                raise ToolError(
                    f"{path} exists, and an empty old_string only creates files. "
                    "Give the lines to replace, copied from the file."
                )
        data = read_existing(context, path, real)
        before = real.stat()
        if kind := binary_kind(data):
            raise ToolError(f"{path} is {kind}, not text; it cannot be edited.")
        if changed_since_seen(context, real, data):
            raise ToolError(f"{path} has changed since you read it. Read it again, then edit.")
        text, coding = decode(data)
        if params.old_string:
            outcome = replace(
                text, params.old_string, params.new_string, replace_all=params.replace_all
            )
            if isinstance(outcome, Refused):
                raise ToolError(f"{path}: {outcome.text}")
            after, lines = outcome.text, outcome.lines
        else:
            after, lines = params.new_string, (1,)
        syntax.check(real.name, text, after)
        save(context, real, path, coding.encode(after), before=before)
        shown = context.workspace.show(real)
        change = changes(text, after, shown)
        size = f"+{change.added} −{change.removed}"
        return Result(f"Edited {shown} {_places(lines)} ({size}).", size, change.diff)


def _places(lines: tuple[int, ...]) -> str:
    if len(lines) == 1:
        return f"at line {lines[0]}"
    some = ", ".join(map(str, lines[:10])) + (", …" if len(lines) > 10 else "")
    return f"at {len(lines)} places, lines {some}"
