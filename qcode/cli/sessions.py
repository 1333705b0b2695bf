"""`qcode sessions`: list, show, export and remove past sessions."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from qcode import journal, paths
from qcode.cli.process import require_stdout
from qcode.conversation import Conversation
from qcode.errors import QcodeError, UsageError
from qcode.journal import Entry, Loaded
from qcode.masked import masked_message
from qcode.messages import JsonObject, from_json, to_json
from qcode.secrets import Masker, known_in
from qcode.ui.printable import encodable, one_line, printable, safe_json
from qcode.ui.transcript import markdown

RESULT_LINES = 20
"""Of a tool's result in `show`; `export` has them whole."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    _list_options(parser)
    parser.add_argument("--debug", action="store_true", help="tracebacks")
    parser.set_defaults(action=_list)
    actions = parser.add_subparsers(metavar="list|show|export|rm")
    # Options said before the word `list` must not be lost to its own defaults.
    listing = actions.add_parser("list", argument_default=argparse.SUPPRESS, help="the default")
    _list_options(listing)
    show = actions.add_parser("show", help="print a session to read")
    show.add_argument("id", metavar="ID")
    show.set_defaults(action=_show)
    export = actions.add_parser("export", help="write a session whole")
    export.add_argument("id", metavar="ID")
    export.add_argument("--format", choices=["md", "json", "html"], default="md")
    export.add_argument("-o", "--output", metavar="FILE", help="instead of stdout")
    export.set_defaults(action=_export)
    remove = actions.add_parser("rm", help="remove sessions for good")
    remove.add_argument("ids", metavar="ID", nargs="+")
    remove.set_defaults(action=_remove)


def _list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--all", action="store_true", help="of every directory")


def main(args: argparse.Namespace) -> int:
    """Do what is asked; return the exit code."""
    code: int = args.action(args)
    return code


def folder() -> Path:
    """Return where sessions are kept."""
    return paths.state_dir() / "sessions"


def here(entries: Iterable[Entry], cwd: Path) -> list[Entry]:
    """Return those of a directory."""
    return [entry for entry in entries if entry.cwd == str(cwd)]


def table(entries: Sequence[Entry], cwd: Path) -> list[str]:
    """Return a line for each session, cut to the terminal if there is one."""
    columns = shutil.get_terminal_size().columns - 6 if sys.stdout.isatty() else 500
    out = []
    for entry in entries:
        when = _moment(entry).astimezone().strftime("%Y-%m-%d %H:%M")
        place = "" if entry.cwd == str(cwd) else f"  [{entry.cwd}]"
        words = entry.title or "(no message)"
        out.append(one_line(f"{entry.id}  {when}  {entry.model}  {words}{place}", columns))
    return out


def _moment(entry: Entry) -> datetime:
    return datetime.fromtimestamp(entry.modified, UTC)


def _list(args: argparse.Namespace) -> int:
    require_stdout("the list")
    cwd = Path.cwd()
    every = list(journal.entries(folder()))
    listed = every if args.all else here(every, cwd)
    if args.json:
        print(json.dumps([_entry_json(entry) for entry in listed], indent=2))
        return 0
    for line in table(listed, cwd):
        print(line)
    if not listed:
        others = f"; `--all` lists {len(every)} of other directories" if every else ""
        print(f"no session was held in this directory{others}", file=sys.stderr)
    return 0


def _entry_json(entry: Entry) -> JsonObject:
    return {
        "id": entry.id,
        "cwd": entry.cwd,
        "model": entry.model,
        "created": entry.created,
        "modified": _moment(entry).isoformat(timespec="seconds"),
        "title": entry.title,
        "path": str(entry.path),
    }


def _show(args: argparse.Namespace) -> int:
    require_stdout("the session")
    print(markdown(_load(args.id), result_lines=RESULT_LINES), end="")
    return 0


def _load(wanted: str) -> Loaded:
    """Return a session, all that was said in it, without secrets.

    Its journal may be older than their masking.
    """
    loaded = journal.load(journal.find(folder(), wanted).path)
    masker = Masker(known_in(os.environ))
    loaded.conversation = Conversation(
        [
            from_json(masked_message(to_json(message), masker))
            for message in loaded.conversation.everything()
        ]
    )
    return loaded


def _export(args: argparse.Namespace) -> int:
    if not args.output:
        require_stdout("the session")
    loaded = _load(args.id)
    if args.format == "html":
        from qcode.ui.page import page

        text = page(loaded)
    else:
        text = markdown(loaded) if args.format == "md" else _json(loaded)
    if args.output:
        try:
            Path(args.output).write_text(encodable(text), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write `{args.output}`: {error.strerror}") from error
    else:
        print(encodable(text), end="")
    return 0


def _json(loaded: Loaded) -> str:
    usage = loaded.usage
    whole = {
        "id": loaded.id,
        "cwd": loaded.cwd,
        "model": loaded.model,
        "created": loaded.created,
        "system": loaded.system,
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_tokens": usage.cached_tokens,
            "cost_usd": usage.cost_usd,
        },
        "calls_repaired": loaded.repairs,
        "messages": [to_json(message) for message in loaded.messages],
    }
    return safe_json(json.dumps(whole, ensure_ascii=False, indent=2)) + "\n"


def _remove(args: argparse.Namespace) -> int:
    # All are looked up before the first is removed: a typing error removes nothing.
    found = [_journal_of(wanted) for wanted in args.ids]
    for path in dict.fromkeys(found):
        # Opening takes the lock, or says that another process has it.
        opened = journal.Journal.reopen(path)
        try:
            _forget_states(path)
            path.unlink()
            shutil.rmtree(paths.cache_dir() / "output" / path.stem, ignore_errors=True)
        finally:
            opened.close()
        print(f"removed {printable(path.stem)}")
    return 0


def _forget_states(path: Path) -> None:
    """Drop the session's file states where they can be found."""
    from qcode.checkpoints.prune import forget

    try:
        root = Path(journal.load(path).cwd)
        if root.is_dir():
            forget(root, path.stem, paths.state_dir() / "checkpoints")
    except QcodeError as error:
        print(printable(f"its file states are still there: {error}"), file=sys.stderr)


def _journal_of(wanted: str) -> Path:
    """Return the journal's path; found by its file name even if it cannot be read.

    Raises:
        UsageError: there is none, or more than one.
    """
    exact = folder() / f"{wanted}.jsonl"
    if exact.parent == folder() and exact.is_file():
        return exact
    return journal.find(folder(), wanted).path
