"""Asking the person at the terminal about a call.

What is asked about was written by a model, perhaps on somebody else's behalf: nothing of it
may hide, push the rest off the screen or look like something else, and no key that was
meant for something else may count.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from qcode.approvals import ApprovalRequest, Decision, Scope
from qcode.editing.effects import Piece, diff, pieces
from qcode.errors import QcodeError
from qcode.events import ApprovalNeeded, Event
from qcode.ui.amend import amended, draft
from qcode.ui.hunkwise import left_out
from qcode.ui.printable import one_line
from qcode.ui.terminal import Terminal
from qcode.ui.visible import visible

if TYPE_CHECKING:
    from qcode.shell.parted import Part

Ask = Callable[[str], Awaitable[str]]
"""Shows a question and returns the line typed after it; what was typed before does not count.

Raises:
    KeyboardInterrupt, EOFError: the person wants out.
"""

Edit = Callable[[str, str], Awaitable[str]]
"""Has the person change a text in their editor, under a file name; returns it as it is then.

Raises:
    QcodeError: there is no editor, or it failed.
"""

PAUSE_S = 0.3
"""Between what is asked about and the line for the answer: time to stop typing."""
SUMMARY_COLUMNS = 120
NOTE_COLUMNS = 400
PART_COLUMNS = 80
PARTS_SHOWN = 32
"""Commands of one text; all of it stands there as it is, too."""
NONE_ALLOWED = (
    "The person looked at the changes of this call one by one and allowed none of them. "
    "Ask what they want instead."
)
IN_SUMMARY = ("command", "file_path", "notebook_path")
_SPEECH = ("description", "explanation", "reason")
"""Arguments in which a model speaks for itself."""


def heading(request: ApprovalRequest) -> str:
    """Return what is asked, in one line."""
    name = one_line(request.call.name, SUMMARY_COLUMNS)
    what = f"{name} {_summary(request)}"
    if request.outside:
        paths = one_line(visible(", ".join(request.outside)), SUMMARY_COLUMNS)
        what += f", outside the workspace ({paths})"
    if request.agent:
        what += f", for the agent {one_line(request.agent, SUMMARY_COLUMNS)}"
    return f"Allow {what}?"


def _summary(request: ApprovalRequest) -> str:
    return one_line(visible(request.summary), SUMMARY_COLUMNS)


def choices(request: ApprovalRequest, *, can_edit: bool = False) -> str:
    """Return the answers there are; ends where the answer is typed."""
    longer = {Scope.SESSION: "[s]ession", Scope.ALWAYS: "[a]lways"}
    offered = [longer[scope] for scope in request.scopes if scope in longer]
    what = visible(", ".join(request.rules)) or "this very call"
    kept = f" / {' / '.join(offered)} {what}" if offered else ""
    kept += " / [e]dit" if can_edit else ""
    kept += " / [h]unks" if len(pieces(request.files)) > 1 else ""
    return f"[y]es{kept} / [n]o, or type what to do instead: "


def decision(answer: str, request: ApprovalRequest) -> Decision | None:
    """Return what an answer means; None for one that means nothing here, as an empty one."""
    words = answer.strip()
    match words.lower():
        case "":
            return None
        case "y" | "yes":
            return Decision(allowed=True)
        case "s" | "session" | "a" | "always" as asked:
            scope = Scope.SESSION if asked.startswith("s") else Scope.ALWAYS
            if scope not in request.scopes:
                return None
            return Decision(allowed=True, scope=scope, rules=request.rules)
        case "n" | "no":
            return Decision(allowed=False)
        case "e" | "edit" | "h" | "hunks":
            return None
        case _:
            return Decision(allowed=False, words=words)


def circumstances(request: ApprovalRequest) -> list[str]:
    """Return the whole command, where it runs, what holds it, what it would be given, and why."""
    lines: list[str] = []
    if request.command and visible(request.command) != _summary(request):
        lines += ["command:", *(f"  {line}" for line in visible(request.command).split("\n"))]
    lines += _parts(request)
    if request.command:
        where = f"in {visible(request.directory)}"
        lines.append(f"{where} · {request.sandbox}" if request.sandbox else where)
    if request.is_changed:
        lines.append("this is as you changed it")
    if request.trouble:
        lines.append(f"as things are it would fail: {visible(request.trouble)}")
    if request.grant:
        lines.append(f"it would be given {visible(request.grant)}")
    if Scope.ALWAYS not in request.scopes:  # else it is but what the mode asks about
        lines.append(f"why: {visible(request.reason)}")
    return lines


def _parts(request: ApprovalRequest) -> list[str]:
    """Return the commands of a shell text, a line each, with what is to be known of it."""
    shown = request.parts[:PARTS_SHOWN]
    texts = [one_line(visible(part.text), PART_COLUMNS) for part in shown]
    wide = min(max(map(len, texts), default=0), PART_COLUMNS // 2)
    lines = [
        f"  {text:<{wide}}  ← {_finding(part)}" if part.findings else f"  {text}"
        for text, part in zip(texts, shown, strict=True)
    ]
    if more := len(request.parts) - len(shown):
        lines.append(f"  … and {more:,} more commands")
    return ["it would run:", *lines] if lines else []


def _finding(part: Part) -> str:
    return one_line(visible("; ".join(part.findings)), NOTE_COLUMNS)


def preview(request: ApprovalRequest) -> str:
    """Return what a call says it would do, like a diff where it is an edit.

    Every argument is shown, known or not: models use other names for them, and
    nothing that is run may stay unseen.
    """
    try:
        arguments = json.loads(request.call.arguments)
    except ValueError:
        return visible(request.call.arguments)
    if not isinstance(arguments, dict):
        return visible(request.call.arguments)
    summary = request.summary
    said = summary if summary == one_line(summary, SUMMARY_COLUMNS) else ""
    return "\n".join(
        visible(line)
        for name, value in arguments.items()
        # What is shown whole elsewhere need not be said again.
        if not (name in IN_SUMMARY and isinstance(value, str) and value in said)
        and not (request.command and value == request.command)
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
    name = "the model says" if name in _SPEECH else name
    return [f"{name}:", *_marked("  ", text)] if "\n" in text else [f"{name}: {text}"]


def _marked(mark: str, text: str) -> list[str]:
    return [f"{mark}{line}" for line in text.removesuffix("\n").split("\n")] if text else []


class TerminalApprover:
    """Shows events and asks in between; the `Approver` of an interactive session.

    Events and questions share one screen: a question comes after all that
    happened before it, and nothing is written while it is open.
    """

    def __init__(
        self,
        terminal: Terminal,
        ask: Ask,
        interrupt: Callable[[], object],
        *,
        pause_s: float = PAUSE_S,
        edit: Edit | None = None,
    ) -> None:
        self._terminal = terminal
        self._ask = ask
        self._interrupt = interrupt
        self._pause_s = pause_s
        self._edit = edit
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
            if request.files:
                self._terminal.preview(request.call.id, diff(request.files), is_exact=True)
            else:
                self._terminal.preview(request.call.id, preview(request))
            for line in circumstances(request):
                unheld = line.endswith("no sandbox")
                self._terminal.say(f"  {line}", "red" if unheld else "dim")
            if request.note:
                self._terminal.say(f"✗ not taken: {one_line(request.note, NOTE_COLUMNS)}", "red")
            self._terminal.say(heading(request))
            try:
                return await self._answer(request)
            except (KeyboardInterrupt, EOFError):
                self._interrupt()
        # The interruption arrives at this wait; the answer below is for nobody.
        await asyncio.sleep(0)
        return Decision(allowed=False)

    async def _answer(self, request: ApprovalRequest) -> Decision:
        while True:
            await asyncio.sleep(self._pause_s)
            answer = await self._ask(choices(request, can_edit=self._edit is not None))
            match answer.strip().lower():
                case "e" | "edit" if self._edit is not None:
                    found = await self._amended(request, self._edit)
                case "h" | "hunks":
                    found = await self._hunkwise(request)
                case _:
                    found = decision(answer, request)
            if found is not None:
                return found

    async def _amended(self, request: ApprovalRequest, edit: Edit) -> Decision | None:
        """Return the call as the person writes it; None if they leave it as it is."""
        opened = draft(request)
        try:
            arguments = amended(request, opened, await edit(opened.text, opened.name))
        except QcodeError as error:
            self._terminal.say(f"✗ {one_line(str(error), NOTE_COLUMNS)}", "red")
            return None
        if arguments is None:
            self._terminal.say("nothing was changed", "dim")
            return None
        return Decision(allowed=False, arguments=arguments)

    async def _hunkwise(self, request: ApprovalRequest) -> Decision | None:
        """Go through an edit change by change; return None if that decided nothing."""
        every = pieces(request.files)
        if len(every) < 2:
            return None

        def show(which: str, piece: Piece) -> None:
            self._terminal.preview(request.call.id, piece.diff, is_exact=True)
            self._terminal.say(f"{which}: allow it?")

        async def ask(question: str) -> str:
            await asyncio.sleep(self._pause_s)
            return await self._ask(question)

        left = await left_out(every, show, ask)
        if left is None:
            return None
        if len(left) == len(every):
            return Decision(allowed=False, words=NONE_ALLOWED)
        self._terminal.forget_preview(request.call.id)
        return Decision(allowed=True, left_out=left)
