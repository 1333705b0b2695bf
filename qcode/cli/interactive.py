"""`qcode`: the interactive session."""

from __future__ import annotations

import argparse
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from qcode.cli import first_paint
from qcode.cli.chosen import NoModelError
from qcode.cli.conversation import Conversation
from qcode.cli.options import add_shared, added_directories, enter_directory, settings_from
from qcode.cli.process import run_to_end
from qcode.cli.start import newest_session
from qcode.errors import UsageError
from qcode.ui.terminal import Look

if TYPE_CHECKING:
    from qcode.journal.listing import Entry


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help="sent as the first message")
    add_shared(parser)


def main(args: argparse.Namespace) -> int:
    """Hold a session; return the exit code."""
    require_terminal('`qcode run "what to do"` works without one')
    cwd = enter_directory(args)
    entry = newest_session(cwd) if args.resume_last else None
    return converse(args, cwd, entry=entry, first=args.prompt)


def require_terminal(hint: str) -> None:
    """Check that a person can be talked to.

    Raises:
        UsageError: stdin or stdout is no terminal.
    """
    for name, stream in (("stdin", sys.stdin), ("stdout", sys.stdout)):
        if stream is None or not stream.isatty():
            raise UsageError(f"an interactive session needs a terminal on {name}", hint=hint)


def converse(
    args: argparse.Namespace, cwd: Path, *, entry: Entry | None, first: str | None = None
) -> int:
    """Open a session, new or that of a journal, and hold it; return the exit code."""
    added = added_directories(args)
    settings = settings_from(args, cwd)
    look = look_of(sys.stdout)
    made = Conversation(
        settings,
        look,
        cwd=cwd,
        added=added,
        local=args.local,
        # With these, what is written to the settings would not count.
        may_set_up=not (args.config or args.no_config),
        reload=lambda: settings_from(args, cwd),
    )
    try:
        return run_to_end(lambda: made.run(entry, first))
    except NoModelError as nothing:
        # The one message of several lines; the dispatcher would make one of them.
        first_paint.clear()
        print(nothing, file=sys.stderr)
        return nothing.exit_code


def look_of(stream: TextIO) -> Look:
    """Return what a terminal can show."""
    # A locale that cannot write a character must not end the session.
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    live = os.environ.get("TERM", "dumb").lower() not in ("", "dumb", "unknown")
    return Look(colour=live and not os.environ.get("NO_COLOR"), live=live)
