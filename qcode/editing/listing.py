"""Lines of a file as a model is shown them: numbered, and with the definition around them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from qcode.editing.fold import is_blank, lead

SHOWN = 10
"""Lines shown at most."""
CUT = 300
"""Characters of a line that are shown."""


@cache
def _defines() -> re.Pattern[str]:
    """Return what a line looks like that begins a definition, in most languages."""
    return re.compile(
        r"\s*(?:export |default |pub(?:\([\w: ]*\))? |public |private |protected |static |final "
        r"|async |abstract |override |unsafe |const )*"
        r"(?:def|class|func|function|fn|impl|struct|interface|trait|enum|module|namespace|object|type"
        r"|sub|proc|macro_rules!|record|package)\b"
        r"|[A-Za-z_][\w.:<>*&, \[\]]*\([^;]*\)[\w \t]*\{\s*$|\s*[\w$]+\([^;()]*\)\s*\{\s*$"
    )


def numbered(lines: Sequence[str], first: int, size: int) -> str:
    """Return lines as `12| text`; `first` is from 1."""
    shown = lines[first - 1 : first - 1 + min(size, SHOWN)]
    text = "\n".join(f"{first + index}| {line[:CUT]}" for index, line in enumerate(shown))
    return text + ("\n…" if size > SHOWN else "")


def enclosing(lines: Sequence[str], at: int) -> str:
    """Return the definition around a line (index) in words, or nothing."""
    if at >= len(lines):
        return ""
    depth = len(lead(lines[at])) if not is_blank(lines[at]) else 1_000_000
    for index in range(at - 1, max(-1, at - 5000), -1):
        line = lines[index]
        if is_blank(line) or len(lead(line)) >= depth:
            continue
        depth = len(lead(line))
        if _defines().match(line[:CUT]):
            return f"in `{line.strip()[:80]}`, line {index + 1}"
    return ""
