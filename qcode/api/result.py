"""What a turn came to, and the errors of turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qcode.errors import QcodeError
from qcode.events import TurnEnd
from qcode.messages import Usage

if TYPE_CHECKING:
    from qcode.checkpoints.in_session import SessionCheckpoints


@dataclass(frozen=True, slots=True)
class Result:
    """What a turn came to."""

    text: str
    """The model's last words."""
    end: TurnEnd
    steps: int
    usage: Usage
    """Of this turn."""
    changed: tuple[str, ...] = ()
    """Paths of the files that its calls changed, relative to the directory."""
    diff: str = ""
    """What they changed, as a patch that `git apply` takes."""
    error: str = ""
    """Why it ended otherwise than answered, in one line: the cause and what to do."""
    exit_code: int = 0
    """What `qcode run` would exit with."""

    @property
    def cost_usd(self) -> float | None:
        """What the turn cost; None where the price is not known."""
        return self.usage.cost_usd

    @property
    def is_answered(self) -> bool:
        """Whether the model came to its end."""
        return self.end is TurnEnd.ANSWERED


class TurnError(QcodeError):
    """A turn did not come to its end; `result` is what there is all the same."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.error or f"the turn ended as {result.end}")
        self.result = result
        self.exit_code = result.exit_code


async def last_point(kept: SessionCheckpoints | None, *, is_resumed: bool) -> int:
    """Return the index of the newest state of the files that is kept; -1 where there is none.

    Of a new session nothing is kept before its first call, so that nothing has to be opened.
    """
    if kept is None or (kept.used is None and not is_resumed):
        return -1
    return await kept.use(lambda its: -1 if its.timeline.is_empty else its.timeline.last.index)


async def changes_since(kept: SessionCheckpoints | None, point: int) -> tuple[list[str], str]:
    """Return the paths that calls changed after a point, and what they changed.

    Raises:
        QcodeError: git cannot compare them.
    """
    if kept is None or kept.used is None:
        return [], ""
    from qcode.checkpoints.patch import patch
    from qcode.landing.own import own_changes, own_states

    def compare() -> tuple[list[str], str]:
        assert kept.used is not None
        own = own_changes(kept.used, point)
        if not own.changes:
            return [], ""
        before, after = own_states(kept.used, own)
        return sorted(own.changes), patch(kept.used.store, before, after).decode("utf-8", "replace")

    return await kept.use(lambda _its: compare())
