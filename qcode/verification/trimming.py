"""Failing output cut to what matters to whoever is to mend the code."""

from __future__ import annotations

import re

_NOISE = re.compile(
    r"\s*(?:\S+\.py )?[.sxXFEpP]+\s*(?:\[\s*\d+%\])?\s*\Z"  # progress of pytest and unittest
    r"|\s*[-=*_#~]{3,}\s*\Z|(?:_ ){3,}_?\Z"
    r"|\s+[~^]{2,}\Z|\S+ = <.* at 0x[0-9a-f]+>\Z"  # what a line above says, and addresses
    r"|={3,} (?:test session starts|PASSES|warnings summary) ={3,}"
    r"|(?:platform|rootdir|plugins|cachedir|configfile|testpaths|benchmark): ?"
    r"|platform \S+ -- Python|collect(?:ed|ing) \d*|bringing up nodes|\d+ workers? \["
    r"|PASSED |\S+ PASSED|SKIPPED |\S.* \.\.\. (?:ok|skipped.*)\Z|test \S.* \.\.\. (?:ok|ignored)\Z"
    r"|\s*--- PASS|=== (?:RUN|PAUSE|CONT)|ok  ?\t|\s*ok \d+|\s*[✓✔√] "
    r"|\s*(?:Compiling|Downloading|Downloaded|Fetching|Updating|Building|Checking|Locking) "
    r"|Collecting |Requirement already satisfied|  Using cached|npm (?:warn|notice)|> \S+@\S+ "
    r"|!{3,} |ImportError while importing test module |Hint: make sure your test modules"
    r"|make(?:\[\d+\])?: (?:Entering|Leaving) directory"
    r"|\s*\d{1,3}%\|"
)
"""Lines that tell of what is well, or of how far something is."""

_IMPORTANT = re.compile(
    r"^E  |^>  |Error\b|ERROR\b|FATAL\b|error(?:\[|:)|Exception|FAIL|FAILED|[Ff]ailed|panic|assert"
    r"|Assertion|[Ee]xpected|[Aa]ctual|[Rr]eceived|[Gg]ot:|[Ww]ant|not ok|✕|✖|✗|×|Traceback"
    r"|undefined|No such|not found|cannot|\bdiff\b|^[+-] |\.\w+:\d+"
)
_LIBRARY = r"(?:site-packages|dist-packages|/lib/python3)"
_FRAME = re.compile(
    rf'\s*File "(?:.*{_LIBRARY}[^"]*|<frozen [^"]*>)", line \d+'
    rf"|(?:\S*{_LIBRARY}\S*|<frozen \S+>):\d+: in "
)
_NODE_FRAME = re.compile(r"\s+at .*(?:node_modules|node:internal)")
_RULER = re.compile(r"(?:={3,}|_{3,}) (\S.*?) (?:={3,}|_{3,})")
"""pytest's line above a part of its output, or around its last words."""
_TITLES = ("ERRORS", "FAILURES", "short test summary info")
_COUNT = re.compile(r"\d+ \w+(?:, \d+ \w+)*(?= in \d)")
_BEFORE = re.compile(r"ERROR at (?:setup|teardown) of ")
_LISTED = re.compile(r"(?:FAILED|ERROR) \S+?\.py::(\S+)")
_AROUND = 2
"""Lines kept before and after one that matters."""
_SUMMARY_SHARE = 3
"""Of the room, one part in so many is for the end, where runners sum up."""


def trimmed(output: str, limit: int) -> str:
    """Return what matters of an output, in at most about `limit` characters.

    Left out, in this order: what tells of success and progress, libraries' frames, what is
    said over and over; and where that is not enough, all but failures and the end.
    """
    lines = _without_repeats(_without_frames(output.strip().split("\n")))
    text = "\n".join(_without_rulers(lines)).strip("\n")
    return text if len(text) <= limit else _sampled(lines, limit)


def _without_rulers(lines: list[str]) -> list[str]:
    """Leave out pytest's rulers, and its list of failures that the lines above have told.

    Where not all is shown, they say what is what, and stay.
    """
    told: set[str] = set()
    out: list[str] = []
    skips = False
    for line in lines:
        if ruler := _RULER.fullmatch(line):
            skips = False
            title = ruler[1]
            if ruler[0].startswith("_"):
                told.add(_BEFORE.sub("", title).replace(".", "::"))
                out.append(f"{title}:")
            elif count := _COUNT.match(title):
                out.append(count[0])
            elif title not in _TITLES:
                out.append(line)  # another program's
        elif listed := _LISTED.match(line):
            skips = listed[1] in told
            out += [] if skips else [line]
        elif not (skips and line.startswith(" ")):  # what it says more of that failure
            out.append(line)
            skips = False
    return [line for line, before in zip(out, ["", *out], strict=False) if line or before]


def _without_frames(lines: list[str]) -> list[str]:
    out: list[str] = []
    skips = False
    for line in lines:
        if _FRAME.match(line) or _NODE_FRAME.match(line):
            skips = _NODE_FRAME.match(line) is None  # Python shows the frame's line below it
            continue
        if skips and line.startswith("    "):
            continue
        skips = False
        if not _NOISE.match(line):
            out.append(line.rstrip())
    return out


def _without_repeats(lines: list[str]) -> list[str]:
    out: list[str] = []
    count = 1
    for line in [*lines, None]:
        if out and line == out[-1]:
            count += 1
            continue
        if count > 1 and out[-1]:
            out.append(f"(the line above {count} times)")
        count = 1
        if line is not None:
            out.append(line)
    return out


def _sampled(lines: list[str], limit: int) -> str:
    """Keep the end, and before it the first failures as far as there is room."""
    tail: list[str] = []
    room = limit // _SUMMARY_SHARE
    for line in reversed(lines):
        if tail and room < len(line) + 1:
            break
        line = _cut(line, limit // _SUMMARY_SHARE)
        room -= len(line) + 1
        tail.insert(0, line)
    head = lines[: len(lines) - len(tail)]
    wanted: set[int] = set()
    for number, line in enumerate(head):
        if _IMPORTANT.search(line):
            wanted.update(range(max(0, number - _AROUND), min(len(head), number + _AROUND + 1)))
    left = limit - sum(len(line) + 1 for line in tail)
    out: list[str] = []
    last = -1
    for number in sorted(wanted):
        line = _cut(head[number], 300)
        if left < len(line) + 3:
            break
        if number != last + 1:
            out.append("…")
            left -= 2
        out.append(line)
        left -= len(line) + 1
        last = number
    if last != len(head) - 1:
        out.append("…")
    return "\n".join([*out, *tail])


def _cut(line: str, most: int) -> str:
    return line if len(line) <= most else f"{line[:most]}…"
