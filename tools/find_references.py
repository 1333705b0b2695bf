"""`find_references`: the lines in which an identifier is used as code."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import beneath
from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools.base import Context, Effect, Result, Tool, Touch
from qcode.tools.clip import clip
from qcode.tools.indexed import ask_all

if TYPE_CHECKING:
    from qcode.repomap.index import Index
    from qcode.workspace import Workspace

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
        self.by_file: dict[Path, list[tuple[int, str]]] = {}
        self.stop = False
        """Set from outside to end the search."""

    @property
    def count(self) -> int:
        """Lines so far."""
        return sum(map(len, self.by_file.values()))


class FindReferences(Tool[Params]):
    name = "find_references"
    effect = Effect.READ
    params = Params

    def touches(self, params: Params) -> Touch:
        return Touch((".",))

    def summary(self, params: Params) -> str:
        return params.name

    async def run(self, params: Params, context: Context) -> Result:
        name = _QUALIFIED.sub("", params.name.strip().removesuffix("()"))
        if not _NAME.fullmatch(name):
            raise ToolError("name is one identifier; search for other texts by grep_search.")
        found = _Found()
        try:
            await ask_all(context, lambda index: _search(index, name, context, found))
        finally:
            found.stop = True  # a cancelled call leaves its thread; it ends at the next file
        if not found.count:
            return Result(
                f"{clip(name)} is not used in code here. Comments, texts and files in other "
                "languages are searched by grep_search.",
                "not found",
            )
        return _result(found, context.workspace)


def _search(index: Index, name: str, context: Context, found: _Found) -> None:
    from qcode.repomap.references import references

    # Files that people write come first, so that what is not shown is what matters least.
    rows = sorted(index.mentioning(name), key=lambda row: (row.weight < 0.2, row.path))
    for row in rows:
        real = index.root / row.path
        if found.stop or found.count >= _COUNTED:
            return
        # It is there where a directory lies in another, or what was kept was damaged.
        if real in found.by_file or context.is_hidden(real):
            continue
        try:
            data = beneath.read(real)
        except OSError:
            continue
        if lines := references(row.path, data, name):
            found.by_file[real] = lines


def _result(found: _Found, workspace: Workspace) -> Result:
    rows: list[str] = []
    shown = 0
    for real, lines in found.by_file.items():
        if shown == LINES:
            break
        rows.append(os.fsencode(workspace.show(real)).decode("utf-8", "replace"))
        part = lines[: LINES - shown]
        rows += [f"{number}:{_cut(text)}" for number, text in part]
        shown += len(part)
    if left := found.count - shown:
        more = "more than " if found.count >= _COUNTED else ""
        rows.append(f"[{more}{left} more lines not shown; search one directory by grep_search]")
    files = len(found.by_file)
    return Result(
        "\n".join(rows),
        f"{found.count} line{'s' if found.count != 1 else ''} in {files} "
        f"file{'s' if files != 1 else ''}",
    )


def _cut(text: str) -> str:
    return text if len(text) <= LINE_CHARACTERS else f"{text[:LINE_CHARACTERS]}… [line cut here]"
