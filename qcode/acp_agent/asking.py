"""Asking the person in their editor whether a call may be run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from acp import RequestError, text_block, tool_content
from acp.schema import PermissionOption, ToolCallUpdate

from qcode.acp_agent.updates import Updates, arguments_of
from qcode.approvals import ApprovalRequest, Decision, Scope

NOBODY = "The editor did not answer whether this is allowed, so it was not done."


class EditorApprover:
    """Asks by `session/request_permission`; without an answer the answer is no."""

    session_id: str
    updates: Updates
    """Both are known once the session is open."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._client = client

    async def decide(self, request: ApprovalRequest) -> Decision:
        """Return what the person chose; cancelling the turn ends the question."""
        options = [PermissionOption(option_id="once", name="Allow", kind="allow_once")]
        rules = " and ".join(request.rules)
        if Scope.SESSION in request.scopes:
            what = f"Allow {rules or 'it'} for this session"
            options.append(PermissionOption(option_id="session", name=what, kind="allow_always"))
        if Scope.ALWAYS in request.scopes:
            what = f"Always allow {rules or 'it'} here"
            options.append(PermissionOption(option_id="always", name=what, kind="allow_always"))
        options.append(PermissionOption(option_id="no", name="Reject", kind="reject_once"))
        try:
            answer = await self._client().request_permission(
                self.session_id, self._shown(request), options
            )
        except (RequestError, ConnectionError, OSError):
            return Decision(allowed=False, words=NOBODY)
        chosen = getattr(answer.outcome, "option_id", "")
        scopes = {"once": Scope.ONCE, "session": Scope.SESSION, "always": Scope.ALWAYS}
        scope = scopes.get(chosen)
        if scope is None or scope not in (Scope.ONCE, *request.scopes):
            return Decision(allowed=False)
        rules_kept = () if scope is Scope.ONCE else request.rules
        return Decision(allowed=True, scope=scope, rules=rules_kept)

    def _shown(self, request: ApprovalRequest) -> ToolCallUpdate:
        """Return the call with why it is asked about and what it would do."""
        why = [f"asked, since {request.reason}"]
        why += [f"for the agent {request.agent}"] if request.agent else []
        why += [f"it would have {request.grant}"] if request.grant else []
        why += [f"in {request.directory}"] if request.directory else []
        why += [f"sandbox: {request.sandbox}"] if request.sandbox else []
        why += [f"it would fail: {request.trouble}"] if request.trouble else []
        content: list[Any] = [self.updates.diff(effect) for effect in request.files]
        content.append(tool_content(text_block("; ".join(why))))
        return ToolCallUpdate(
            tool_call_id=request.call.id,
            title=request.command or f"{request.call.name} {request.summary}".strip(),
            content=content,
            raw_input=arguments_of(request.call),
        )
