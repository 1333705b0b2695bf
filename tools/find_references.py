"""`find_references`: where a name is used as code."""

from __future__ import annotations

import asyncio
import os
import re

from qcode import beneath
from qcode.record import Record
from qcode.tools import search
from qcode.tools.base import Context, Effect, Result, Tool, Touch
from qcode.tools.clip import clip
from qcode.tools.files import missing
from qcode.tools.find_symbol import last_part
from qcode.tools.searching import searched

_FILES = 400
"""Files with the name in them that are read, at most."""
_LINE = 200
"""Characters of a line."""


class Params(Record):
    name: str
    path: str | None = None


class FindReferences(Tool[Params]):
    name = "find_references"
    effect = Effect.READ
    params = Params

    def touches(self, params: Params) -> Touch:
        return Touch((params.path or ".",))

    def summary(self, params: Params) -> str:
        return params.name

    async def run(self, params: Params, context: Context) -> Result:
        name = last_part(params.name)
        start = context.path(params.path or ".")
        if not beneath.exists(start):
            raise missing(context, params.path or ".", start)
        pattern = rf"(?-i)\b{re.escape(name)}\b" if name[-1].isalnum() else re.escape(name)
        root = context.workspace.root
        found = await searched(search.Query(root, start, pattern, None, search.COUNTED), context)
        lines: dict[str, list[int]] = {}
        for match in found.matches:
            lines.setdefault(match.path, []).append(match.line)
        some = dict(list(lines.items())[:_FILES])
        used = await asyncio.to_thread(_used, some, name, context)
        if not used:
            return Result(
                f"{clip(name)} is used nowhere as code of a known language. Use grep_search.",
                "nothing",
            )
        return _result(used, len(lines) - len(some), context)


Used = dict[str, list[tuple[int, str, bool]]]
"""Path to the lines with the name: number, text, whether it is defined there."""


def _used(lines: dict[str, list[int]], name: str, context: Context) -> Used:
    """Return where the name is code, not a comment or a string."""
    from qcode.repomap.symbols import is_code, symbols

    word = re.compile(rb"(?<![\w$])" + re.escape(name.encode()) + rb"(?![\w$])")
    out: Used = {}
    for path, numbers in lines.items():
        try:
            data = beneath.read(context.workspace.root / path)
        except (OSError, beneath.NotRegular):
            continue
        rows = data.split(b"\n")
        starts = [0]
        for row in rows:
            starts.append(starts[-1] + len(row) + 1)
        defined = {each.line for each in symbols(path, data) or () if last(each.name) == name}
        for number in numbers:
            if number > len(rows):
                continue  # it has changed since
            at, row = starts[number - 1], rows[number - 1]
            if any(
                is_code(path, data, at + hit.start(), at + hit.end()) for hit in word.finditer(row)
            ):
                text = row.decode("utf-8", "replace").strip()
                out.setdefault(path, []).append((number, text, number in defined))
    return out


def last(name: str) -> str:
    """Return the last part of a dotted name."""
    return name.rpartition(".")[2].rpartition(":")[2]


def _result(used: Used, unread: int, context: Context) -> Result:
    # Where it is defined comes first, then where it is used most.
    order = sorted(
        used, key=lambda path: (not any(row[2] for row in used[path]), -len(used[path]), path)
    )
    count = sum(map(len, used.values()))
    rows: list[str] = []
    room, shown = context.sizes.search_characters, 0
    for path in order:
        block = [os.fsencode(path).decode("utf-8", "replace")]
        for number, text, is_definition in used[path]:
            mark = " (defined here)" if is_definition else ""
            cut = text if len(text) <= _LINE else f"{text[:_LINE]}…"
            block.append(f"{number}:{mark} {cut}")
        room -= sum(map(len, block)) + len(block)
        if rows and (room < 0 or shown >= context.sizes.search_matches):
            break
        rows += block
        shown += len(used[path])
    if count > shown:
        rows.append(f"[{count - shown} more not shown; name a path]")
    if unread > 0:
        rows.append(f"[{unread} more files with the name were not read]")
    return Result("\n".join(rows), f"{count} references in {len(used)} files")
