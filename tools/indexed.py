"""Asking what is known of all directories of the workspace, with a line for who waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from qcode.tools.base import Context

if TYPE_CHECKING:
    from qcode.repomap.index import Index

T = TypeVar("T")

_SILENT_S = 1.0
"""Nothing is told of what takes no longer."""
_EVERY_S = 0.25


async def ask_all(context: Context, question: Callable[[Index], T]) -> list[T]:
    """Return the answers of each directory of the workspace, its root's first.

    The first look at a large tree takes long, so a person is told how far it is.
    """
    from qcode.repomap import ask

    progress = _Progress(context.output)

    def answers() -> list[T]:
        return [
            ask(top, question, partial(progress.tell, top))
            for top in context.workspace.tops
            if not progress.is_over
        ]

    try:
        return await asyncio.to_thread(answers)
    finally:
        progress.is_over = True  # a cancelled call leaves its thread


class _Progress:
    """A line that is drawn anew, told of in a thread and shown in the loop's."""

    def __init__(self, output: Callable[[str], None]) -> None:
        self._output = output
        self._loop = asyncio.get_running_loop()
        self._told_at = time.monotonic() + _SILENT_S - _EVERY_S
        self.is_over = False

    def tell(self, top: Path, done: int, of: int) -> None:
        """Tell how many files were read, of those that have to be."""
        now = time.monotonic()
        if self.is_over or now - self._told_at < _EVERY_S:
            return
        self._told_at = now
        line = f"reading what {top.name or top} defines: {done:,} of {of:,} files\r"
        self._loop.call_soon_threadsafe(self._show, line)

    def _show(self, line: str) -> None:
        if not self.is_over:  # after a call's end nothing of it is shown
            self._output(line)
