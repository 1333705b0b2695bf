"""Markdown of a model as HTML; the only place that knows markdown-it.

Nothing of it is run or loaded: HTML in it is text, pictures stay links, and a link goes where
it says, which is written behind its words wherever these are others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import urlsplit

from qcode.ui.page.code import Colours
from qcode.ui.printable import printable

LONGEST = 200_000
"""Characters; what is longer is no prose, and shown as it is."""


class Prose:
    """Renders the Markdown of one page."""

    def __init__(self, colours: Colours) -> None:
        self._colours = colours
        self._parser: Any = None

    def html(self, safe: str) -> str:
        """Return safe text as HTML."""
        if len(safe) > LONGEST:
            return f'<p class="words">{escape(safe)}</p>'
        if not re.search(r"[^\w\s.,;:!?'()\-/]|^\s*(?:\d+[.)]|-)|\n\n|\n[-\d]|:/", safe):
            return f"<p>{escape(safe)}</p>"  # most answers; a parser takes a thousand times longer
        parser = self._parser or self._made()
        try:
            out: str = parser.render(safe)
        except RecursionError:
            return f'<p class="words">{escape(safe)}</p>'
        return out

    def _made(self) -> Any:
        from markdown_it import MarkdownIt

        parser: Any = MarkdownIt("commonmark", {"html": False, "maxNesting": 20, "breaks": False})
        parser.enable(["table", "strikethrough"])
        # A number in Markdown may stand for a character that drives something.
        parser.disable(["entity", "image", "html_block", "html_inline", "reference"])
        parser.validateLink = lambda _url: True  # `_link` decides, so that nothing is lost
        rules = parser.renderer.rules
        rules["text"] = lambda tokens, at, *_: _shown(tokens[at].content)
        rules["code_inline"] = lambda tokens, at, *_: f"<code>{_shown(tokens[at].content)}</code>"
        rules["fence"] = self._fence
        rules["code_block"] = self._fence
        rules["heading_open"] = lambda tokens, at, *_: f"<h{_level(tokens[at])}>"
        rules["heading_close"] = lambda tokens, at, *_: f"</h{_level(tokens[at])}>\n"
        rules["link_open"] = _open_link
        rules["link_close"] = _close_link
        rules["table_open"] = lambda *_: '<div class="wide"><table>'
        rules["table_close"] = lambda *_: "</table></div>\n"
        self._parser = parser
        return parser

    def _fence(self, tokens: Sequence[Any], at: int, *_: object) -> str:
        token = tokens[at]
        language = re.match(r"[\w+#.-]*", token.info.strip())
        text = printable(token.content.removesuffix("\n"))
        return f"<pre>{self._colours.code(text, language[0] if language else '')}</pre>\n"


def _level(token: Any) -> int:
    # The page has a heading of its own, and one for each message.
    return min(6, int(token.tag[1]) + 2)


def _shown(text: str) -> str:
    return escape(printable(text))


def _goes_to(token: Any) -> str:
    """Return where a link may go; nothing if it may not."""
    url = str(token.attrGet("href") or "")
    try:
        scheme = urlsplit(url).scheme.lower()
    except ValueError:
        return ""
    return url if scheme in ("http", "https", "mailto") and url.isprintable() else ""


def _open_link(tokens: Sequence[Any], at: int, *_: object) -> str:
    url = _goes_to(tokens[at])
    return f'<a href="{escape(url)}" rel="noopener noreferrer">' if url else "<span>"


def _close_link(tokens: Sequence[Any], at: int, *_: object) -> str:
    depth, opened = 0, at
    while opened:
        opened -= 1
        kind = tokens[opened].type
        depth += (kind == "link_close") - (kind == "link_open")
        if depth < 0:
            break
    url = _goes_to(tokens[opened])
    words = "".join(token.content for token in tokens[opened + 1 : at])
    written = str(tokens[opened].attrGet("href") or "")
    shown = "" if words in (written, written.removeprefix("mailto:")) else _shown(written)
    behind = f' <span class="to">({shown})</span>' if shown else ""
    return f"{'</a>' if url else '</span>'}{behind}"
