"""`glob`: files by the pattern of their names."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Annotated

from qcode import beneath
from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools.base import Context, Effect, Result, Tool, Touch
from qcode.tools.clip import clip
from qcode.tools.files import missing
from qcode.tools.ignore import check_glob, folders, translate
from qcode.tools.schema import HIDDEN

_SECONDS = 30.0


class Params(Record):
    pattern: str
    path: str | None = None
    limit: Annotated[int | None, HIDDEN] = None
    """Small models send one, as other tools have it."""


class _Found:
    def __init__(self) -> None:
        self.files: list[tuple[int, str]] = []
        """Negative time stamp in ns, path for the model."""
        self.note = ""
        self.stop = False
        """Set from outside to end the search."""


class Glob(Tool[Params]):
    name = "glob"
    effect = Effect.READ
    params = Params

    def touches(self, params: Params) -> Touch:
        return Touch((_split(params)[0],))

    def summary(self, params: Params) -> str:
        return f"{params.pattern} in {params.path}" if params.path else params.pattern

    async def run(self, params: Params, context: Context) -> Result:
        folder, pattern = _split(params)
        if not pattern:
            raise ToolError("pattern is empty; give one such as **/*.py.")
        start = context.path(folder)
        if not beneath.exists(start):
            raise missing(context, folder, start)
        if not beneath.is_folder(start):
            raise ToolError(f"{clip(folder)} is a file. Give a directory as path.")
        check_glob(pattern)
        found = _Found()
        try:
            await asyncio.to_thread(_search, context, start, pattern, found)
            if not found.files and "/" not in pattern and not found.note:
                await asyncio.to_thread(_search, context, start, f"**/{pattern}", found)
                found.note = "none directly there; these are in its subdirectories"
        finally:
            found.stop = True  # a cancelled call leaves its thread; it ends at the next file
        return _result(found, params, context.sizes.files)


def _split(params: Params) -> tuple[str, str]:
    """Return the directory to search and the rest of the pattern, which has the first wildcard."""
    parts = params.pattern.split("/")
    fixed = 0
    while fixed < len(parts) - 1 and not any(char in parts[fixed] for char in "*?[{"):
        fixed += 1
    folder = "/".join(parts[:fixed]) or ("/" if params.pattern.startswith("/") else "")
    pattern = "/".join(parts[fixed:])
    return os.path.join(params.path or ".", folder) if folder else params.path or ".", pattern


def _search(context: Context, start: Path, pattern: str, found: _Found) -> None:
    workspace = context.workspace
    deadline = time.monotonic() + _SECONDS
    inside = start == workspace.root or workspace.root in start.parents
    root = workspace.root if inside else start
    cut = len(start.relative_to(root).as_posix()) + 1 if start != root else 0
    is_anywhere = pattern.startswith("**/") and "/" not in pattern[3:] and pattern != "**/**"
    match = translate(pattern[3:] if is_anywhere else pattern, braces=True).match
    outside = "" if inside else f"{root}/"
    files = found.files
    for base, entries in folders(root, start):
        if found.stop:
            return
        if is_anywhere:  # the name decides
            entries = [entry for entry in entries if match(entry.name)]
        else:
            entries = [entry for entry in entries if match(base + entry.name, cut)]
        shown = outside + base
        for entry in entries:
            try:
                files.append((-entry.stat(follow_symlinks=False).st_mtime_ns, shown + entry.name))
            except OSError:  # it is gone
                pass
        if time.monotonic() > deadline:
            found.note = f"stopped after {_SECONDS:.0f} s; name a directory to search less"
            return


def _result(found: _Found, params: Params, most: int) -> Result:
    found.files.sort()
    count = len(found.files)
    if not count:
        note = f" ({found.note})" if found.note.startswith("stopped") else ""
        return Result(f"No file matches {clip(params.pattern)}.{note}", "no files")
    shown = min(most, max(1, params.limit or most))
    lines = [os.fsencode(path).decode("utf-8", "replace") for _, path in found.files[:shown]]
    if count > shown:
        lines.append(f"[{count - shown} more, older ones, not shown; use a narrower pattern]")
    if found.note:
        lines.append(f"[{found.note}]")
    return Result("\n".join(lines), f"{count} file{'s' if count != 1 else ''}")
