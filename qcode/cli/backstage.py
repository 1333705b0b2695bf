"""The time machine inside an interactive session: /undo, /redo, /checkpoints, /diff."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from qcode.checkpoints.patch import patch
from qcode.checkpoints.shown import files, listing
from qcode.checkpoints.states import difference
from qcode.cli import Parser
from qcode.cli.travel import (
    PICK,
    Finished,
    Prepared,
    add_range,
    add_step,
    aside,
    described,
    done,
    first_call,
    numbers,
    picking,
    prepare,
    refused,
    span,
    taken,
)
from qcode.errors import QcodeError, UsageError

if TYPE_CHECKING:
    from qcode.checkpoints.in_session import SessionCheckpoints
    from qcode.checkpoints.keeper import Checkpoints
    from qcode.session import Session

Ask = Callable[[str], Awaitable[str]]
"""Return what a person answers, in lower case; nothing if they leave."""


class Say(Protocol):
    """Print finished lines."""

    def __call__(self, text: str, /) -> None: ...


async def travel(session: Session, verb: str, rest: str, say: Say, ask: Ask) -> str:
    """Undo or redo; return a message of the person that is to be written anew, if any.

    Raises:
        QcodeError: it cannot be done.
    """
    args = _arguments(verb, rest, lambda parser: add_step(parser, verb), say)
    if args is None:
        return ""
    kept = kept_of(session)
    if verb == "undo" and args.give_up:
        await kept.use(lambda its: its.give_up())
        say("what was cut off is left as it is")
        return ""
    try:
        prepared = await kept.use(lambda its: prepare(its, verb, args))
    except Finished as finished:
        say(str(finished))
        return ""
    say("\n".join(prepared.lines))
    if why := refused(prepared):
        if args.dry_run:
            say(why)
            return ""
        raise QcodeError(why)
    if args.dry_run:
        for part in prepared.parts:
            say(described(part))
        return ""
    chosen: set[int] = set()
    if prepared.parts:
        chosen = await _chosen(args, prepared, say, ask)
        if not chosen:
            say("nothing was taken back")
            return ""
        point = await kept.use(lambda its: its.pick(prepared.plan, taken(prepared, chosen)))
    else:
        if await ask(f"{verb}? [y/N] ") not in ("y", "yes"):
            say("nothing was done")
            return ""
        point = await kept.use(lambda its: its.go(prepared.plan))
    say(done(prepared, point))
    return _tell(session, prepared, say, along=args.conversation)


async def show(session: Session, rest: str, say: Say) -> argparse.Namespace | None:
    """Print what the session changed, or what changed since before a step.

    Return the arguments where it is to be shown in an editor instead.
    """
    args = _arguments("diff", rest, add_range, say)
    if args is None or args.editor:
        return args

    def compare(its: Checkpoints) -> str:
        its.look()
        before, after = span(its.timeline, args.step, only=args.only)
        old, new = its.timeline.points[before].state, its.timeline.points[after].state
        if args.stat:
            return "\n".join(files(its, difference(its.store, old, new)))
        if args.quickfix:
            from qcode.cli.quickfix import quickfix

            return "\n".join(quickfix(its, difference(its.store, old, new), its.root))
        return patch(its.store, old, new).decode("utf-8", "replace").rstrip("\n")

    say(await kept_of(session).use(compare) or "nothing differs")
    return None


async def points(session: Session, say: Say) -> None:
    """Print the changes of the session by number."""
    lines = await kept_of(session).use(listing)
    say("\n".join(lines) or "no file was changed yet")


def kept_of(session: Session) -> SessionCheckpoints:
    """Return the session's checkpoints.

    Raises:
        UsageError: none are kept.
    """
    from qcode.checkpoints.in_session import SessionCheckpoints

    kept = session.agent.checkpoints
    if not isinstance(kept, SessionCheckpoints):
        raise UsageError("no checkpoints are kept in this session")
    return kept


def _arguments(
    name: str, rest: str, declare: Callable[[argparse.ArgumentParser], None], say: Say
) -> argparse.Namespace | None:
    """Return the arguments of a command; None where they asked for help, which was given."""
    parser = Parser(prog=f"/{name}", add_help=False, allow_abbrev=False)
    declare(parser)
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise UsageError(f"/{name}: {error}") from None
    if {"-h", "--help"} & set(words):
        say(parser.format_help().rstrip("\n"))
        return None
    return parser.parse_args(words)


async def _chosen(args: argparse.Namespace, prepared: Prepared, say: Say, ask: Ask) -> set[int]:
    if args.hunks is not None:
        return numbers(args.hunks, len(prepared.parts))
    asking = picking(prepared)
    try:
        part = next(asking)
        while True:
            say(described(part))
            part = asking.send(await ask(PICK))
    except StopIteration as end:
        chosen: set[int] = end.value
        return chosen


def _tell(session: Session, prepared: Prepared, say: Say, *, along: bool) -> str:
    """Take the conversation along, or have the model told; return the message to write anew."""
    history = session.history
    if along and prepared.verb == "redo":
        if history.go_on_again():
            say("the conversation is back where it was")
            return ""
        say("the conversation went on since; it stays as it is")
    elif along:
        message = history.rewind(first_call(prepared))
        if message is not None:
            say("the conversation is back at that point too")
            return message
        say("that call is not in the conversation any more; it stays as it is")
    history.aside(aside(prepared))
    return ""
