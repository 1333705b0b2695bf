"""Asking the person at the terminal about a call."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable

from qcode.approvals import ApprovalRequest, Decision
from qcode.events import ApprovalNeeded, Event
from qcode.messages import ToolCall
from qcode.ui.printable import one_line
from qcode.ui.terminal import Terminal

Ask = Callable[[str], Awaitable[str]]
"""Shows a question and returns the line typed.

Raises:
    KeyboardInterrupt, EOFError: the person wants out.
"""

SUMMARY_COLUMNS = 120
IN_SUMMARY = ("command", "file_path", "notebook_path")
SHORT = 20
"""Characters of a call with which the question still fits one line of most terminals."""


def question(request: ApprovalRequest) -> str:
    """Return the question, which ends where the answer is typed."""
    name = one_line(request.call.name, SUMMARY_COLUMNS)
    what = f"{name} {one_line(request.summary, SUMMARY_COLUMNS)}"
    commanded = request.call.name == "run_shell_command"
    always = "[a]lways this command / " if commanded else "[a]lways this session / "
    if request.outside:
        # Each directory outside is a question of its own.
        always = ""
        what += f", outside the workspace ({one_line(', '.join(request.outside), SUMMARY_COLUMNS)})"
    break_here = "\n" if len(what) > SHORT else " "
    return f"Allow {what}?{break_here}[y]es / {always}[n]o, or type what to do instead: "


def decision(answer: str, *, outside: bool = False) -> Decision | None:
    """Return what an answer means; None for an empty one, which must not allow anything."""
    words = answer.strip()
    match words.lower():
        case "":
            return None
        case "y" | "yes":
            return Decision(allowed=True)
        case "a" | "always":
            return Decision(allowed=True, for_session=not outside)
        case "n" | "no":
            return Decision(allowed=False)
        case _:
            return Decision(allowed=False, words=words)


def preview(call: ToolCall, summary: str) -> str:
    """Return what a call would do, as a diff where it is one.

    Every argument is shown, known or not: models use other names for them, and
    nothing that is run may stay unseen.
    """
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        return call.arguments
    if not isinstance(arguments, dict):
        return call.arguments
    said = summary if summary == one_line(summary, SUMMARY_COLUMNS) else ""
    return "\n".join(
        line
        for name, value in arguments.items()
        # What the question has whole need not be said again.
        if not (name in IN_SUMMARY and isinstance(value, str) and value in said)
        for line in _shown(name, value)
    )


def _shown(name: str, value: object) -> list[str]:
    if name == "edits" and isinstance(value, list):
        return [
            line
            for each in value
            for line in (
                [row for key, inner in each.items() for row in _shown(key, inner)]
                if isinstance(each, dict)
                else [json.dumps(each, ensure_ascii=False)]
            )
        ]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if name == "old_string":
        return _marked("-", text)
    if name in ("new_string", "content", "new_source"):
        return _marked("+", text)
    if name == "input":
        return _marked("", text)  # a patch has marks of its own
    return [f"{name}:", *_marked("  ", text)] if "\n" in text else [f"{name}: {text}"]


def _marked(mark: str, text: str) -> list[str]:
    return [f"{mark}{line}" for line in text.removesuffix("\n").split("\n")] if text else []


class TerminalApprover:
    """Shows events and asks in between; the `Approver` of an interactive session.

    Events and questions share one screen: a question comes after all that
    happened before it, and nothing is written while it is open.
    """

    def __init__(self, terminal: Terminal, ask: Ask, interrupt: Callable[[], object]) -> None:
        self._terminal = terminal
        self._ask = ask
        self._interrupt = interrupt
        self._screen = asyncio.Lock()
        self._announced: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def show(self, event: Event) -> None:
        """Show one event; waits while a question is open."""
        async with self._screen:
            self._terminal.handle(event)
        if isinstance(event, ApprovalNeeded):
            self._announced[event.call.id].set()

    async def decide(self, request: ApprovalRequest) -> Decision:
        """Show what is about to be done, ask, and return the decision."""
        await self._announced[request.call.id].wait()
        del self._announced[request.call.id]
        async with self._screen:
            self._terminal.preview(request.call.id, preview(request.call, request.summary))
            self._terminal.end_line()
            try:
                return await self._answer(request)
            except (KeyboardInterrupt, EOFError):
                self._interrupt()
        # The interruption arrives at this wait; the answer below is for nobody.
        await asyncio.sleep(0)
        return Decision(allowed=False)

    async def _answer(self, request: ApprovalRequest) -> Decision:
        while True:
            answer = await self._ask(question(request))
            found = decision(answer, outside=bool(request.outside))
            if found is not None:
                return found
