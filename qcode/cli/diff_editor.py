"""A change reviewed in the person's editor: before on one side, the file itself on the other.

The right side is the file in the workspace, so that what the person changes there is where it
belongs, saved by their editor. It is one step that can be taken back, like all else.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qcode.errors import UsageError
from qcode.record import Record

if TYPE_CHECKING:
    from qcode.checkpoints.keeper import Checkpoints
    from qcode.checkpoints.travel import Changes

VARIABLE = "QCODE_DIFF_EDITOR"
TITLE = "reviewed in the editor"
MOST = 50
"""Files that are opened one after the other; of more it is better to look at a part."""
_SIDE_BY_SIDE = {
    "code": ("--diff", "--wait"),
    "code-insiders": ("--diff", "--wait"),
    "codium": ("--diff", "--wait"),
    "cursor": ("--diff", "--wait"),
    "windsurf": ("--diff", "--wait"),
    "vi": ("-d",),
    "vim": ("-d",),
    "nvim": ("-d",),
    "gvim": ("-f", "-d"),
    "vimdiff": (),
    "idea": ("diff",),
    "pycharm": ("diff",),
    "meld": (),
    "kdiff3": (),
}
"""Editors that show two files beside each other, and what they are told for it."""


class Pair(Record):
    """One file, before and now."""

    path: str
    before: Path
    after: Path


def words() -> list[str]:
    """Return the words that show two files; two paths come behind them.

    Raises:
        UsageError: no such editor is known.
    """
    for name in (VARIABLE, "VISUAL", "EDITOR"):
        written = os.environ.get(name, "").strip()
        if not written:
            continue
        try:
            found = shlex.split(written)
        except ValueError as error:
            raise UsageError(f"`{name}` cannot be read: {error}") from error
        program = os.path.basename(found[0])
        if program in _SIDE_BY_SIDE:
            more = _SIDE_BY_SIDE[program]
            return [*found, *(word for word in more if word not in found)]
        if name == VARIABLE:
            return found
    if os.environ.get("TERM_PROGRAM") == "vscode":
        return ["code", *_SIDE_BY_SIDE["code"]]
    raise UsageError(
        "no editor is known that shows two files beside each other",
        hint=f"set {VARIABLE}, for instance to `nvim -d` or `code --diff --wait`",
    )


def check_terminal() -> None:
    """Check that an editor could be seen.

    Raises:
        UsageError: there is no terminal.
    """
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        raise UsageError("an editor needs a terminal", hint="`qcode diff` prints the change")


def pairs(kept: Checkpoints, changes: Changes, folder: Path) -> list[Pair]:
    """Return the changed text files, what they were before written into a folder.

    Raises:
        UsageError: nothing can be shown, or there are too many.
    """
    found = []
    for number, (path, (before, after)) in enumerate(sorted(changes.items())):
        if (after or before) is None or (after is not None and after.is_directory):
            continue
        old = kept.content(before)
        real = kept.root / path
        if b"\0" in old[:8000] or not real.is_file() or real.is_symlink():
            continue
        was = folder / str(number) / f"before-{real.name}"
        was.parent.mkdir(parents=True)
        was.write_bytes(old)
        was.chmod(0o400)
        found.append(Pair(path, was, real))
    if not found:
        raise UsageError("no text file that is still there was changed")
    if len(found) > MOST:
        raise UsageError(
            f"{len(found)} files are too many to open one by one",
            hint="`qcode diff STEP --only --editor` opens those of one step",
        )
    return found


def begin(kept: Checkpoints, found: Sequence[Pair]) -> None:
    """Keep the files as they are before the person changes them.

    Raises:
        QcodeError: they cannot be kept.
    """
    kept.before(TITLE, "", [pair.after for pair in found])


def end(kept: Checkpoints) -> str:
    """Keep what the person changed; return what to tell them."""
    point = kept.after()
    if point is None or not point.is_change:
        return "nothing was changed"
    return f"what you changed is step {point.step}; `undo` takes it back"
