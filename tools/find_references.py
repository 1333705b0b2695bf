"""`find_references`: the lines in which an identifier is used as code."""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING

from qcode import beneath
from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools.base import Context, Effect, Result, Tool, Touch
from qcode.tools.clip import clip

if TYPE_CHECKING:
    from qcode.repomap.index import Index

LINES = 100
"""Lines shown at most."""
LINE_CHARACTERS = 200
_COUNTED = 2_000
"""Lines after which the search ends."""
_NAME = re.compile(r"[^\W\d][\w$]{0,199}|\$[\w$]{1,199}")
_QUALIFIED = re.compile(r".*(?:::|[.#/]|->)", re.DOTALL)


class Params(Record):
    name: str


class _Found:
    def __init__(self) -> None:
        self.by_path: dict[str, list[tuple[int, str]]] = {}
        self.count = 0
        self.stop = False
        """Set from outside to end the search."""


class FindReferences(Tool[Params]):
    name = "find_references"
    effect = Effect.READ
    params = Params

    def touches(self, params: Params) -> Touch:
        return Touch((".",))

    def summary(self, params: Params) -> str:
        return params.name

    async def run(self, params: Params, context: Context) -> Result:
        from qcode.repomap import ask

        name = _QUALIFIED.sub("", params.name.strip().removesuffix("()"))
        if not _NAME.fullmatch(name):
            raise ToolError("name is one identifier; search for other texts by grep_search.")
        found = _Found()
        root = context.workspace.root
        try:
            await asyncio.to_thread(ask, root, lambda index: _search(index, name, context, found))
        finally:
            found.stop = True  # a cancelled call leaves its thread; it ends at the next file
        if not found.count:
            return Result(
                f"{clip(name)} is not used in code here. Comments, texts and files in other "
                "languages are searched by grep_search.",
                "not found",
            )
        return _result(found)


def _search(index: Index, name: str, context: Context, found: _Found) -> None:
    from qcode.repomap.references import references

    found.by_path.clear()  # asked again where what was kept is damaged
    found.count = 0
    # Files that people write come first, so that what is not shown is what matters least.
    rows = sorted(index.mentioning(name), key=lambda row: (row.weight < 0.2, row.path))
    for row in rows:
        real = index.root / row.path
        if found.stop or found.count >= _COUNTED:
            return
        if context.is_hidden(real):
            continue
        try:
            data = beneath.read(real)
        except OSError:
            continue
        if lines := references(row.path, data, name):
            found.by_path[row.path] = lines
            found.count += len(lines)


def _result(found: _Found) -> Result:
    rows: list[str] = []
    shown = 0
    for path, lines in found.by_path.items():
        if shown == LINES:
            break
        rows.append(os.fsencode(path).decode("utf-8", "replace"))
        part = lines[: LINES - shown]
        rows += [f"{number}:{_cut(text)}" for number, text in part]
        shown += len(part)
    if left := found.count - shown:
        more = "more than " if found.count >= _COUNTED else ""
        rows.append(f"[{more}{left} more lines not shown; search one directory by grep_search]")
    files = len(found.by_path)
    return Result(
        "\n".join(rows),
        f"{found.count} line{'s' if found.count != 1 else ''} in {files} "
        f"file{'s' if files != 1 else ''}",
    )


def _cut(text: str) -> str:
    return text if len(text) <= LINE_CHARACTERS else f"{text[:LINE_CHARACTERS]}… [line cut here]"
