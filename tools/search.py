"""Searching files line by line: ripgrep, and the same without it.

Both obey ignore files, search hidden files but not `.git`, leave out binary
files, follow no links, and ignore case when the pattern has no capital letter.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from qcode.record import Record
from qcode.tools.files import binary_kind, decode
from qcode.tools.ignore import git_top, rules_at, translate, walk

COUNTED = 10_000
"""Matches after which the search stops counting."""
SECONDS = 30.0
_LARGEST = 64 * 1024 * 1024
"""Bytes of a file that the search without ripgrep still reads."""


class BadPattern(Exception):
    """ripgrep cannot read the pattern; the text says why, in one line."""


class Query(Record):
    """What to search for and where."""

    root: Path
    start: Path
    """A directory or file, below the root or not; a real path."""
    pattern: str
    glob: str | None
    """git-style, relative to the root; `!` in front leaves the matching files out."""
    limit: int


class Match(Record):
    """One line that matches."""

    path: str
    """Relative to the root if below it."""
    line: int
    text: str


class Found:
    """The first matches in path order, and how many there are."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.matches: list[Match] = []
        self.count = 0
        self.stopped = ""
        """Why not everything was searched."""

    def add(self, match: Match) -> bool:
        """Take a match; return whether to go on."""
        self.count += 1
        if len(self.matches) < self.limit:
            self.matches.append(match)
        if self.count < max(COUNTED, self.limit):
            return True
        self.stopped = f"stopped after {self.count:,} matches"
        return False


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


async def with_ripgrep(program: str, query: Query, environment: dict[str, str]) -> Found:
    """Search with ripgrep.

    Raises:
        BadPattern: it cannot read the pattern.
        OSError: it cannot be run.
    """
    # Blocking for the millisecond of the start leaves no moment without an owner.
    process = subprocess.Popen(  # noqa: ASYNC220
        [program, *_arguments(query)],
        cwd=query.root,
        env={k: v for k, v in environment.items() if k != "RIPGREP_CONFIG_PATH"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    found = Found(query.limit)

    def stop() -> None:
        found.stopped = f"stopped after {SECONDS:.0f} s; name a directory to search less"
        process.kill()

    timer = asyncio.get_running_loop().call_later(SECONDS, stop)
    assert process.stdout
    assert process.stderr
    try:
        problem = await asyncio.to_thread(_read_matches, process, query.glob, found)
        if process.poll() is None and found.stopped:
            process.kill()
        if process.wait() == 2 and not found.count and _is_pattern_error(problem):
            raise BadPattern(_one_line(problem))
        return found
    finally:
        timer.cancel()
        process.kill()  # ends the reading thread too if this task was cancelled
        process.wait()
        process.stdout.close()
        process.stderr.close()


def _arguments(query: Query) -> list[str]:
    arguments = [
        "--no-config", "--color=never", "--no-heading", "--with-filename", "--line-number",
        "--null", "--sort=path", "--smart-case", "--hidden", "--no-require-git",
        "--no-ignore-global", "--no-messages", "--crlf", "--max-columns=4000",
        "--max-columns-preview",
    ]  # fmt: skip
    inside = query.start == query.root or query.root in query.start.parents
    if inside:
        relative = query.start.relative_to(query.root).as_posix()
        target = "./" if relative == "." else f"./{relative}"
        folder = query.start if query.start.is_dir() else query.start.parent
        if rules_at(query.root, folder) is None:
            arguments.append("--no-ignore")
        elif git_top(query.root) is None:
            # Without a repository nothing above the workspace counts: a home
            # directory with `*` in its .gitignore would hide everything.
            arguments.append("--no-ignore-parent")
            for name in (".gitignore", ".ignore", ".rgignore"):
                if query.start != query.root and (query.root / name).is_file():
                    arguments.append(f"--ignore-file={name}")
    else:
        target = str(query.start)
        arguments.append("--no-ignore-parent")
    # Not --glob, which would bring ignored files back. What a type cannot say is
    # filtered afterwards.
    name = (query.glob or "").rpartition("/")[2]
    if query.glob and not query.glob.startswith("!") and "**" not in name:
        arguments += [f"--type-add=wanted:{name}", "--type=wanted"]
    return [*arguments, "--glob=!.git", "-e", query.pattern, "--", target]


def _read_matches(process: subprocess.Popen[bytes], glob: str | None, found: Found) -> str:
    assert process.stdout
    assert process.stderr
    for row in process.stdout:
        path, _, rest = row.partition(b"\0")
        number, _, text = rest.partition(b":")
        if not number.isdigit():
            continue
        name = os.fsdecode(path).removeprefix("./")
        if not _is_wanted(glob, name):
            continue
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


async def with_python(query: Query) -> Found:
    """Search without ripgrep.

    Raises:
        re.error: the pattern cannot be read.
    """
    flags = re.IGNORECASE if _is_lower(query.pattern) else 0
    regex = re.compile(query.pattern, flags)
    found = Found(query.limit)
    stop: list[bool] = []
    try:
        await asyncio.to_thread(_scan, query, regex, found, stop)
    finally:
        stop.append(True)  # a cancelled call leaves its thread; it ends at the next file
    return found


def _is_lower(pattern: str) -> bool:
    """Return whether the pattern has no capital letter that stands for itself."""
    literal = re.sub(r"\\.|\(\?P?<\w+>|\(\?P", "", pattern)
    return not any(char.isupper() for char in literal)


def _scan(query: Query, regex: re.Pattern[str], found: Found, stop: list[bool]) -> None:
    deadline = time.monotonic() + SECONDS
    inside = query.start == query.root or query.root in query.start.parents
    base = query.root if inside else query.start
    if query.start.is_file():
        name = query.start.relative_to(base).as_posix() if inside else str(query.start)
        paths: Iterable[str] = [name]
    else:
        entries = walk(query.root, query.start)
        paths = (entry.path for entry in entries if not entry.is_link)
    for path in paths:
        if stop:
            return
        if time.monotonic() > deadline:
            found.stopped = f"stopped after {SECONDS:.0f} s; name a directory to search less"
            return
        if _is_wanted(query.glob, path):
            full = os.path.join(base, path)
            if not _scan_file(full, path if inside else full, regex, found):
                return


def _scan_file(full: str, shown: str, regex: re.Pattern[str], found: Found) -> bool:
    try:
        status = os.lstat(full)
        if status.st_size > _LARGEST or status.st_size == 0 or not os.path.isfile(full):
            return True
        with open(full, "rb") as file:
            data = file.read()
    except OSError:
        return True
    if binary_kind(data):
        return True
    for number, line in enumerate(decode(data)[0].split("\n"), 1):
        line = line.removesuffix("\r")
        if regex.search(line) and not found.add(Match(shown, number, line)):
            return False
    return True


def _is_wanted(glob: str | None, path: str) -> bool:
    if not glob:
        return True
    wants = not glob.startswith("!")
    glob = glob.removeprefix("!")
    if "/" not in glob:
        path = path[path.rfind("/") + 1 :]
    regex = translate(glob.removeprefix("/"), braces=True)  # cached
    return bool(regex.match(path)) is wants
