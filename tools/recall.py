"""`recall`: what was put aside of a long session, found by its words."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools.base import Context, Effect, Result, Tool
from qcode.tools.clip import clip

if TYPE_CHECKING:
    from qcode.compaction.archive import Archive

_HITS = 6


class Params(Record):
    query: Annotated[str, "words of it"]


class Recall(Tool[Params]):
    name = "recall"
    effect = Effect.READ
    params = Params

    def __init__(self, archive: Archive | None = None) -> None:
        self._archive = archive

    def summary(self, params: Params) -> str:
        return params.query

    async def run(self, params: Params, context: Context) -> Result:
        if not params.query.strip():
            raise ToolError("query is empty. Send some words of what is looked for.")
        put_aside = context.put_aside()
        if not put_aside:
            return Result("Nothing was put aside yet: all that was said is in sight.", "nothing")
        if self._archive is None:
            from qcode.compaction.archive import Archive

            self._archive = Archive()
        hits = await asyncio.to_thread(self._archive.search, put_aside, params.query, _HITS)
        if not hits:
            return Result(
                f"No words of {clip(params.query)} in what was put aside. Try others of it, or "
                "look at the files.",
                "nothing",
            )
        blocks = [f"[{hit.number} of {len(put_aside)}: {hit.what}]\n{hit.text}" for hit in hits]
        return Result("\n\n".join(blocks), f"{len(hits)} parts")
