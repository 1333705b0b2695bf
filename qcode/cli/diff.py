"""`qcode diff`: what a session changed, or what it changed since a step."""

from __future__ import annotations

import argparse
import sys

from qcode.checkpoints.patch import patch
from qcode.checkpoints.shown import files
from qcode.checkpoints.states import difference
from qcode.cli.process import require_stdout
from qcode.cli.travel import add_range, add_session, open_checkpoints, say, span


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_range(parser)
    add_session(parser)


def main(args: argparse.Namespace) -> int:
    """Print the diff; return the exit code."""
    require_stdout("the diff")
    kept, _entry = open_checkpoints(args)
    try:
        kept.look()
        before, after = span(kept.timeline, args.step, only=args.only)
        old, new = kept.timeline.points[before].state, kept.timeline.points[after].state
        if args.stat:
            say(*files(kept, difference(kept.store, old, new)))
            return 0
        colour = sys.stdout.isatty()
        data = patch(kept.store, old, new, colour=colour)
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
    finally:
        kept.close()
    return 0
