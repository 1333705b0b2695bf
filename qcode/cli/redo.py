"""`qcode redo`: make what was taken back anew."""

from __future__ import annotations

import argparse

from qcode.cli.undo import declare, travel

VERB = "redo"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    declare(parser, VERB)


def main(args: argparse.Namespace) -> int:
    """Redo; return the exit code."""
    return travel(args, VERB)
