"""Which code of the workspace a failing command's output points at."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from qcode import beneath
from qcode.record import Record
from qcode.workspace import Workspace

WHOLE_LINES = 80
"""A file up to this length is shown whole, about 800 tokens."""

AROUND_LINES = 25
"""Of a longer one, this many lines before and after the place."""

LINE_CHARS = 200

_PLACES = re.compile(
    r'File "(?P<python>[^"\n]+)", line (?P<python_line>\d+)'  # Python's tracebacks
    r"|(?P<path>[\w./+@-]*[\w+@-]\.[A-Za-z]\w*):(?P<line>\d+)"  # compilers, pytest, Go, Node
)
_TEST = re.compile(
    r"(^|/)(tests?|specs?|__tests__)/|(^|/)(test_[^/]*|[^/]*[._-](test|spec)s?\.\w+)$"
)


class Excerpt(Record):
    """Lines of a file, as they are."""

    path: str
    """Relative to the workspace."""
    text: str
    first: int
    """Number of the first line, from 1."""
    whole: bool
    """Whether it is all of the file."""


def excerpt(
    output: str, workspace: Workspace, is_hidden: Callable[[Path], bool] = lambda _real: False
) -> Excerpt | None:
    """Return the code at the last place named that is no test, or else at the last place.

    In a traceback that is the innermost frame of the workspace's own code:
    where it broke, which is most often where it is to be mended. Files that are hidden
    are passed over: what a command prints may name them on purpose.
    """
    places = [
        place
        for match in _PLACES.finditer(output)
        if (place := _place(match, workspace)) and not is_hidden(place[0])
    ]
    if not places:
        return None
    sources = [place for place in places if not _TEST.search(workspace.show(place[0]))]
    real, number = (sources or places)[-1]
    try:
        text = beneath.read(real)[: 1 << 20].decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    lines = text.splitlines()
    if "\0" in text or any(len(line) > LINE_CHARS for line in lines):
        return None  # generated or minified: nobody mends that by hand
    if len(lines) <= WHOLE_LINES:
        return Excerpt(workspace.show(real), "\n".join(lines), 1, whole=True)
    first = max(0, number - 1 - AROUND_LINES)
    shown = "\n".join(lines[first : number + AROUND_LINES])
    return Excerpt(workspace.show(real), shown, first + 1, whole=False)


def _place(match: re.Match[str], workspace: Workspace) -> tuple[Path, int] | None:
    name = match["python"] or match["path"]
    real = workspace.root / name
    # Resolved by hand: a link out of the workspace is not followed.
    try:
        real = real.resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        return None
    if not real.is_file() or not workspace.contains(real) or _installed(workspace.show(real)):
        return None
    return real, int(match["python_line"] or match["line"])


def _installed(path: str) -> bool:
    """Whether a file in the workspace is somebody else's code."""
    parts = path.split("/")
    return any(p in ("site-packages", "node_modules", "vendor", ".git") for p in parts)
