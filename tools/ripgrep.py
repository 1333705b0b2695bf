"""Searching with ripgrep."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import beneath
from qcode.tools.ignore import OWN, Left, git_top, rules_at
from qcode.tools.search import (
    COLUMNS,
    COUNTED,
    SECONDS,
    BadPattern,
    Found,
    Match,
    Query,
    begin,
    is_wanted,
    nothing,
)

if TYPE_CHECKING:
    from qcode.sandbox.child import Child
    from qcode.sandbox.plain import Start

_MEMORY = 2 * 1024 * 1024 * 1024
_BOUND = 'ulimit -d "$1" 2>/dev/null; shift; exec "$@"'
"""Runs a program with so many KiB of memory at most. Set from outside, the limit would not
reach into a sandbox."""


@cache
def find_ripgrep(path: str, workspace: Path) -> str | None:
    """Return the `rg` beside the running Python (its package puts it there) or on PATH.

    Relative folders and those in the workspace do not count: a search must not
    run a program that a project brings along.
    """
    folders = [os.path.dirname(sys.executable), *path.split(os.pathsep)]
    for folder in folders:
        program = os.path.join(folder, "rg")
        if not os.path.isabs(folder) or not os.access(program, os.X_OK):
            continue
        real = Path(os.path.realpath(program))
        if folder == folders[0] or workspace not in real.parents:
            return program
    return None


async def with_ripgrep(
    program: str,
    query: Query,
    environment: dict[str, str],
    *,
    start: Start | None = None,
    is_hidden: Callable[[str], bool] = nothing,
) -> Found:
    """Search with ripgrep.

    It is started by `start`, by default as it is. `is_hidden` tells of a match's path
    whether its content is to be left out.

    Raises:
        BadPattern: it cannot read the pattern.
        OSError: it cannot be run.
    """
    # Sorting takes ripgrep all cores but one, so it is left to us as long as we take all.
    found = await _ripgrep(program, query, environment, start, is_hidden, is_sorted=False)
    if found.is_full:
        found = await _ripgrep(program, query, environment, start, is_hidden, is_sorted=True)
    return found


async def _ripgrep(
    program: str,
    query: Query,
    environment: dict[str, str],
    start: Start | None,
    is_hidden: Callable[[str], bool],
    *,
    is_sorted: bool,
) -> Found:
    # Blocking for the millisecond of the start leaves no moment without an owner.
    bound = ["/bin/sh", "-c", _BOUND, "sh", str(_MEMORY // 1024)]
    environment = {k: v for k, v in environment.items() if k != "RIPGREP_CONFIG_PATH"}
    sort = ["--sort=path"] if is_sorted else []
    argv = [*bound, program, *sort, *_arguments(query)]
    process = begin(start, argv, query.root, environment)
    found = Found(query.limit if is_sorted else COUNTED)

    def stop() -> None:
        found.stopped = f"stopped after {SECONDS:.0f} s; name a directory to search less"
        process.kill()

    timer = asyncio.get_running_loop().call_later(SECONDS, stop)
    try:
        reading = partial(_read_matches, process, query.glob, found, is_hidden, _ignored(query))
        problem = await asyncio.to_thread(reading)
        if found.stopped:
            process.kill()
        code = process.wait()
        if code not in (0, 1, 2) and not found.stopped:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise OSError(f"ripgrep ended with {how}")
        if code == 2 and not found.count and _is_pattern_error(problem):
            raise BadPattern(_one_line(problem))
        if not is_sorted:
            found.sort(query.limit)
        return found
    finally:
        timer.cancel()
        process.close()  # ends the reading thread too if this task was cancelled


def _arguments(query: Query) -> list[str]:
    arguments = [
        "--no-config", "--color=never", "--no-heading", "--with-filename", "--line-number",
        "--null", "--smart-case", "--hidden", "--no-require-git",
        "--no-ignore-global", "--no-messages", "--crlf", f"--max-columns={COLUMNS}",
        "--max-columns-preview",
    ]  # fmt: skip
    inside = query.start == query.root or query.root in query.start.parents
    if inside:
        relative = query.start.relative_to(query.root).as_posix()
        target = "./" if relative == "." else f"./{relative}"
        folder = query.start if beneath.is_folder(query.start) else query.start.parent
        if rules_at(query.root, folder) is None:
            arguments.append("--no-ignore")
        elif git_top(query.root) is None:
            # Without a repository nothing above the workspace counts: a home
            # directory with `*` in its .gitignore would hide everything.
            arguments.append("--no-ignore-parent")
            for name in (".gitignore", ".ignore", ".rgignore"):
                if query.start != query.root and (query.root / name).is_file():
                    arguments.append(f"--ignore-file={name}")
        if "--no-ignore" not in arguments:
            # ripgrep does not know these, and those of deeper directories cannot be given to
            # it; `_ignored` sees to them. Here it is spared large directories.
            arguments += [f"--ignore-file={name}" for name in OWN if (query.root / name).is_file()]
    else:
        target = str(query.start)
        arguments.append("--no-ignore-parent")
    # Not --glob, which would bring ignored files back. What a type cannot say is
    # filtered afterwards.
    name = (query.glob or "").rpartition("/")[2]
    if query.glob and not query.glob.startswith("!") and "**" not in name:
        arguments += [f"--type-add=wanted:{name}", "--type=wanted"]
    return [*arguments, "--glob=!.git", "-e", query.pattern, "--", target]


def _ignored(query: Query) -> Callable[[str], bool]:
    """Return what tells of a match's path whether files that only qcode knows leave it out."""
    if not beneath.is_folder(query.start):
        return nothing
    if query.start == query.root or query.root in query.start.parents:
        return nothing if rules_at(query.root, query.start) is None else Left(query.root).out
    left, cut = Left(query.start), len(str(query.start)) + 1
    return lambda path: left.out(path[cut:])


def _read_matches(
    process: Child,
    glob: str | None,
    found: Found,
    is_hidden: Callable[[str], bool],
    is_ignored: Callable[[str], bool],
) -> str:
    assert process.stdout
    assert process.stderr
    last, name, is_shown = b"", "", False
    for row in process.stdout:
        path, _, rest = row.partition(b"\0")
        number, _, text = rest.partition(b":")
        if not number.isdigit():
            continue
        if path != last:
            last = path
            name = os.fsdecode(path).removeprefix("./")
            is_shown = is_wanted(glob, name) and not is_ignored(name)
            if is_shown and is_hidden(name):
                found.left_out[name] = None
                is_shown = False
        if is_shown:
            line = text.decode("utf-8", "replace").rstrip("\r\n")
            if not found.add(Match(name, int(number), line)):
                return ""
    return process.stderr.read().decode("utf-8", "replace")


def _is_pattern_error(problem: str) -> bool:
    return any(word in problem for word in ("regex", "glob", "literal"))


def _one_line(problem: str) -> str:
    """Return the sentence of ripgrep's error, which draws the place over several lines."""
    rows = [row.strip() for row in problem.splitlines() if row.strip()]
    said = [row.removeprefix("error:").strip() for row in rows if row.startswith("error:")]
    return (said or rows or ["unknown error"])[-1].rstrip(".")
