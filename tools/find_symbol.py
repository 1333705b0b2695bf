"""`find_symbol`: where something is defined."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from qcode import beneath
from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools import search
from qcode.tools.base import Context, Effect, Result, Tool, Touch
from qcode.tools.clip import clip
from qcode.tools.files import missing
from qcode.tools.searching import searched

if TYPE_CHECKING:
    from qcode.repomap.symbols import Symbol

_FILES = 400
"""Files with the name in them that are read, at most."""
_TEST = re.compile(r"(?:^|[/_.])tests?(?:[/_.]|$)", re.IGNORECASE)


class Params(Record):
    name: Annotated[str, "or a part of it"]
    path: str | None = None


class FindSymbol(Tool[Params]):
    name = "find_symbol"
    effect = Effect.READ
    params = Params

    def touches(self, params: Params) -> Touch:
        return Touch((params.path or ".",))

    def summary(self, params: Params) -> str:
        return params.name

    async def run(self, params: Params, context: Context) -> Result:
        start = context.path(params.path or ".")
        if not beneath.exists(start):
            raise missing(context, params.path or ".", start)
        defined, unread = await definitions(params.name, start, context)
        if not defined:
            more = f" {unread} files with it were not read." if unread else ""
            return Result(
                f"Nothing with {clip(params.name)} in its name is defined in a known language."
                f"{more} Use grep_search.",
                "nothing",
            )
        most = context.sizes.search_matches
        rows = [
            f"{_shown(path)}:{each.line}-{each.end}: {each.kind} {each.signature}"
            for path, each in defined[:most]
        ]
        if len(defined) > most:
            rows.append(f"[{len(defined) - most} more not shown; give more of the name, or a path]")
        return Result("\n".join(rows), f"{len(defined)} definitions")


async def definitions(
    name: str, start: Path, context: Context
) -> tuple[list[tuple[str, Symbol]], int]:
    """Return what has that in its name, by path, and how many files were not read.

    Raises:
        ToolError: it is no name, or nothing can be searched.
    """
    name = last_part(name)
    # Without regard to case: a part of a name stands in another's middle.
    pattern = f"(?i){re.escape(name)}"
    query = search.Query(context.workspace.root, start, pattern, None, search.COUNTED)
    found = await searched(query, context)
    paths = list(dict.fromkeys(match.path for match in found.matches))
    defined = await asyncio.to_thread(_defined, paths[:_FILES], name, context)
    return defined, max(0, len(paths) - _FILES)


def last_part(name: str) -> str:
    """Return the name itself of one with its class or module before it.

    Raises:
        ToolError: it is no name.
    """
    last = re.split(r"::|[.#]", name.strip().removesuffix("()"))[-1]
    if not re.fullmatch(r"[\w$?!=-]+", last):
        raise ToolError(f"{clip(name)!r} is no name. Use grep_search to search for a text.")
    return last


def _defined(paths: list[str], name: str, context: Context) -> list[tuple[str, Symbol]]:
    """Return the definitions with that in their name, the likeliest meant first."""
    from qcode.repomap.symbols import symbols

    out: list[tuple[str, Symbol]] = []
    for path in paths:
        try:
            data = beneath.read(context.workspace.root / path)
        except (OSError, beneath.NotRegular):
            continue
        for each in symbols(path, data) or ():
            if name.lower() in each.name.lower():
                out.append((path, each))

    def rank(row: tuple[str, Symbol]) -> tuple[object, ...]:
        path, symbol = row
        own = last_part(symbol.name) if "." in symbol.name else symbol.name
        likeness = (own != name, own.lower() != name.lower(), not own.startswith(name))
        return (*likeness, bool(_TEST.search(path)), symbol.depth, path, symbol.line)

    return sorted(out, key=rank)


def _shown(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "replace")
