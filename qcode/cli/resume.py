"""`qcode resume`: reopen a session, chosen from a list if none is named."""

from __future__ import annotations

import argparse
from pathlib import Path

from qcode import journal, paths
from qcode.cli.interactive import converse, require_terminal
from qcode.cli.options import add_shared, enter_directory
from qcode.cli.sessions import here, table
from qcode.cli.start import newest_session
from qcode.errors import UsageError

PICKED = 20
"""Sessions offered to pick from."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("id", nargs="?", metavar="ID", help="its begin or end is enough")
    add_shared(parser)


def main(args: argparse.Namespace) -> int:
    """Reopen a session; return the exit code."""
    require_terminal("`qcode run --resume ID` works without one, `qcode sessions` lists the ids")
    if args.id:
        entry: journal.Entry | None = journal.find(paths.state_dir() / "sessions", args.id)
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


def _pick(cwd: Path) -> journal.Entry | None:
    """Return the session a person picks; None if they pick none."""
    every = [e for e in journal.entries(paths.state_dir() / "sessions") if e.title]
    offered = (here(every, cwd) or every)[:PICKED]
    if not offered:
        raise UsageError("there is no session yet", hint="`qcode` starts one")
    for number, line in enumerate(table(offered, cwd), start=1):
        print(f"{number:>3}  {line}")
    while True:
        try:
            answer = input("number (Enter: 1, q: none) ").strip() or "1"
        except EOFError:
            print()
            return None
        if answer.lower() in ("q", "quit"):
            return None
        if answer.isdecimal() and 1 <= int(answer) <= len(offered):
            return offered[int(answer) - 1]
        print(f"`{answer}` is not a number from 1 to {len(offered)}")
