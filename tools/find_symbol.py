"""`find_symbol`: where something is defined, by its name or a part of it."""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING

from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools.base import Context, Effect, Result, Tool, Touch
from qcode.tools.clip import clip

if TYPE_CHECKING:
    from qcode.repomap.index import Index

SYMBOLS = 60
"""Definitions shown at most."""
_LONGEST = 200
_NAME = re.compile(r"[^\s\0]+")
_SEPARATOR = re.compile(r"::|[.#/]|->")


class Params(Record):
    name: str


class Definition(Record):
    """One definition, as it is shown."""

    path: str
    line: int
    depth: int
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
        from qcode.repomap import ask

        name = params.name.strip().removesuffix("()")
        if not _NAME.fullmatch(name) or len(name) > _LONGEST:
            raise ToolError("name is one identifier or a part of one; search texts by grep_search.")
        root = context.workspace.root
        found = await asyncio.to_thread(ask, root, lambda index: _found(index, name))
        shown = [each for each in found if not context.is_hidden(root / each.path)]
        if not shown:
            return Result(
                f"Nothing called {clip(name)} is defined here. Try a part of the name, or "
                "grep_search.",
                "not found",
            )
        return _result(shown)


def _found(index: Index, name: str) -> list[Definition]:
    """Return the definitions of a name; of what has it as a part where none is called so."""
    parts = [part for part in _SEPARATOR.split(name) if part]
    if not parts:
        return []
    found = [
        Definition(row.path, symbol.line, symbol.depth, symbol.signature)
        for row, symbol in index.named(parts[-1])
        if len(parts) == 1 or f".{symbol.scope}.".endswith(f".{parts[-2]}.")
    ]
    if found:
        return found
    for part in dict.fromkeys((name, parts[-1])):
        for like in index.names_like(part, SYMBOLS):
            found += [
                Definition(row.path, symbol.line, symbol.depth, symbol.signature)
                for row, symbol in index.named(like)
            ]
            if len(found) > SYMBOLS:
                return found
        if found:
            return found
    return found


def _result(found: list[Definition]) -> Result:
    by_path: dict[str, list[Definition]] = {}
    for each in found[:SYMBOLS]:
        by_path.setdefault(each.path, []).append(each)
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
