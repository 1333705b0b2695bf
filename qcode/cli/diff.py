"""`qcode diff`: what a session changed, or what it changed since a step."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from qcode.checkpoints.keeper import Checkpoints
from qcode.checkpoints.patch import patch
from qcode.checkpoints.shown import files
from qcode.checkpoints.states import difference
from qcode.cli.process import require_stdout
from qcode.cli.travel import add_range, add_session, open_checkpoints, say, span
from qcode.ui.printable import printable


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_range(parser)
    add_session(parser)


def main(args: argparse.Namespace) -> int:
    """Print the diff; return the exit code."""
    require_stdout("the diff")
    kept, _entry = open_checkpoints(args)
    try:
        if args.editor:
            return asyncio.run(_review(kept, args))
        kept.look()
        before, after = span(kept.timeline, args.step, only=args.only)
        old, new = kept.timeline.points[before].state, kept.timeline.points[after].state
        if args.stat:
            say(*files(kept, difference(kept.store, old, new)))
            return 0
        if args.quickfix:
            from qcode.cli.quickfix import quickfix

            say(*quickfix(kept, difference(kept.store, old, new), Path.cwd()))
            return 0
        data = patch(kept.store, old, new)
        sys.stdout.flush()
        if sys.stdout.isatty():
            data = shown(data.decode("utf-8", "replace")).encode(sys.stdout.encoding, "replace")
        sys.stdout.buffer.write(data)
    finally:
        kept.close()
    return 0


async def _review(kept: Checkpoints, args: argparse.Namespace) -> int:
    """Open the change in a diff editor; return the exit code."""
    from qcode.cli import reviewing
    from qcode.cli.editor import editor, run_alone
    from qcode.cli.options import settings_from

    settings = settings_from(args, kept.root)
    compared = reviewing.compare(kept, args)
    if not compared.patch:
        say("nothing differs")
        return 0

    async def use(work: Callable[[Checkpoints], object]) -> object:
        return work(kept)

    async def run(words: list[str]) -> int:
        return run_alone(words)

    on_terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    if words := reviewing.diff_editor(os.environ, settings.diff_editor, on_terminal=on_terminal):
        await reviewing.review(compared, words, use, run, say)
    else:
        await reviewing.show_patch(compared, editor(), run)
    return 0


def shown(text: str) -> str:
    """Return a patch for a terminal: coloured, and without anything else that it would obey."""
    colours = {"+": "32", "-": "31", "@": "36"}
    out = []
    for line in text.split("\n"):
        # A carriage return in the middle would make a line of the patch of what is a file's.
        safe = printable(line.removesuffix("\r").replace("\r", "␍"))
        head = line.startswith(("diff --git ", "index ", "--- ", "+++ "))
        colour = "1" if head else colours.get(line[:1], "")
        out.append(f"\x1b[{colour}m{safe}\x1b[0m" if colour else safe)
    return "\n".join(out)
