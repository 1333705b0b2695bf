"""Checkpoints for an event loop: made in a thread, opened when the first one is needed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from qcode.errors import QcodeError

if TYPE_CHECKING:
    from qcode.checkpoints.keeper import Checkpoints

log = logging.getLogger(__name__)

T = TypeVar("T")


class SessionCheckpoints:
    """The loop's `Checkpoints`; what else is to be done with them goes through `use`."""

    def __init__(
        self,
        root: Path,
        session: str,
        folder: Path,
        note: Callable[[str], None],
        *,
        keep_ignored: Sequence[str] = (".env*",),
    ) -> None:
        self._root = root
        self._session = session
        self._folder = folder
        self._note = note
        self._keep_ignored = keep_ignored
        self._opened: Checkpoints | None = None
        self._told: set[str] = set()

    async def before(self, title: str, call_id: str, paths: Sequence[str]) -> None:
        """Keep the files as they are before a call; `paths` are those that it names."""
        named = [self._root / path for path in paths]
        making = asyncio.ensure_future(self.use(lambda kept: kept.before(title, call_id, named)))
        try:
            await asyncio.shield(making)
        except asyncio.CancelledError:
            await asyncio.wait([making])
            if not making.cancelled() and making.exception() is None:
                await self.use(lambda kept: kept.after())  # it will not be run
            raise
        except QcodeError as error:
            self._tell_once(f"{error}; `checkpoints = false` in the configuration does without")
            raise
        self._tell()

    async def after(self) -> tuple[int, str] | None:
        """Keep what the call did; return its step's number and the ref that holds it, if any."""
        point = await self.use(lambda kept: kept.after())
        self._tell()
        if point is None or not point.is_change or self._opened is None:
            return None
        return point.step, self._opened.timeline.ref

    async def changed_in(self, step: int) -> set[str]:
        """Return the paths that a step changed, relative to the workspace."""
        from qcode.checkpoints.states import difference

        def look(kept: Checkpoints) -> set[str]:
            point = kept.timeline.step(step)
            if point is None:
                return set()
            return set(difference(kept.store, kept.timeline.before(point), point.state))

        return await self.use(look)

    async def state(self) -> Hashable:
        """Return something that differs when files differ."""
        return await self.use(lambda kept: kept.state())

    async def use(self, work: Callable[[Checkpoints], T]) -> T:
        """Do something with the checkpoints, in a thread."""
        return await asyncio.to_thread(lambda: work(self._open()))

    async def close(self) -> None:
        """Give up what is held open."""
        if self._opened is not None:
            await asyncio.to_thread(self._opened.close)
            self._opened = None
            await asyncio.to_thread(self._prune)

    @property
    def used(self) -> Checkpoints | None:
        """The checkpoints, if any were needed yet."""
        return self._opened

    def _open(self) -> Checkpoints:
        if self._opened is None:
            from qcode.checkpoints.keeper import Checkpoints

            self._opened = Checkpoints(
                self._root, self._session, self._folder, keep_ignored=self._keep_ignored
            )
        return self._opened

    def _prune(self) -> None:
        from qcode.checkpoints.prune import prune_now_and_then

        try:
            prune_now_and_then(self._root, self._folder)
        except (QcodeError, OSError) as error:
            log.info("old checkpoints could not be dropped: %s", error)

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._note(text)

    def _tell(self) -> None:
        """Tell a person once of each thing that going back will not bring back."""
        if self._opened is None:
            return
        files = self._opened.files
        news = [_PARTIAL.format(why=files.is_partial)] if files.is_partial else []
        news += [f"not in the checkpoints: {path} ({why})" for path, why in files.left_out.items()]
        fresh = [text for text in news if text not in self._told]
        self._told.update(fresh)
        for text in fresh[:_TOLD]:
            self._note(text)
        if len(fresh) > _TOLD:
            self._note(f"not in the checkpoints: {len(fresh) - _TOLD} more files")


_TOLD = 5
"""Files named one by one."""
_PARTIAL = "undo covers only files that edits name here, not what commands change: {why}"
