"""`qcode sessions`: list, show, export, copy, name and remove past sessions."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from qcode import paths, titles
from qcode.cli import exporting
from qcode.cli.exporting import export_session
from qcode.cli.process import require_stdout
from qcode.errors import QcodeError
from qcode.finding import search
from qcode.fork import fork
from qcode.journal import listing, loading, writing
from qcode.journal.listing import Entry
from qcode.journal.loading import Loaded
from qcode.messages import JsonObject
from qcode.secrets import Masker, known_in
from qcode.ui.printable import encodable, one_line, printable
from qcode.ui.transcript import markdown

RESULT_LINES = 20
"""Of a tool's result in `show`; `export` has them whole."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    _list_options(parser)
    parser.add_argument("--debug", action="store_true", help="tracebacks")
    parser.set_defaults(action=_list)
    actions = parser.add_subparsers(metavar="list|show|export|fork|rename|rm")
    # Options said before the word `list` must not be lost to its own defaults.
    listing = actions.add_parser("list", argument_default=argparse.SUPPRESS, help="the default")
    _list_options(listing)
    show = actions.add_parser("show", help="print a session to read")
    show.add_argument("id", metavar="ID")
    show.set_defaults(action=_show)
    export = actions.add_parser("export", help="write a session whole")
    export.add_argument("id", metavar="ID")
    export.add_argument("--format", choices=exporting.FORMATS, default="md")
    export.add_argument("-o", "--output", metavar="FILE", help="instead of stdout")
    export.add_argument("--force", action="store_true", help="replace FILE if it is there")
    export.set_defaults(action=_export)
    copy = actions.add_parser("fork", help="copy a session, to go on otherwise")
    copy.add_argument("id", metavar="ID")
    copy.add_argument("--before", type=int, metavar="N",
        help="only up to your N-th message, without it")  # fmt: skip
    copy.add_argument("--title", default="", help="what to call the copy")
    copy.set_defaults(action=_fork)
    naming = actions.add_parser("rename", help="call a session something")
    naming.add_argument("id", metavar="ID")
    naming.add_argument("title", metavar="TITLE", nargs="*", help="without: its first words again")
    naming.set_defaults(action=_rename)
    removing = actions.add_parser("rm", help="remove sessions for good")
    removing.add_argument("ids", metavar="ID", nargs="+")
    removing.set_defaults(action=_remove)


def _list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--all", action="store_true", help="of every directory")
    parser.add_argument("--search", metavar="WORDS", default="",
        help="those in which all of the words were said")  # fmt: skip


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
        origin = f"  (copy of {entry.parent})" if entry.parent else ""
        out.append(one_line(f"{entry.id}  {when}  {entry.model}  {words}{origin}{place}", columns))
    return out


def _moment(entry: Entry) -> datetime:
    return datetime.fromtimestamp(entry.modified, UTC)


def _list(args: argparse.Namespace) -> int:
    require_stdout("the list")
    cwd = Path.cwd()
    every = list(listing.entries(folder()))
    listed = every if args.all else here(every, cwd)
    found: dict[str, str] = {}
    if args.search.strip():
        hits = search(listed, args.search)
        found = {entry.id: words for entry, words in hits if words is not None}
        listed = [entry for entry in listed if entry.id in found]
    if args.json:
        more = {key: {"found": words} for key, words in found.items()}
        print(json.dumps([_entry_json(e) | more.get(e.id, {}) for e in listed], indent=2))
        return 0
    for entry, line in zip(listed, table(listed, cwd), strict=True):
        print(line)
        if words := found.get(entry.id):
            print(f"    {encodable(words)}")
    if not listed and args.search.strip():
        where = "anywhere" if args.all else "in this directory; `--all` looks in others, too"
        print(f"no session has all of these words {where}", file=sys.stderr)
    elif not listed:
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
        **({"parent": entry.parent} if entry.parent else {}),
    }


def _show(args: argparse.Namespace) -> int:
    require_stdout("the session")
    print(markdown(_load(args.id), result_lines=RESULT_LINES), end="")
    return 0


def _load(wanted: str) -> Loaded:
    return exporting.read(listing.find(folder(), wanted).path, Masker(known_in(os.environ)))


def _export(args: argparse.Namespace) -> int:
    masker = Masker(known_in(os.environ))
    if not args.output:
        require_stdout("the session")
        print(exporting.rendered(_load(args.id), args.format), end="")
        return 0
    source = listing.find(folder(), args.id).path
    export_session(source, args.format, Path(args.output), masker, force=args.force)
    return 0


def _fork(args: argparse.Namespace) -> int:
    source = listing.find(folder(), args.id).path
    masker = Masker(known_in(os.environ))
    path = fork(source, folder(), masker, before=args.before, title=args.title)
    print(path.stem)
    print(f"`qcode resume {path.stem}` goes on with it", file=sys.stderr)
    return 0


def _rename(args: argparse.Namespace) -> int:
    path = listing.find(folder(), args.id).path
    title = rename(path, " ".join(args.title))
    print(f"{path.stem}  {title or '(no title)'}")
    return 0


def rename(path: Path, title: str) -> str:
    """Have a session that is not open be called so, or by its first words again; return the title.

    Raises:
        UsageError: it is open in another qcode.
        QcodeError: it cannot be written.
    """
    title = titles.clean(title)
    opened = writing.Journal.reopen(path)
    try:
        was = os.stat(path)
        opened.write({"type": "title", "title": title})
        opened.sync()
        # A name is no use of the session: it keeps its place in lists.
        os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    finally:
        opened.close()
    list_as(path, title)
    return title


def list_as(path: Path, title: str) -> None:
    """Have lists show a title that is in the journal.

    Raises:
        QcodeError: it cannot be written.
    """
    try:
        titles.write(path, title)
    except OSError as error:
        raise QcodeError(
            f"the title is in the session, but lists do not show it: {error.strerror}",
            hint="free some space and give it again",
        ) from error


def _remove(args: argparse.Namespace) -> int:
    # All are looked up before the first is removed: a typing error removes nothing.
    found = [_journal_of(wanted) for wanted in args.ids]
    for path in dict.fromkeys(found):
        if note := remove(path):
            print(note, file=sys.stderr)
        print(f"removed {printable(path.stem)}")
    return 0


def remove(path: Path) -> str:
    """Remove a session for good, with what belongs to it; return what could not be, if anything.

    Raises:
        UsageError: it is open in another qcode.
    """
    # Opening takes the lock, or says that another process has it.
    opened = writing.Journal.reopen(path)
    try:
        note = _forget_states(path)
        path.unlink()
        titles.beside(path).unlink(missing_ok=True)
        shutil.rmtree(path.with_suffix(".agents"), ignore_errors=True)
        shutil.rmtree(paths.cache_dir() / "output" / path.stem, ignore_errors=True)
    finally:
        opened.close()
    return note


def _forget_states(path: Path) -> str:
    """Drop the session's file states where they can be found; return what was in the way."""
    from qcode.checkpoints.prune import forget

    try:
        root = Path(loading.load(path).cwd)
        if root.is_dir():
            forget(root, path.stem, paths.state_dir() / "checkpoints")
    except QcodeError as error:
        return printable(f"its file states are still there: {error}")
    return ""


def _journal_of(wanted: str) -> Path:
    """Return the journal's path; found by its file name even if it cannot be read.

    Raises:
        UsageError: there is none, or more than one.
    """
    exact = folder() / f"{wanted}.jsonl"
    if exact.parent == folder() and exact.is_file():
        return exact
    return listing.find(folder(), wanted).path
