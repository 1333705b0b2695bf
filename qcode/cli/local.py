"""`qcode local up|down|status|clean`: the embedded local model."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from qcode.local import Running

_LINE_EVERY_S = 5.0
"""Seconds between lines of progress where there is no terminal to redraw."""
_REDRAW_EVERY_S = 0.1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands and their options."""
    commands = parser.add_subparsers(
        dest="local_command", metavar="up|down|status|clean", required=True
    )
    up = commands.add_parser("up", help="fetch a model and serve it on this machine")
    up.add_argument(
        "source",
        nargs="?",
        default="1.5b",
        metavar="MODEL",
        help="0.5b, 1.5b (default), a model that qcode knows (NAME[:QUANT]), a .gguf file, "
        "or a Hugging Face repository OWNER/NAME[:QUANT or :FILE]",
    )
    up.add_argument("--port", type=int, default=0, help="default: a free one")
    up.add_argument(
        "--context",
        type=int,
        metavar="TOKENS",
        help="default: 16384 for the embedded models and for files, else what fits into the memory",
    )
    commands.add_parser("down", help="stop the local server")
    commands.add_parser("status", help="say what runs; exit code 1 if nothing does")
    commands.add_parser("clean", help="remove what the local server keeps of prompts it read")
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="print one JSON object")


def main(args: argparse.Namespace) -> int:
    """Run the subcommand; the exit code."""
    match args.local_command:
        case "up":
            return _up(args)
        case "down":
            return _down(args)
        case "clean":
            return _clean(args)
        case _:
            return _status(args)


def _up(args: argparse.Namespace) -> int:
    from qcode import local
    from qcode.cli import reaching

    reaching.settle_from_files()
    with TerminalProgress() as progress:
        try:
            running = local.up(args.source, port=args.port, context=args.context, progress=progress)
        except KeyboardInterrupt:
            progress.note("interrupted; finished parts are kept, `qcode local up` goes on")
            return 130
        progress.note(f"serving {running.model}, {running.context_window} tokens of context")
    print(json.dumps(_facts(running)) if args.json else running.base_url)
    return 0


def _down(args: argparse.Namespace) -> int:
    from qcode import local

    stopped = local.down()
    if args.json:
        print(json.dumps({"stopped": stopped.model if stopped else None}))
    else:
        print(f"stopped {stopped.model}" if stopped else "nothing was running", file=sys.stderr)
    return 0


def _clean(args: argparse.Namespace) -> int:
    from qcode.local.slots import clean, root

    removed = clean()
    if args.json:
        print(json.dumps({"removed_bytes": removed}))
    else:
        print(f"removed {removed / 1e6:.0f} MB from `{root()}`", file=sys.stderr)
    return 0


def _status(args: argparse.Namespace) -> int:
    from qcode import local
    from qcode.local.process import memory_bytes
    from qcode.local.server import healthy

    running = local.status()
    if running is None:
        if args.json:
            print(json.dumps({"running": False}))
        else:
            print("not running; `qcode local up` starts it", file=sys.stderr)
        return 1
    memory = memory_bytes(running.pid)
    port = int(running.base_url.rsplit(":", 1)[1].split("/")[0])
    health = "ok" if healthy(port) else "not answering"
    if args.json:
        print(json.dumps({**_facts(running), "memory_bytes": memory, "health": health}))
        return 0
    rows = {
        "pid": running.pid,
        "model": running.model,
        "base url": running.base_url,
        "context": f"{running.context_window} tokens",
        "memory": f"{memory / 1e9:.1f} GB" if memory else "unknown",
        "health": health,
        "log": running.log,
    }
    for name, value in rows.items():
        print(f"{name:9} {value}")
    return 0


def _facts(running: Running) -> dict[str, object]:
    return {
        "running": True,
        "pid": running.pid,
        "base_url": running.base_url,
        "model": running.model,
        "context_window": running.context_window,
        "log": str(running.log),
    }


class TerminalProgress:
    """Shows progress on a terminal as one line that is redrawn, elsewhere as a line now and then.

    A context manager, so that the line is ended before anything else is printed, whatever
    happened; a label that is complete ends its line by itself.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._label = ""
        self._complete = False
        """Whether the label's last line has been written."""
        self._began = (0.0, 0)
        """Time and bytes at the label's first update, for the speed."""
        self._shown = 0.0
        self._open = False

    def __enter__(self) -> TerminalProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        self._end_line()

    def update(self, label: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if label != self._label:
            self._end_line()
            self._label, self._complete = label, False
            self._began, self._shown = (now, done), 0.0
        complete = done == total
        pause = _REDRAW_EVERY_S if self._live else _LINE_EVERY_S
        if self._complete or (now - self._shown < pause and not complete):
            return
        self._shown, self._complete = now, complete
        line = self._line(now, done, total)
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write("\r" + line[:width].ljust(width))
            self._open = True
            if complete:
                self._end_line()
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def note(self, text: str) -> None:
        self._end_line()
        self._stream.write(text + "\n")
        self._stream.flush()

    def _end_line(self) -> None:
        if self._open:
            self._stream.write("\n")
            self._open = False

    def _line(self, now: float, done: int, total: int | None) -> str:
        seconds, new = now - self._began[0], done - self._began[1]
        speed = new / seconds if seconds >= 1 and new > 0 else None
        if total is None:
            text = f"{self._label}  {done / 1e6:.0f} MB"
        else:
            filled = round(20 * done / total) if total else 20
            text = (
                f"{self._label}  [{'#' * filled}{'.' * (20 - filled)}] "
                f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"
            )
        if speed:
            text += f"  {speed / 1e6:.1f} MB/s"
            if total is not None and done < total:
                text += f"  {_duration((total - done) / speed)} left"
        return text


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
