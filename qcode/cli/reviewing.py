"""A session's change in a person's diff editor; what they edit of the new side is taken over."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import paths, transaction
from qcode.checkpoints.patch import patch
from qcode.checkpoints.shown import named
from qcode.checkpoints.states import difference
from qcode.cli.travel import span
from qcode.errors import QcodeError, UsageError
from qcode.record import Record

if TYPE_CHECKING:
    import argparse

    from qcode.checkpoints.keeper import Checkpoints
    from qcode.checkpoints.states import State

Use = Callable[[Callable[["Checkpoints"], object]], Awaitable[object]]
Open = Callable[[list[str]], Awaitable[int]]
"""Has a program run in the person's terminal; returns its exit code.

Raises:
    QcodeError: it cannot be started.
"""
Say = Callable[[str], None]

MOST = 100
"""Files that are opened one after the other."""


class Pair(Record):
    """A file as it was and as it is."""

    path: str
    """Relative to the workspace."""
    before: bytes
    after: bytes | None
    """None: it is gone."""


class Compared(Record):
    """What is to be looked at."""

    root: Path
    pairs: tuple[Pair, ...]
    left_out: int
    """Files that no editor shows: binary ones, links, directories."""
    patch: bytes
    is_now: bool
    """Whether the new side is what the files are now, so that it can be changed."""


def diff_editor(
    environ: Mapping[str, str], configured: str, *, on_terminal: bool = True
) -> list[str]:
    """Return the words that start a diff editor; none: there is no such editor.

    `{before}` and `{after}` in them are the files; otherwise those stand behind them. Without
    a terminal none is taken that needs one, unless the person says so.

    Raises:
        UsageError: what was configured cannot be read.
    """
    for name, text in (
        ("QCODE_DIFF_EDITOR", environ.get("QCODE_DIFF_EDITOR", "")),
        ("diff_editor", configured),
    ):
        if text.strip():
            try:
                return shlex.split(text)
            except ValueError as error:
                raise UsageError(f"`{name}` cannot be read: {error}") from error
    if environ.get("TERM_PROGRAM") == "vscode":
        for program in _forks(environ):
            if shutil.which(program):
                return [program, "--wait", "--diff"]
    if environ.get("TERMINAL_EMULATOR") == "JetBrains-JediTerm" and shutil.which("idea"):
        return ["idea", "diff"]
    for program, words in (("nvim", ["nvim", "-d"]), ("vimdiff", ["vimdiff"])):
        if on_terminal and shutil.which(program):
            return words
    return ["idea", "diff"] if shutil.which("idea") else []


def _forks(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the commands of VS Code, that of a fork whose terminal it is first."""
    asked = environ.get("VSCODE_GIT_ASKPASS_NODE", "").lower()
    yield from (name for name in ("cursor", "windsurf", "codium") if name in asked)
    yield "code"


def compare(its: Checkpoints, args: argparse.Namespace) -> Compared:
    """Return what a session changed, or changed since a step.

    Raises:
        UsageError: there is no such step.
    """
    its.look()
    first, last = span(its.timeline, args.step, only=args.only)
    old, new = its.timeline.points[first].state, its.timeline.points[last].state
    pairs = tuple(_pairs(its, old, new))
    changes = difference(its.store, old, new)
    is_now = last == its.timeline.last.index and its.timeline.position == last
    return Compared(its.root, pairs, len(changes) - len(pairs), patch(its.store, old, new), is_now)


def _pairs(its: Checkpoints, old: State, new: State) -> Iterator[Pair]:
    for path, (before, after) in sorted(difference(its.store, old, new).items()):
        entries = [entry for entry in (before, after) if entry is not None]
        if not all(entry.is_kept and entry.is_file for entry in entries):
            continue
        one, other = its.content(before), its.content(after)
        if b"\0" not in one[:8000] and b"\0" not in other[:8000] and one != other:
            yield Pair(path, one, None if after is None else other)


async def review(compared: Compared, words: list[str], use: Use, run: Open, say: Say) -> list[str]:
    """Open each file in a diff editor; return the paths that the person changed.

    An editor that ends otherwise than well ends all of it: nothing of that file is taken over.

    Raises:
        QcodeError: the editor cannot be started, or a file cannot be written.
    """
    changed: list[str] = []
    count = len(compared.pairs)
    for number, pair in enumerate(compared.pairs[:MOST], 1):
        say(f"{number} of {count}: {named(pair.path)}")
        with _sides(pair) as (before, after):
            if code := await run(_filled(words, before, after)):
                say(f"`{words[0]}` ended with {code}: nothing of {named(pair.path)} is taken over")
                break
            edited = after.read_bytes() if after.is_file() else b""
        if edited == (pair.after or b"") or not compared.is_now:
            if edited != (pair.after or b""):
                say("the files are other ones by now, so what was edited is not taken over")
            continue
        try:
            step = await use(lambda its, pair=pair, edited=edited: take_over(its, pair, edited))  # type: ignore[misc]
        except transaction.Conflict:
            kept = _put_aside(pair.path, edited)
            say(f"! {named(pair.path)} changed meanwhile; what you edited is in {kept}")
            continue
        except OSError as error:
            kept = _put_aside(pair.path, edited)
            raise QcodeError(
                f"cannot write `{pair.path}`: {error.strerror}",
                hint=f"what you edited is in {kept}",
            ) from error
        changed.append(pair.path)
        say(f"took over what you edited in {named(pair.path)} (`undo {step}` takes it back)")
    if count > MOST:
        say(f"{count - MOST} more files are not opened; `diff` prints them")
    if compared.left_out:
        say(f"{compared.left_out} not shown: binary, a link, a directory or a mode alone")
    return changed


def take_over(its: Checkpoints, pair: Pair, edited: bytes) -> int:
    """Write what a person made of a file; return the number of the step.

    Raises:
        transaction.Conflict: it is not what they were shown.
        OSError, QcodeError: it cannot be written, or not be kept.
    """
    path = its.root / pair.path
    its.before(f"your edit of {pair.path}", "", [path])
    try:
        found, data = _now(path)
        if data != pair.after:
            raise transaction.Conflict(path)
        transaction.commit([transaction.Write(path, edited, found)])
    finally:
        point = its.after()
    return point.step if point is not None else 0


def _now(path: Path) -> tuple[os.stat_result | None, bytes | None]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None, None
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        return found, file.read() if stat.S_ISREG(found.st_mode) else b"\0"


@contextmanager
def _sides(pair: Pair) -> Iterator[tuple[Path, Path]]:
    """Yield both sides as files with the name of the one they are of, that nobody else reads."""
    with tempfile.TemporaryDirectory(prefix="qcode-") as folder:
        sides = []
        for side, data in (("before", pair.before), ("after", pair.after or b"")):
            file = Path(folder) / side / Path(pair.path).name
            file.parent.mkdir()
            file.write_bytes(data)
            sides.append(file)
        sides[0].chmod(0o400)
        yield sides[0], sides[1]


def _filled(words: list[str], before: Path, after: Path) -> list[str]:
    values = {"{before}": str(before), "{after}": str(after)}
    if not any(mark in word for word in words for mark in values):
        return [*words, *values.values()]
    for mark, value in values.items():
        words = [word.replace(mark, value) for word in words]
    return words


def _put_aside(path: str, edited: bytes) -> Path:
    folder = paths.cache_dir() / "edited"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder, suffix=f"-{Path(path).name[-80:]}")
    with open(descriptor, "wb") as file:
        file.write(edited)
    return Path(name)


async def show_patch(compared: Compared, words: list[str], run: Open) -> None:
    """Open the patch in an editor that compares nothing; what is edited there is nobody's.

    Raises:
        QcodeError: there is no editor, or it failed.
    """
    if not words:
        raise UsageError(
            "there is no editor to open it in",
            hint="set QCODE_DIFF_EDITOR, `diff_editor` or EDITOR",
        )
    with tempfile.TemporaryDirectory(prefix="qcode-") as folder:
        file = Path(folder) / "change.diff"
        file.write_bytes(compared.patch)
        file.chmod(0o400)
        if code := await run([*words, str(file)]):
            raise QcodeError(f"the editor `{words[0]}` ended with {code}")
