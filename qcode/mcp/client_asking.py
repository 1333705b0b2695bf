"""Asking the person at another agent, where that agent offers to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from qcode.approvals import ApprovalRequest, Decision, Nobody, Scope

Ask = Callable[[str, bool], Awaitable[Scope | None]]
"""Puts a question, with whether a yes may be for the session; returns for how long, None: no."""

asking: ContextVar[Ask | None] = ContextVar("asking", default=None)
"""How the client of the call under way is asked; None: it does not offer to be."""


class ThroughClient(Nobody):
    """Has the client ask its person; says no as nobody would where it does not offer to.

    It counts as nobody where it matters: without a sandbox commands are not run.
    """

    async def decide(self, request: ApprovalRequest) -> Decision:
        """Return what the person at the client says."""
        ask = asking.get()
        if ask is None:
            return await super().decide(request)
        lines = [f"allow {request.call.name}: {request.summary}", request.reason]
        lines += [f"outside the workspace: {path}" for path in request.outside]
        lines += [f"it would get {request.grant}"] if request.grant else []
        scope = await ask("\n".join(filter(None, lines)), Scope.SESSION in request.scopes)
        if scope is None:
            return Decision(allowed=False)
        return Decision(allowed=True, scope=scope, rules=request.rules)
