"""What the tools that change files share towards whoever wants to know beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from qcode.tools.base import Context, Effect, Tool

if TYPE_CHECKING:
    from qcode.editing.effects import FileEffect

P = TypeVar("P")


class FileTool(Tool[P], Generic[P]):
    """A tool that changes files by `carry_out` alone, so that it can be rehearsed."""

    effect = Effect.EDIT

    async def preview(self, params: P, context: Context) -> Sequence[FileEffect]:
        """Return what the call would make of files, by a run that stops before it writes.

        Raises:
            ToolError: as things are, it could not be done.
        """
        found: list[FileEffect] = []
        rehearsed = replace(
            context,
            rehearsal=found.extend,
            seen=dict(context.seen),
            failures=dict(context.failures),
        )
        await self.run(params, rehearsed)
        return tuple(found)
