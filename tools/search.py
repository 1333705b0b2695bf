"""Searching files line by line: what is asked and found, and a search without ripgrep.

That and the one with it (`ripgrep`) obey ignore files, search hidden files but not
`.git`, leave out binary files, follow no links, and ignore case when the pattern has no
capital letter.
Each is a process of its own, which a sandbox may confine: it only has to read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import qcode
from qcode import beneath
from qcode.record import Record
from qcode.tools.files import binary_kind, decode
from qcode.tools.ignore import translate, walk

if TYPE_CHECKING:
    from qcode.sandbox.child import Child
    from qcode.sandbox.plain import Start

COUNTED = 10_000
"""Matches after which the search stops counting."""
SECONDS = 30.0
FILE_CPU_S = 10.0
"""Of computing, after which a pattern is given up; no sane one takes that for one file."""
_SPARE_S = 2.0
COLUMNS = 4000
"""Characters of a line that are handed on."""
_LARGEST = 64 * 1024 * 1024
"""Bytes of a file that the search without ripgrep still reads."""


class BadPattern(Exception):
    """The pattern cannot be read; the text says why, in one line."""


class TooSlow(Exception):
    """The pattern takes too long: it tries too many ways to match."""


class Query(Record):
    """What to search for and where."""

    root: Path
    start: Path
    """A directory or file, below the root or not; a real path."""
    pattern: str
    glob: str | None
    """git-style, relative to the root; `!` in front leaves the matching files out."""
    limit: int


class Match(NamedTuple):
    """One line that matches. A tuple, as there are many."""

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
        self.is_full = False
        """It has as many as are counted."""
        self.stopped = ""
        """Why not everything was searched."""
        self.left_out: dict[str, None] = {}
        """Files that match and whose content is not to be shown."""

    def add(self, match: Match) -> bool:
        """Take a match; return whether to go on."""
        self.count += 1
        if len(self.matches) < self.limit:
            self.matches.append(match)
        if self.count < max(COUNTED, self.limit):
            return True
        self.is_full = True
        self.stopped = f"stopped after {self.count:,} matches"
        return False

    def sort(self, limit: int) -> None:
        """Put the matches in the order of their paths, and keep so many."""
        parts = {path: os.fsencode(path).split(b"/") for path in {m.path for m in self.matches}}
        self.matches.sort(key=lambda match: (parts[match.path], match.line))
        del self.matches[limit:]
        self.left_out = dict.fromkeys(sorted(self.left_out))


def nothing(_path: str) -> bool:
    """Hide no file."""
    return False


def begin(
    start: Start | None,
    argv: list[str],
    folder: Path,
    environment: dict[str, str],
    stdin: int = subprocess.DEVNULL,
    stderr: int = subprocess.PIPE,
) -> Child:
    """Start a process that only has to read; by default as it is."""
    # Loaded here, as most sessions that are begun do not come to a search at once.
    from qcode.sandbox import plain
    from qcode.sandbox.launching import Purpose

    return (start or plain.start)(
        argv, cwd=folder, env=environment, stdin=stdin, stderr=stderr, purpose=Purpose.LOOK
    )


async def with_python(
    query: Query,
    environment: dict[str, str],
    *,
    start: Start | None = None,
    is_hidden: Callable[[str], bool] = nothing,
) -> Found:
    """Search without ripgrep, in a process of its own.

    Python's expressions can take forever on a line, and nothing else in the
    process runs meanwhile, not even what would stop it. So it is a process that
    can be ended from outside, and that the system ends if this one is no more.

    Raises:
        TooSlow: the pattern takes too long.
        BadPattern: it cannot be read.
        OSError: the process could not be run.
    """
    asked = {
        "root": str(query.root), "start": str(query.start), "pattern": query.pattern,
        "glob": query.glob, "limit": query.limit, "seconds": SECONDS, "per_file": FILE_CPU_S,
    }  # fmt: skip
    argv = [_PYTHON, "-I", "-c", _CHILD, _PACKAGES]
    process = begin(
        start, argv, query.root, environment, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    late: list[bool] = []

    def stop() -> None:
        late.append(True)
        process.kill()

    # It stops by itself between two lines; later it is stuck in one.
    timer = asyncio.get_running_loop().call_later(SECONDS + _SPARE_S, stop)
    try:
        answer = await asyncio.to_thread(_ask, process, json.dumps(asked).encode())
        code = process.wait()
    finally:
        timer.cancel()
        process.close()  # ends the thread too if this task was cancelled
    if late or code in (-signal.SIGVTALRM, -signal.SIGALRM):
        raise TooSlow
    if code or not answer:
        raise OSError(f"the search ended with exit code {code}")
    told = json.loads(answer)
    if "problem" in told:
        raise BadPattern(told["problem"])
    found = Found(query.limit)
    found.count, found.stopped = told["count"], told["stopped"]
    for row in told["matches"]:
        match = Match(*row)
        if match.path in found.left_out or is_hidden(match.path):
            found.left_out[match.path] = None
            found.count -= 1
        else:
            found.matches.append(match)
    return found


def _ask(process: Child, question: bytes) -> bytes:
    """Return what it answers; it reads all before it writes."""
    assert process.stdin
    assert process.stdout
    with contextlib.suppress(BrokenPipeError):  # it ended early, which its exit code tells
        process.stdin.write(question)
        process.stdin.close()
    return process.stdout.read()


_PYTHON = sys.executable
_PACKAGES = str(Path(qcode.__file__).parent.parent)
_CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
import qcode
del sys.path[0]
from qcode.tools.search import child
child()
"""


def child() -> None:
    """Be the process that searches: the query on stdin, what was found on stdout."""
    asked = json.loads(sys.stdin.buffer.read())
    query = Query(
        Path(asked["root"]), Path(asked["start"]), asked["pattern"], asked["glob"], asked["limit"]
    )
    # Not caught, so that they end the process whatever it is at.
    signal.alarm(math.ceil(asked["seconds"] + 2 * _SPARE_S))
    try:
        regex = compiled(query.pattern)
    except BadPattern as error:
        answer: dict[str, object] = {"problem": str(error)}
    else:
        found = Found(query.limit)
        _scan(query, regex, found, asked["seconds"], asked["per_file"])
        rows = [(match.path, match.line, match.text) for match in found.matches]
        answer = {"matches": rows, "count": found.count, "stopped": found.stopped}
    sys.stdout.buffer.write(json.dumps(answer).encode())


def compiled(pattern: str) -> re.Pattern[str]:
    """Return the pattern as Python reads it.

    Raises:
        BadPattern: it cannot be read.
    """
    flags = re.IGNORECASE if _is_lower(pattern) else 0
    try:
        with warnings.catch_warnings(action="ignore"):
            return re.compile(pattern, flags)
    except (re.error, OverflowError) as error:
        raise BadPattern(str(error)) from None
    except RecursionError:
        raise BadPattern("it is nested too deeply") from None


def _is_lower(pattern: str) -> bool:
    """Return whether the pattern has no capital letter that stands for itself."""
    literal = re.sub(r"\\.|\(\?P?<\w+>|\(\?P", "", pattern)
    return not any(char.isupper() for char in literal)


def _scan(
    query: Query, regex: re.Pattern[str], found: Found, seconds: float, per_file: float
) -> None:
    deadline = time.monotonic() + seconds
    inside = query.start == query.root or query.root in query.start.parents
    base = query.root if inside else query.start
    if query.start.is_file():
        name = query.start.relative_to(base).as_posix() if inside else str(query.start)
        paths: Iterable[str] = [name]
    else:
        entries = walk(query.root, query.start)
        paths = (entry.path for entry in entries if not entry.is_link)
    for path in paths:
        if time.monotonic() > deadline:
            found.stopped = f"stopped after {seconds:.0f} s; name a directory to search less"
            return
        signal.setitimer(signal.ITIMER_VIRTUAL, per_file)  # computing only, not waiting
        if is_wanted(query.glob, path):
            full = os.path.join(base, path)
            if not _scan_file(full, path if inside else full, regex, found):
                return


def _scan_file(full: str, shown: str, regex: re.Pattern[str], found: Found) -> bool:
    try:
        file, status = beneath.open_stream(Path(full))
        with file:
            if status.st_size > _LARGEST or status.st_size == 0:
                return True
            data = file.read()
    except OSError:
        return True
    if binary_kind(data):
        return True
    for number, line in enumerate(decode(data)[0].split("\n"), 1):
        line = line.removesuffix("\r")
        if regex.search(line) and not found.add(Match(shown, number, line[:COLUMNS])):
            return False
    return True


def is_wanted(glob: str | None, path: str) -> bool:
    """Whether a path matches a glob, or, with `!` in front, does not."""
    if not glob:
        return True
    wants = not glob.startswith("!")
    glob = glob.removeprefix("!")
    if "/" not in glob:
        path = path[path.rfind("/") + 1 :]
    regex = translate(glob.removeprefix("/"), braces=True)  # cached
    return bool(regex.match(path)) is wants
