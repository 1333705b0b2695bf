"""`qcode resume`: reopen a session, chosen from a list if none is named."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from qcode import paths
from qcode.cli.choosing import LEAVE, by_number, from_list
from qcode.cli.interactive import converse, look_of, require_terminal
from qcode.cli.options import add_shared, enter_directory
from qcode.cli.start import newest_session
from qcode.journal import listing
from qcode.ui.printable import printable


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("id", nargs="?", metavar="ID", help="its begin or end is enough")
    add_shared(parser)


def main(args: argparse.Namespace) -> int:
    """Reopen a session; return the exit code."""
    require_terminal("`qcode run --resume ID` works without one, `qcode sessions` lists the ids")
    if args.id:
        entry: listing.Entry | None = listing.find(paths.state_dir() / "sessions", args.id)
    elif args.resume_last:
        entry = newest_session(enter_directory(args))
    else:
        entry = _pick(enter_directory(args))
    if entry is None:
        return 0
    if not args.cwd:
        # A conversation is about the files of its own directory.
        args.cwd = entry.cwd or None
    return converse(args, enter_directory(args), entry=entry)


def _pick(cwd: Path) -> listing.Entry | None:
    """Return the session a person picks; None if they pick none."""
    look = look_of(sys.stdout)
    if look.live:
        import asyncio

        return asyncio.run(from_list(cwd, look))
    asking = by_number(cwd, lambda text: print(printable(text)))
    try:
        question = next(asking)
        while True:
            try:
                answer = input(question)
            except EOFError:
                print()
                answer = LEAVE
            question = asking.send(answer)
    except StopIteration as end:
        chosen: listing.Entry | None = end.value
        return chosen
