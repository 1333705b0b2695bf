"""Asking a person about a call for which the permission says ask."""

from __future__ import annotations

from typing import Protocol

from qcode.messages import ToolCall
from qcode.record import Record


class ApprovalRequest(Record):
    """One call and why it needs a decision."""

    call: ToolCall
    summary: str
    """One line: what is about to be done."""
    reason: str
    outside: tuple[str, ...] = ()
    """Paths outside the workspace that would be allowed with it."""


class Decision(Record):
    """A person's answer; `words` go to the model when it is no."""

    allowed: bool
    for_session: bool = False
    """Do not ask again for this kind of call in this session."""
    words: str = ""


class Approver(Protocol):
    """Whoever can be asked: a terminal, an editor, nobody."""

    async def decide(self, request: ApprovalRequest) -> Decision:
        """Return the decision; may take as long as a person takes."""
        ...


class Nobody:
    """The headless approver: says no, and how a person could have allowed it."""

    async def decide(self, request: ApprovalRequest) -> Decision:
        """Return no."""
        if request.outside:
            how = "the person can allow the directory with --add-dir"
        else:
            how = "the person can allow it by running qcode with -y"
        return Decision(
            allowed=False,
            words=f"Not allowed: {request.reason}, and nobody is there to ask; {how}. "
            "Do what is possible without it, then say what is missing.",
        )
