"""`edit`: one exact text replaced by another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeVar, TypeVarTuple, Unpack

from qcode.editing.diff import changes
from qcode.editing.match import Refused, replace
from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools import syntax
from qcode.tools.base import Context, Effect, Result, Tool, Touch
from qcode.tools.clip import clip
from qcode.tools.files import binary_kind, changed_since_seen, decode, read_existing
from qcode.tools.write_file import create, save

A = TypeVarTuple("A")
T = TypeVar("T")

LARGEST = 32 * 1024 * 1024
"""Bytes of a file; a larger one would take several times that of memory."""
_ASIDE = 1024 * 1024
"""Bytes from which the search would make all else wait, so it is done in a thread."""


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
        path = clip(params.file_path)
        real = context.path(params.file_path)
        if not params.old_string:
            if not real.exists():
                return create(context, real, path, params.new_string)
            if real.is_file() and real.stat().st_size:
                raise ToolError(
                    f"{path} exists, and an empty old_string only creates files. "
                    "Give the lines to replace, copied from the file."
                )
        if real.is_file() and (huge := real.stat().st_size) > LARGEST:
            raise ToolError(
                f"{path} is too large to edit ({huge:,} bytes; {LARGEST:,} at most). "
                "Use a shell command such as sed."
            )
        data = read_existing(context, path, real)
        before = real.stat()
        aside = len(data) > _ASIDE
        if kind := binary_kind(data):
            raise ToolError(f"{path} is {kind}, not text; it cannot be edited.")
        if changed_since_seen(context, real, data):
            raise ToolError(f"{path} has changed since you read it. Read it again, then edit.")
        text, coding = await _do(aside, decode, data)
        if params.old_string:
            search = partial(replace, replace_all=params.replace_all)
            outcome = await _do(aside, search, text, params.old_string, params.new_string)
            if isinstance(outcome, Refused):
                raise ToolError(f"{path}: {outcome.text}")
            after, lines = outcome.text, outcome.lines
        else:
            after, lines = params.new_string, (1,)
        syntax.check(real.name, text, after)
        save(context, real, path, await _do(aside, coding.encode, after), before=before)
        shown = context.workspace.show(real)
        change = await _do(aside, changes, text, after, shown)
        size = f"+{change.added} −{change.removed}"
        return Result(f"Edited {shown} {_places(lines)} ({size}).", size, change.diff)


async def _do(aside: bool, work: Callable[[Unpack[A]], T], *arguments: *A) -> T:
    """Do work here, or aside in a thread if it takes long; it writes nothing."""
    return await asyncio.to_thread(work, *arguments) if aside else work(*arguments)


def _places(lines: tuple[int, ...]) -> str:
    if len(lines) == 1:
        return f"at line {lines[0]}"
    some = ", ".join(map(str, lines[:10])) + (", …" if len(lines) > 10 else "")
    return f"at {len(lines)} places, lines {some}"
