"""Going back to before one of the messages of a session: /rewind, with or without the files."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from qcode.cli.backstage import Ask, Say
from qcode.cli.travel import done, prepare, refused
from qcode.conversation import is_said
from qcode.errors import QcodeError, UsageError
from qcode.messages import AssistantMessage
from qcode.prompts import load
from qcode.record import Record

if TYPE_CHECKING:
    from qcode.checkpoints.in_session import SessionCheckpoints
    from qcode.checkpoints.keeper import Checkpoints
    from qcode.session import Session

LISTED = 20
"""Messages that are listed at most, the last ones."""


class Earlier(Record):
    """A message of a person that can be gone back to."""

    number: int
    """Counted from 1; `rewind_to` takes it."""
    text: str
    first_call: str = ""
    """The first call after it that changed files which can be taken back; nothing: none did."""


async def earlier_messages(session: Session) -> list[Earlier]:
    """Return what a person said so far, the first one first."""
    changed = await _changed(session)
    out: list[Earlier] = []
    first = ""
    number = len(session.history.conversation.said())
    for message in reversed(session.history.everything()):
        if isinstance(message, AssistantMessage):
            calls = [call.id for call in message.tool_calls if call.id in changed]
            first = calls[0] if calls else first
        elif is_said(message):
            out.append(Earlier(number, message.text, first))
            number -= 1
    return out[::-1]


async def rewind_to(session: Session, number: int, *, files: bool, say: Say) -> str:
    """Go back to before a message; return its text, to be said in other words.

    With `files` they go back, too, as `undo` takes them; where that is not possible nothing
    is done at all.

    Raises:
        UsageError: there is no such message.
        QcodeError: somebody else changed the files since, or they cannot be written.
    """
    earlier = {each.number: each for each in await earlier_messages(session)}
    if number not in earlier:
        raise UsageError(
            f"there is no message {number} of yours",
            hint=f"they are 1 to {len(earlier)}" if earlier else "nothing was said yet",
        )
    call = earlier[number].first_call
    if files and call:
        say(await _take_back(session, call))
    message = session.history.rewind_said(number)
    say("the conversation is back at that point")
    if call and not files:
        session.history.aside(load("rewound"))
        say("the files stay as they are; the model is told")
    return message.text if message is not None else ""


async def rewind(session: Session, rest: str, say: Say, ask: Ask) -> str:
    """Ask which message to go back to, if that is not said, and whether with the files.

    Returns the text of that message, or nothing if a person thought better of it.

    Raises:
        UsageError, QcodeError: see `rewind_to`.
    """
    words = rest.split()
    wanted = [word for word in words if word not in ("--files", "--no-files")]
    if len(wanted) > 1 or not all(word.isdecimal() for word in wanted):
        raise UsageError("/rewind takes the number of a message", hint="without it lists them")
    earlier = await earlier_messages(session)
    if not earlier:
        raise UsageError("nothing was said yet")
    if not wanted:
        say("\n".join(map(_line, earlier[-LISTED:])))
        answer = (await ask("back to before which message? (Enter: none) ")).strip()
        if not answer.isdecimal():
            return ""
        wanted = [answer]
    number = int(wanted[0])
    files = "--files" in words
    chosen = next((each for each in earlier if each.number == number), None)
    if chosen and chosen.first_call and len(words) == len([w for w in words if w.isdecimal()]):
        answer = await ask("take back what was changed in files since, too? [y/N/q(uit)] ")
        if answer not in ("y", "yes", "n", "no", ""):
            return ""
        files = answer in ("y", "yes")
    return await rewind_to(session, number, files=files, say=say)


def _line(earlier: Earlier) -> str:
    words = " ".join(earlier.text.split())
    cut = f"{words[:70]}…" if len(words) > 71 else words
    return f"{earlier.number:>4}  {cut}{'  (files changed since)' if earlier.first_call else ''}"


def _kept(session: Session) -> SessionCheckpoints | None:
    from qcode.checkpoints.in_session import SessionCheckpoints

    kept = session.agent.checkpoints
    return kept if isinstance(kept, SessionCheckpoints) else None


def _steps(its: Checkpoints) -> dict[str, int]:
    """Return the steps that the files stand behind, by the calls that made them."""
    timeline = its.timeline
    if timeline.is_empty:
        return {}
    points = timeline.path(timeline.position)
    return {p.call_id: p.step for p in points if p.is_change and p.call_id}


async def _changed(session: Session) -> dict[str, int]:
    kept = _kept(session)
    return await kept.use(_steps) if kept is not None else {}


async def _take_back(session: Session, call: str) -> str:
    """Take the files back to before a call; return what was done."""
    kept = _kept(session)
    assert kept is not None

    def go(its: Checkpoints) -> str:
        plain = argparse.Namespace(
            step=_steps(its)[call],
            merge=False, force=False, pick=False, hunks=None, dry_run=False, conversation=False,
        )  # fmt: skip
        prepared = prepare(its, "undo", plain)
        if why := refused(prepared):
            raise QcodeError(
                why.partition(". ")[0],
                hint=f"`/undo {plain.step} --conversation` with --merge or --force does it",
            )
        return done(prepared, its.go(prepared.plan))

    return await kept.use(go)
