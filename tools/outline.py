"""`outline`: what one file defines, with lines."""

from __future__ import annotations

import asyncio

from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools.base import Context, Effect, Result, Tool, Touch
from qcode.tools.clip import clip
from qcode.tools.files import WHOLE_LIMIT, read_existing

SYMBOLS = 400
"""Symbols shown at most; of larger files, those that stand in fewer others."""


class Params(Record):
    file_path: str


class Outline(Tool[Params]):
    name = "outline"
    effect = Effect.READ
    params = Params

    def touches(self, params: Params) -> Touch:
        return Touch((params.file_path,))

    def summary(self, params: Params) -> str:
        return params.file_path

    async def run(self, params: Params, context: Context) -> Result:
        from qcode.repomap.reading import of

        real = context.path(params.file_path)
        _, data = read_existing(context, params.file_path, real, WHOLE_LIMIT)
        found = (await asyncio.to_thread(of, real.name, data)).symbols
        if not found:
            raise ToolError(
                f"No symbols are known of {clip(params.file_path)}. Use read_file or grep_search."
            )
        depth = max(each.depth for each in found)
        while depth and sum(each.depth <= depth for each in found) > SYMBOLS:
            depth -= 1
        fitting = [each for each in found if each.depth <= depth]
        lines = [
            f"{each.line}-{each.end}:{'  ' * each.depth} {each.signature or each.name}"
            for each in fitting[:SYMBOLS]
        ]
        if left := len(found) - len(lines):
            lines.append(f"[{left} more not shown; use find_symbol or grep_search]")
        return Result("\n".join(lines), f"{len(found)} symbol{'s' if len(found) != 1 else ''}")
