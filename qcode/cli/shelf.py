"""Past sessions from inside one: /export, /fork, /rename, /sessions, /resume.

Each takes the session and what was typed behind the command, and returns what is to be said.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Awaitable, Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import titles
from qcode.cli import Parser, exporting, sessions
from qcode.cli.choosing import choose
from qcode.errors import UsageError
from qcode.finding import search
from qcode.fork import fork as copy
from qcode.journal import listing

if TYPE_CHECKING:
    from qcode.journal.listing import Entry
    from qcode.session import Session
    from qcode.ui.terminal import Look

_ENDINGS: dict[str, exporting.Format] = {".html": "html", ".htm": "html", ".json": "json"}
LISTED = 20
"""Sessions that are listed at most."""


def export(session: Session, rest: str) -> str:
    """Write the session to a file: `[md|json|html] [FILE] [--force]`.

    The format follows from the file's name where it is not said, and is else Markdown.

    Raises:
        UsageError: the file is there already, or cannot be written.
    """
    _check_begun(session)
    parser = _parser("export")
    parser.add_argument("words", nargs="*", metavar="[md|json|html] [FILE]")
    parser.add_argument("--force", action="store_true")
    args = _parsed(parser, rest)
    words = args.words
    said = next((each for each in exporting.FORMATS if words[:1] == [each]), None)
    if said:
        words = words[1:]
    if len(words) > 1:
        raise UsageError("/export writes one file", hint="quote a name that has blanks in it")
    form = said or _ENDINGS.get(Path(words[0]).suffix.lower() if words else "", "md")
    name = words[0] if words else f"qcode-{session.id}.{form}"
    path = session.agent.context.workspace.root / Path(name).expanduser()
    source = session.history.journal.path
    exporting.export_session(source, form, path, session.agent.masker, force=args.force)
    return f"exported to {path}"


def fork(session: Session, rest: str) -> str:
    """Copy the conversation so far into a session of its own: `[TITLE] [--before N]`.

    Raises:
        UsageError: there is no such message, or nothing was said yet.
        QcodeError: the copy cannot be written.
    """
    _check_begun(session)
    parser = _parser("fork")
    parser.add_argument("title", nargs="*", metavar="TITLE")
    parser.add_argument("--before", type=int, metavar="N")
    args = _parsed(parser, rest)
    path = copy(
        session.history.journal.path,
        sessions.folder(),
        session.agent.masker,
        before=args.before,
        title=" ".join(args.title),
    )
    return f"copied to session {path.stem}; `/resume {path.stem}` goes on there, this one stays"


def rename(session: Session, rest: str) -> str:
    """Call the session something, or by its first words again.

    Raises:
        UsageError: nothing was said yet.
        QcodeError: it cannot be written.
    """
    _check_begun(session)
    title = session.agent.masker.mask(titles.clean(rest))
    session.history.call_it(title)
    sessions.list_as(session.history.journal.path, title)
    return f"this session is called “{title}”" if title else "this session has no title any more"


def listed(session: Session, rest: str, cwd: Path) -> str:
    """Return the last sessions of a directory, or those in which all of some words were said."""
    every = (each for each in listing.entries(sessions.folder()) if each.cwd == str(cwd))
    if rest:
        every = (each for each, words in search(every, rest) if words is not None)
    entries = list(islice(every, LISTED + 1))
    lines = [
        f"{'*' if entry.id == session.id else ' '} {line}"
        for entry, line in zip(entries, sessions.table(entries[:LISTED], cwd), strict=False)
    ]
    if len(entries) > LISTED:
        lines.append("  … `qcode sessions` lists all")
    return "\n".join(lines) or "no session fits"


async def resume(
    session: Session,
    rest: str,
    cwd: Path,
    look: Look,
    ask: Callable[[str], Awaitable[str]],
    say: Callable[[str], object],
) -> Entry | None:
    """Return the session to go on with, named or picked; None: the person stays in this one.

    Raises:
        UsageError: there is none, it is this one, or one of another directory.
    """
    if rest:
        entry: Entry | None = listing.find(sessions.folder(), rest)
    else:
        entry = await choose(cwd, look, ask, say, but=session.id)
    if entry is None:
        return None
    if entry.id == session.id:
        raise UsageError("this is that session")
    if entry.cwd and entry.cwd != str(cwd):
        raise UsageError(
            f"that session is about the files in `{entry.cwd}`",
            hint=f"leave this one, then `qcode resume {entry.id}`",
        )
    return entry


def _check_begun(session: Session) -> None:
    # It leaves nothing behind when it ends so.
    if not session.history.everything():
        raise UsageError("nothing was said in this session yet")


def _parser(name: str) -> argparse.ArgumentParser:
    return Parser(prog=f"/{name}", add_help=False, allow_abbrev=False)


def _parsed(parser: argparse.ArgumentParser, rest: str) -> argparse.Namespace:
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise UsageError(f"{parser.prog}: {error}") from None
    try:
        return parser.parse_args(words)
    except UsageError as error:
        raise UsageError(error.message, hint=parser.format_usage().strip()) from None
