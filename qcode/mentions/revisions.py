"""`@git:diff`, `@git:staged`, `@git:HEAD~1`, `@git:main..topic`: changes as git shows them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from qcode import git
from qcode.errors import ToolError

CHARACTERS = 24_000
"""As many as are shown of a file."""
_REVISION = re.compile(r"(?!-)[\w./@{}^~+-]{1,200}")
_FORM = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--ignore-submodules=all")


def changes(cwd: Path, spec: str, is_hidden: Callable[[Path], bool]) -> str:
    """Return a diff, or a commit with its diff, without the files that are hidden.

    Raises:
        ToolError: there is no such revision, or git cannot tell.
    """
    verb, *what = _command(spec)
    names = git.ask(cwd, verb, *_FORM, "--name-only", "--format=", "-z", *what, "--")
    top = git.ask(cwd, "rev-parse", "--show-toplevel")
    if names is None or top is None:
        raise ToolError(
            f"git knows no `{spec}` here; there are diff, staged, a commit, and from..to"
        )
    root = Path(os.fsdecode(top.rstrip(b"\n")))
    every = [os.fsdecode(name).lstrip("\n") for name in names.split(b"\0") if name.strip()]
    hidden = [name for name in every if is_hidden(Path(os.path.realpath(root / name)))]
    apart = [f":(top,exclude,literal){name}" for name in hidden]
    shown = git.ask(cwd, verb, *_FORM, "--stat", "--patch", *what, "--", ":(top)", *apart)
    text = (shown or b"").decode("utf-8", "replace").strip()
    if len(text) > CHARACTERS:
        text = f"{text[:CHARACTERS]}\n[cut here; {len(text) - CHARACTERS:,} more characters]"
    notes = [f"[{len(hidden)} files are hidden and left out]"] if hidden else []
    if spec == "diff":
        new = git.ask(cwd, "ls-files", "--others", "--exclude-standard", "-z") or b""
        untracked = [os.fsdecode(name) for name in new.split(b"\0") if name]
        if untracked:
            notes.append(f"[not tracked yet: {', '.join(untracked[:20])}]")
    return "\n".join(filter(None, [text or "(no changes)", *notes]))


def _command(spec: str) -> tuple[str, ...]:
    match spec:
        case "diff":
            return ("diff",)
        case "staged" | "cached":
            return ("diff", "--cached")
    if not _REVISION.fullmatch(spec):
        raise ToolError(
            f"`{spec[:80]}` is no revision; there are diff, staged, HEAD~1, main..topic"
        )
    if ".." in spec:
        return ("diff", "--end-of-options", spec)
    return ("show", "--end-of-options", spec)
