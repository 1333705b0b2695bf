"""Asking a person about a call for which the permission says ask."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from qcode.messages import ToolCall
from qcode.record import Record

if TYPE_CHECKING:
    from qcode.editing.effects import FileEffect
    from qcode.shell.parted import Part


class Scope(StrEnum):
    """For how long a yes holds."""

    ONCE = "once"
    """For this call."""
    SESSION = "session"
    ALWAYS = "always"
    """For this workspace, in later sessions too."""


class ApprovalRequest(Record):
    """One call and why it needs a decision."""

    call: ToolCall
    summary: str
    """One line: what is about to be done."""
    reason: str
    outside: tuple[str, ...] = ()
    """Paths outside the workspace that would be allowed with it."""
    scopes: tuple[Scope, ...] = (Scope.ONCE,)
    """For how long it can be allowed."""
    rules: tuple[str, ...] = ()
    """What would be remembered with a yes for more than once; none: this very call."""
    command: str = ""
    """What a shell would be given."""
    directory: str = ""
    """Where the command would run."""
    sandbox: str = ""
    """What would hold it, in a few words."""
    grant: str = ""
    """What it wants beyond that, and would be given."""
    remedy: str = ""
    """How it could be allowed where nobody is there to ask."""
    files: tuple[FileEffect, ...] = ()
    """What an edit would make of files, as they are now; none: that is not known."""
    trouble: str = ""
    """Why an edit would fail, as things are now."""
    is_changed: bool = False
    """Whether the call is as the person changed it, and not as the model wrote it."""
    note: str = ""
    """Why what the person made of the call is not taken; it is the one before that."""
    agent: str = ""
    """Which subagent wants it; empty: the session's own model does."""
    parts: tuple[Part, ...] = ()
    """The commands of a shell text, if it has several, with what each does."""


class Decision(Record):
    """A person's answer; `words` go to the model when it is no."""

    allowed: bool
    scope: Scope = Scope.ONCE
    rules: tuple[str, ...] = ()
    """What is remembered for the scope; none: this very call."""
    words: str = ""
    arguments: str | None = None
    """The call's arguments as the person wants them, as JSON: no answer yet, since a call that
    was changed is judged and asked about anew."""
    left_out: frozenset[int] | None = None
    """Of an edit's pieces (`qcode.editing.effects`), those not to be made; then exactly the
    others are, or nothing. None: all of it is allowed."""


class Approver(Protocol):
    """Whoever can be asked: a terminal, an editor, nobody."""

    async def decide(self, request: ApprovalRequest) -> Decision:
        """Return the decision; may take as long as a person takes."""
        ...


class Nobody:
    """The headless approver: says no, and how a person could have allowed it."""

    async def decide(self, request: ApprovalRequest) -> Decision:
        """Return no."""
        how = f"; the person can {request.remedy}" if request.remedy else ""
        return Decision(
            allowed=False,
            words=f"Not allowed: {request.reason}, and nobody is there to ask{how}. "
            "Do what is possible without it, then say what is missing.",
        )
