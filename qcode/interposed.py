"""What may step in between: before and after calls, messages, the end of a turn.

The loop knows no more of it than this; programs and their formats are `qcode.hooks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from qcode.record import Record

if TYPE_CHECKING:
    from qcode.approvals import ApprovalRequest, Decision
    from qcode.messages import ToolCall
    from qcode.tools.base import Result


class Ruled(Record):
    """What is said of a call before it is judged."""

    refusal: str = ""
    """Why it is not run, for the model; empty: it may be."""
    arguments: str | None = None
    """As JSON, what it is given instead; None: as it was written."""
    is_allowed: bool = False
    """Whether it need not be asked about, as by a rule that allows it."""
    asks: str = ""
    """Why it is asked about in every mode; empty: it is not for this."""
    context: str = ""
    """What the model is told with the result."""


NOTHING = Ruled()


class Said(Record):
    """What is said of a message of the person's."""

    refusal: str = ""
    """Why it is not sent, for the person; empty: it is."""
    before: str = ""
    after: str = ""
    """What the model is told with it."""


class Hooks(Protocol):
    """Steps in. Each may raise QcodeError, which ends the turn with its words."""

    async def before_call(self, call: ToolCall, paths: tuple[str, ...]) -> Ruled:
        """Return what is said of a call that names these paths."""
        ...

    async def after_call(self, call: ToolCall, paths: tuple[str, ...], result: Result) -> str:
        """Return what the model is told of a call that was run, besides; may be empty."""
        ...

    async def asked(self, request: ApprovalRequest) -> Decision | None:
        """Return a decision instead of the person's; None: they are asked."""
        ...

    async def notify(self, message: str) -> None:
        """Hear that the person is waited for."""
        ...

    async def said(self, text: str, *, is_first: bool) -> Said:
        """Return what is said of a message; `is_first`: of a session's first one."""
        ...

    async def stops(self, *, again: bool, last: str) -> str:
        """Return why the model, whose last words these are, is to go on; empty: it may stop."""
        ...

    async def compacts(self, *, by_hand: bool, wish: str) -> str:
        """Return why no room is to be made in the window; empty: it may be."""
        ...

    def tell(self, text: str) -> None:
        """Tell the person something of it."""
        ...

    async def ended(self) -> None:
        """Hear that the session is over; raises nothing."""
        ...

    def of_subagent(self, name: str) -> Hooks:
        """Return what steps in for an agent that works for this one."""
        ...
