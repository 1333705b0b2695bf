"""`qcode checkpoints`: the file states of a session, and dropping old ones."""

from __future__ import annotations

import argparse
import json

from qcode.checkpoints.prune import KEPT_DAYS, prune
from qcode.checkpoints.shown import listing, to_json
from qcode.cli.options import enter_directory
from qcode.cli.process import require_stdout
from qcode.cli.travel import add_session, checkpoints_folder, open_checkpoints, say
from qcode.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_session(parser)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(action=_list)
    actions = parser.add_subparsers(metavar="prune")
    pruning = actions.add_parser("prune", help="drop the states of old sessions for good")
    pruning.add_argument(
        "--days", type=float, default=KEPT_DAYS, help=f"older than this; by default {KEPT_DAYS}"
    )
    pruning.set_defaults(action=_prune)


def main(args: argparse.Namespace) -> int:
    """List or prune; return the exit code."""
    require_stdout("the list")
    code: int = args.action(args)
    return code


def _list(args: argparse.Namespace) -> int:
    kept, entry = open_checkpoints(args)
    try:
        if args.json:
            print(json.dumps({"session": entry.id, "points": to_json(kept)}, indent=2))
            return 0
        say(f"session {entry.id}  {entry.title}", *listing(kept))
    finally:
        kept.close()
    return 0


def _prune(args: argparse.Namespace) -> int:
    if not 0 <= args.days < 1e6:
        raise UsageError("--days must be 0 or more")
    dropped = prune(enter_directory(args), checkpoints_folder(), days=args.days)
    count = len(dropped)
    print(f"dropped the states of {count} session{'s' if count != 1 else ''}")
    return 0
