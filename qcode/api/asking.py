"""A program's own functions in the place of a person: whether a call may be run, what is meant."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from qcode.api.function_tool import FunctionTool
from qcode.approvals import ApprovalRequest, Decision
from qcode.daemon import in_daemon
from qcode.errors import ToolError
from qcode.prompts import load
from qcode.record import replace
from qcode.tools.base import Effect

T = TypeVar("T")

Verdict: TypeAlias = bool | str | Decision
"""Yes or no, no with words for the model, or the whole of it."""

Approve: TypeAlias = Callable[[ApprovalRequest], Verdict | Awaitable[Verdict]]
"""Is asked about a call; a function that is no coroutine runs in a thread, so it may block."""

Question: TypeAlias = Callable[[str], str | Awaitable[str]]
"""Is asked what the model wants to know; runs like `Approve`."""


async def answer_of(function: Callable[[Any], Any], asked: object) -> Any:
    """Return what a function says, a coroutine or not."""
    if inspect.iscoroutinefunction(function):
        return await function(asked)
    said = await in_daemon(lambda: function(asked))
    return await said if inspect.isawaitable(said) else said


class Callback:
    """The approver that asks a program's function; what that raises comes out of the turn."""

    def __init__(self, approve: Approve) -> None:
        self._approve = approve

    async def decide(self, request: ApprovalRequest) -> Decision:
        """Return what the function says.

        Raises:
            TypeError: it says neither yes nor no.
        """
        match await answer_of(self._approve, request):
            case bool(allowed):
                return Decision(allowed)
            case str(words):
                return Decision(allowed=False, words=words)
            case Decision() as decision:
                return _settled(decision, request)
            case other:
                raise TypeError(
                    f"`approve` must return True, False, words or a Decision, not {other!r}"
                )


def _settled(decision: Decision, request: ApprovalRequest) -> Decision:
    """Return the decision; a function that changes a call in the same way each time agrees to it.

    It is asked anew about the call as it changed it, for ever if that were no answer.
    """
    if decision.arguments is None:
        return decision
    if decision.arguments == request.call.arguments:
        return replace(decision, arguments=None)
    if request.note:
        return Decision(allowed=False, words=f"Not allowed as it was meant: {request.note}")
    return decision


def question_tool(on_question: Question) -> FunctionTool[..., Any]:
    """Return the tool by which the model asks for what only a person knows."""

    async def ask_person(question: str) -> str:
        said = await answer_of(on_question, question)
        if not isinstance(said, str):
            raise ToolError("There is no answer. Decide yourself, and say what you assumed.")
        return said

    return FunctionTool(ask_person, description=load("api/ask_person"), effect=Effect.STATE)
