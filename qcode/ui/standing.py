"""The lowest line: where a session stands, gathered from its events."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import events
from qcode.events import Event
from qcode.messages import Usage

if TYPE_CHECKING:
    from qcode.session import Session

LOOK_EVERY_S = 3.0
"""At most so often git's state is looked at."""


class Standing:
    """Model, mode, sandbox, branch, room in the window, what was reused, cost."""

    def __init__(self, cwd: Path) -> None:
        self._cwd = cwd
        self._session: Session | None = None
        self._last = Usage()
        self.editor: Callable[[], str] = lambda: ""
        """Says which editor is connected, and what is before the person in it."""
        self._git = ""
        self._looked_at = -LOOK_EVERY_S

    def of(self, session: Session) -> None:
        """Tell of this session from now on."""
        self._session = session
        self._last = Usage()
        self._look()

    def handle(self, event: Event) -> None:
        """Take one event."""
        match event:
            case events.UsageReported(step, _, purpose):
                if not purpose:  # others do not have the conversation as it is
                    self._last = step
            case events.ToolFinished() | events.TurnFinished():
                self._look()
            case events.Compacted():
                self._last = Usage()
            case _:
                pass

    def line(self, columns: int) -> str:
        """Return it in at most about so many columns: what matters least goes first."""
        parts = self._parts()
        while len(parts) > 2 and sum(len(part) + 3 for _, part in parts) - 3 > columns:
            least = min(range(len(parts)), key=lambda at: parts[at][0])
            del parts[least]
        return " · ".join(part for _, part in parts)

    def _parts(self) -> list[tuple[int, str]]:
        """Return the parts from left to right, each with its weight."""
        session = self._session
        if session is None:
            return []
        agent = session.agent
        parts = [(9, agent.provider.model.rpartition("/")[2]), (8, str(agent.mode))]
        if (boundary := agent.boundary) is not None and (label := boundary.label):
            parts.append((3, label.split(",")[0]))
        if self._git:
            parts.append((4, self._git))
        if editor := self.editor():
            parts.append((5, editor))
        if (compactor := agent.compactor) is not None and compactor.window:
            used = self._last.input_tokens + self._last.output_tokens
            share = 100 * used / compactor.window
            parts.append((7, f"{share:.0f} % of {_short(compactor.window)}"))
        if self._last.input_tokens:
            reused = 100 * self._last.cached_tokens / self._last.input_tokens
            parts.append((2, f"{reused:.0f} % reused"))
        if (cost := session.history.usage.cost_usd) is not None:
            parts.append((6, f"${cost:.2f}" if cost >= 0.1 else f"${cost:.4f}"))
        return parts

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        from qcode.worktree import glance

        try:
            seen = glance(str(self._cwd))
        except OSError:
            return
        if seen is None:
            return
        branch = seen.branch or "no branch"
        self._git = f"{branch} +{len(seen.changed)}" if seen.changed else branch


def _short(tokens: int) -> str:
    """Return a size of a window as people say it: 65,536 is 64k, and 200,000 is 200k."""
    if tokens < 1000:
        return str(tokens)
    return f"{tokens // 1024}k" if tokens % 1024 == 0 else f"{tokens / 1000:.0f}k"
