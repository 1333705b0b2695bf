"""`find_symbol`: where something is defined, by its name or a part of it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools.base import Context, Effect, Result, Tool, Touch
from qcode.tools.clip import clip
from qcode.tools.indexed import ask_all

if TYPE_CHECKING:
    from qcode.repomap.index import Index
    from qcode.workspace import Workspace

SYMBOLS = 60
"""Definitions shown at most."""
_LONGEST = 200
_NAME = re.compile(r"[^\s\0]+")
_SEPARATOR = re.compile(r"::|[.#/]|->")


class Params(Record):
    name: str


class Definition(Record):
    """One definition, as it is shown."""

    real: Path
    line: int
    signature: str


class FindSymbol(Tool[Params]):
    name = "find_symbol"
    effect = Effect.READ
    params = Params

    def touches(self, params: Params) -> Touch:
        return Touch((".",))

    def summary(self, params: Params) -> str:
        return params.name

    async def run(self, params: Params, context: Context) -> Result:
        name = params.name.strip().removesuffix("()")
        if not _NAME.fullmatch(name) or len(name) > _LONGEST:
            raise ToolError("name is one identifier or a part of one; search texts by grep_search.")
        answers = await ask_all(context, lambda index: _found(index, name))
        is_exact = any(exact for exact, _ in answers)
        # A directory may lie in another one.
        found = dict.fromkeys(each for exact, some in answers if exact == is_exact for each in some)
        shown = [each for each in found if not context.is_hidden(each.real)]
        if not shown:
            return Result(
                f"Nothing called {clip(name)} is defined here. Try a part of the name, or "
                "grep_search.",
                "not found",
            )
        return _result(shown, context.workspace)


def _found(index: Index, name: str) -> tuple[bool, list[Definition]]:
    """Return the definitions of a name; of what has it as a part where none is called so.

    The first value says whether they are called so.
    """
    parts = [part for part in _SEPARATOR.split(name) if part]
    if not parts:
        return False, []
    found = [
        Definition(index.root / row.path, symbol.line, symbol.signature)
        for row, symbol in index.named(parts[-1])
        if len(parts) == 1 or f".{symbol.scope}.".endswith(f".{parts[-2]}.")
    ]
    if found:
        return True, found
    for part in dict.fromkeys((name, parts[-1])):
        for like in index.names_like(part, SYMBOLS):
            found += [
                Definition(index.root / row.path, symbol.line, symbol.signature)
                for row, symbol in index.named(like)
            ]
            if len(found) > SYMBOLS:
                return False, found
        if found:
            return False, found
    return False, found


def _result(found: list[Definition], workspace: Workspace) -> Result:
    by_path: dict[str, list[Definition]] = {}
    for each in found[:SYMBOLS]:
        by_path.setdefault(workspace.show(each.real), []).append(each)
    lines: list[str] = []
    for path, definitions in by_path.items():
        lines.append(os.fsencode(path).decode("utf-8", "replace"))
        lines += [
            f"{each.line}: {each.signature}" for each in sorted(definitions, key=lambda d: d.line)
        ]
    if len(found) > SYMBOLS:
        lines.append("[more not shown; give more of the name]")
    count = len(found)
    return Result("\n".join(lines), f"{count} definition{'s' if count != 1 else ''}")
