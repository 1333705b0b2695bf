"""Where a name is defined, for `@symbol:Name`: read anew each time, with no index."""

from __future__ import annotations

from collections.abc import Sequence

from qcode.errors import ToolError
from qcode.mentions.giving import Place
from qcode.tools.base import Context
from qcode.tools.find_symbol import definitions, last_part


class Defined:
    """Looks in the files of a session's workspace; see `giving.Symbols`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def definitions(self, name: str) -> Sequence[Place]:
        """Return the places; none if the name is not known, or nothing can be searched."""
        try:
            rows, _ = await definitions(name, self._context.workspace.root, self._context)
            wanted = last_part(name)
        except ToolError:
            return ()
        return [
            Place(path, symbol.line, symbol.end)
            for path, symbol in rows
            if symbol.name.rpartition(".")[2] == wanted
        ]
