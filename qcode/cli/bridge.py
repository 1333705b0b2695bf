"""`qcode bridge`: hand something over from an editor to the session that is open, or look for it.

One command of a shell is all that an editor needs: what has a selection pipes it to
`qcode bridge send --file FILE --lines A-B --selection`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from qcode import paths
from qcode.bridge import place
from qcode.bridge.client import Client
from qcode.bridge.place import Listening
from qcode.bridge.protocol import PROMPT_BYTES, SELECTION_BYTES, Context, Selection, context_to_json
from qcode.cli.process import require_stdout
from qcode.errors import QcodeError, UsageError
from qcode.ui.printable import encodable, printable


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    what = parser.add_subparsers(dest="what", metavar="status|send|watch", required=True)
    status = what.add_parser("status", help="which sessions can be reached")
    status.add_argument("--json", action="store_true", help="print them as JSON, without tokens")
    status.add_argument("--connect", action="store_true",
        help="print the one of this directory as JSON, with its socket and token")  # fmt: skip
    send = what.add_parser("send", help="hand over text, a selection, the open file")
    add = send.add_argument
    add("text", nargs="?", metavar="TEXT", help="for the line being written; `-`: from stdin")
    add("--submit", action="store_true", help="send the text, not only write it into the line")
    add("--file", metavar="FILE", help="the file that is open: `@file`")
    add("--lines", metavar="A[-B]", help="what is selected of it, or where the cursor is")
    add("--selection", action="store_true", help="stdin is what is selected: `@selection`")
    add("--as", dest="name", metavar="NAME", default="editor", help="which editor it is")
    listen = what.add_parser("watch", help="print what the session tells editors, as JSON lines")
    for one in (status, send, listen):
        one.add_argument("-C", "--cwd", metavar="DIR", help="the session that works there")
        one.add_argument("--session", metavar="ID", help="another one")
        one.add_argument("--debug", action="store_true", help="tracebacks on stderr")


def main(args: argparse.Namespace) -> int:
    """Do it; return the exit code."""
    require_stdout("the answer")
    match args.what:
        case "status":
            return _status(args)
        case "send":
            return _send(args)
        case _:
            return _watch(args)


def _status(args: argparse.Namespace) -> int:
    if args.connect:
        one = _session(args)
        print(json.dumps(_told(one) | {"socket": one.socket, "token": one.token}))
        return 0
    every = list(place.listening(paths.runtime_dir()))
    here = place.of_place(every, _place(args))
    if args.json:
        print(json.dumps({"sessions": [_told(one) | {"is_here": one is here} for one in every]}))
        return 0
    for one in every:
        mark = "▸" if one is here else " "
        print(f"{mark} {one.session}  {printable(one.cwd)}  pid {one.pid}")
    if not every:
        print("no session is open that can be reached")
    return 0


def _told(one: Listening) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("session", "pid", "cwd", "started", "key")}


def _send(args: argparse.Namespace) -> int:
    if args.selection and args.text == "-":
        raise UsageError("stdin cannot be both", hint="leave out --selection, or TEXT")
    first, last = _lines(args.lines)
    if args.lines and not args.file:
        raise UsageError("--lines needs --file")
    if args.text is None and not args.file and not args.selection:
        raise UsageError("there is nothing to send", hint="give TEXT, --file or --selection")
    if args.submit and args.text is None:
        raise UsageError("--submit needs TEXT")
    text = _stdin(PROMPT_BYTES) if args.text == "-" else args.text
    context = _context(args, first, last) if args.file or args.selection else None
    with Client(_session(args), args.name) as session:
        if context is not None:
            session.ask("context", **context_to_json(context))
        if text:
            session.ask("prompt", text=encodable(text), submit=args.submit)
    return 0


def _context(args: argparse.Namespace, first: int, last: int) -> Context:
    file = str(_file(args)) if args.file else ""
    selection = None
    if args.selection:
        selection = Selection(_stdin(SELECTION_BYTES), first, last)
    elif last > first:
        selection = Selection(_read(file, first, last), first, last)
    return Context(encodable(file), first, selection=selection, keep=True)


def _watch(args: argparse.Namespace) -> int:
    with Client(_session(args), "watch") as session:
        session.ask("subscribe", events=["changed", "open", "diff"])
        while True:
            try:
                print(json.dumps(session.next(), ensure_ascii=True), flush=True)
            except TimeoutError:
                continue
            except KeyboardInterrupt:
                return 130


def _session(args: argparse.Namespace) -> Listening:
    every = list(place.listening(paths.runtime_dir()))
    if args.session:
        named = [one for one in every if one.session.startswith(args.session)]
        if len(named) != 1:
            raise UsageError(f"{len(named)} open sessions are called `{args.session}`")
        return named[0]
    wanted = _place(args)
    found = place.of_place(every, wanted)
    if found is None and getattr(args, "file", None):
        found = place.of_place(every, _file(args))
    if found is None and len(every) == 1 and not args.cwd:
        found = every[0]  # editors are started anywhere
    if found is None:
        raise QcodeError(
            f"no session is open in `{wanted}`",
            hint="start `qcode` there; `qcode bridge status` lists those that are open",
        )
    return found


def _place(args: argparse.Namespace) -> Path:
    return Path(os.path.abspath(args.cwd or "."))


def _file(args: argparse.Namespace) -> Path:
    return Path(os.path.abspath(_place(args) / os.path.expanduser(args.file)))


def _lines(text: str | None) -> tuple[int, int]:
    if text is None:
        return 0, 0
    found = re.fullmatch(r"(\d{1,7})(?:[-,:](\d{1,7}))?", text.strip())
    if found is None or int(found[1]) < 1:
        raise UsageError(f"`{text}` are no lines", hint="for instance 10-20")
    first, last = int(found[1]), int(found[2] or found[1])
    return min(first, last), max(first, last)


def _stdin(most: int) -> str:
    data = sys.stdin.buffer.read(most + 1) if sys.stdin is not None else b""
    if len(data) > most:
        raise UsageError(f"stdin has more than {most:,} bytes", hint="point at the file with @")
    return data.decode("utf-8", "replace")


def _read(file: str, first: int, last: int) -> str:
    """Return the lines of a file, for editors that only know their numbers."""
    try:
        with open(file, encoding="utf-8", errors="replace") as lines:
            text = "".join(line for number, line in enumerate(lines, 1) if first <= number <= last)
    except OSError as error:
        raise UsageError(f"cannot read `{file}`: {error.strerror}") from error
    if len(text.encode()) > SELECTION_BYTES:
        raise UsageError(
            f"lines {first}-{last} have more than {SELECTION_BYTES:,} bytes",
            hint=f"point at them with `@{file}:{first}-{last}`",
        )
    return text
