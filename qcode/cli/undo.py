"""`qcode undo`: take back the last change of a session, or all from a step on."""

from __future__ import annotations

import argparse
import sys

from qcode.cli.process import require_stdout
from qcode.cli.travel import (
    ABORT,
    PICK,
    Finished,
    Prepared,
    add_session,
    add_step,
    aside,
    described,
    done,
    first_call,
    numbers,
    open_checkpoints,
    picking,
    prepare,
    refused,
    say,
    taken,
)
from qcode.errors import QcodeError, UsageError
from qcode.journal import listing, loading, writing
from qcode.session import JournalledHistory

VERB = "undo"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    declare(parser, VERB)


def main(args: argparse.Namespace) -> int:
    """Undo; return the exit code."""
    return travel(args, VERB)


def declare(parser: argparse.ArgumentParser, verb: str) -> None:
    """Declare the arguments of undo or redo."""
    add_step(parser, verb)
    add_session(parser)
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def travel(args: argparse.Namespace, verb: str) -> int:
    """Show what would be done, ask, do it; return the exit code."""
    require_stdout("the preview")
    kept, entry = open_checkpoints(args)
    try:
        if verb == "undo" and args.give_up:
            title = kept.unfinished()
            kept.give_up()
            say(f"`{title}` is left as it is" if title else "nothing was cut off")
            return 0
        try:
            prepared = prepare(kept, verb, args)
        except Finished as finished:
            say(str(finished))
            return 0
        say(f"session {entry.id}", *prepared.lines)
        if why := refused(prepared):
            if not args.dry_run:
                raise QcodeError(why)
            say(why)
        if args.dry_run:
            say(*map(described, prepared.parts))
            return 0
        chosen = _chosen(args, prepared)
        if prepared.parts and not chosen:
            say("nothing was taken back")
            return 0
        if not prepared.parts and not args.yes and not _agreed(verb):
            say("nothing was done")
            return 0
        opened = _journal(entry) if args.conversation else None
        try:
            if prepared.parts:
                point = kept.pick(prepared.plan, taken(prepared, chosen))
            else:
                point = kept.go(prepared.plan)
            say(done(prepared, point))
            _tell(entry, prepared, opened)
        finally:
            if opened is not None:
                opened.close()
    finally:
        kept.close()
    return 0


def _chosen(args: argparse.Namespace, prepared: Prepared) -> set[int]:
    if not prepared.parts:
        return set()
    if args.hunks is not None:
        return numbers(args.hunks, len(prepared.parts))
    _need_terminal("--hunks 1,3 picks parts without one, `-n -p` shows their numbers")
    asking = picking(prepared)
    try:
        part = next(asking)
        while True:
            say(described(part))
            part = asking.send(_ask(PICK))
    except StopIteration as end:
        chosen: set[int] = end.value
        return chosen


def _agreed(verb: str) -> bool:
    _need_terminal(f"`qcode {verb} -y` does it without asking, `-n` only shows it")
    return _ask("go on? [y/N] ") in ("y", "yes")


def _need_terminal(hint: str) -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("stdin is no terminal to answer on, so nothing was done", hint=hint)


def _ask(question: str) -> str:
    try:
        return input(question).strip().lower()
    except (EOFError, KeyboardInterrupt):
        print()
        return ABORT


def _journal(entry: listing.Entry) -> writing.Journal:
    """Return the session's journal, locked.

    Raises:
        UsageError: the session is open in another qcode.
    """
    return writing.Journal.reopen(entry.path)


def _tell(entry: listing.Entry, prepared: Prepared, opened: writing.Journal | None) -> None:
    """Write into the journal what the model has to know when the session goes on."""
    if opened is None:
        try:
            mine = _journal(entry)
        except UsageError:
            say("the session is open in another qcode, whose model is not told of this")
            return
        try:
            JournalledHistory(mine).aside(aside(prepared))
        finally:
            mine.close()
        return
    loaded = loading.load(entry.path)
    history = JournalledHistory(opened, loaded.conversation)
    if prepared.verb == "redo":
        if not history.go_on_again():
            say("the conversation went on since; it stays as it is")
            history.aside(aside(prepared))
    elif history.rewind(first_call(prepared)) is None:
        say("that call is not in the conversation any more; it stays as it is")
        history.aside(aside(prepared))
