"""Text of others in GitHub's Markdown: shown as it is, and never read as markup.

Between backquotes and in fences nothing is markup, HTML, a link or a mention (GitHub Flavored
Markdown, 4.5 and 6.1). What could end them, or the cell of a table, is written as entities,
which stand for no sign of markup (2.5).
"""

from __future__ import annotations

import re

from qcode.ui.printable import printable

_TICKS = re.compile("`+")
_PLAIN = re.compile(r"[^A-Za-z0-9 /-]")


def inline(text: str, limit: int = 200) -> str:
    """Return a text as code within a line, a cell of a table say."""
    line = " ".join(printable(text).split())
    if len(line) > limit:
        line = f"{line[: limit - 1]}…"
    if not line:
        return ""
    if any(sign in line for sign in "`|\\"):
        return f"<code>{_PLAIN.sub(lambda found: f'&#{ord(found[0])};', line)}</code>"
    return f"`{line}`"


def block(text: str, limit: int = 8_000, *, end: bool = False) -> str:
    """Return a text of several lines as a block of code.

    What is beyond `limit` characters is left out: the end, or with `end` the beginning.
    """
    shown = printable(text).strip("\n")
    if len(shown) > limit:
        shown = f"…{shown[-limit:]}" if end else f"{shown[:limit]}…"
    longest = max(map(len, _TICKS.findall(shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{shown}\n{fence}"
