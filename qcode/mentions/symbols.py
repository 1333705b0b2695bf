"""Where a name is defined, for `@symbol:Name`: read anew each time.

Not from the map of the repository: the first one of a large repository takes seconds, and
`@` may stand before the name of a person.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from qcode import beneath
from qcode.errors import ToolError
from qcode.mentions.giving import Place
from qcode.tools import search
from qcode.tools.base import Context
from qcode.tools.searching import searched

_FILES = 100
"""Files with the name in them that are read, at most."""


class Defined:
    """Looks in the files of a session's workspace; see `giving.Symbols`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def definitions(self, name: str) -> Sequence[Place]:
        """Return the places; none if the name is not known, or nothing can be searched."""
        wanted = re.split(r"::|[.#]", name)[-1]
        root = self._context.workspace.root
        query = search.Query(root, root, rf"(?-i)\b{re.escape(wanted)}\b", None, search.COUNTED)
        try:
            found = await searched(query, self._context)
        except ToolError:
            return ()
        paths = list(dict.fromkeys(match.path for match in found.matches))[:_FILES]
        return await asyncio.to_thread(self._places, paths, wanted)

    def _places(self, paths: Sequence[str], wanted: str) -> list[Place]:
        from qcode.repomap.languages import grammar
        from qcode.repomap.symbols import symbols

        out: list[Place] = []
        for path in paths:
            try:
                data = beneath.read(self._context.workspace.root / path)
            except (OSError, beneath.NotRegular):
                continue
            out += [
                Place(path, symbol.line, symbol.end)
                for symbol in symbols(grammar(path, data[:2000].decode("utf-8", "replace")), data)
                if symbol.name == wanted
            ]
        return out
