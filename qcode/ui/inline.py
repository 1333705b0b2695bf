"""Markdown inside a paragraph, to runs: emphasis, code, links.

Only what stands in a line is read here; `qcode.ui.blocks` knows what the lines are. Reading
is left to the parser that rich uses, with HTML and references off: both show as they are
written, since nothing of a model's answer may stay unseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from qcode.ui.printable import printable
from qcode.ui.runs import Run

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

KEPT_BREAK_COLUMNS = 60
"""A line shorter than this was ended on purpose; longer ones were broken to some width."""

LINKS = 50
"""Brackets of a paragraph that may begin links; where there are more, all show as written."""

_STYLES = {"em": "emph", "strong": "strong", "s": "strike"}
_SPECIAL = frozenset("\\`*_~[]!<&\n")
"""Without one of these a text has nothing to be read."""


def inline(source: str, style: str = "") -> list[Run]:
    """Return the runs of a paragraph's source."""
    if _SPECIAL.isdisjoint(source):
        return [(source, style)] if source else []
    # Looking for the end of each would take time in proportion to their square.
    with_links = source.count("[") <= LINKS
    tokens = _parser(with_links).parseInline(source)[0].children or []
    runs = list(_runs(tokens, style))
    # A character may be written by its number: nothing that a terminal obeys comes in so.
    if "&" in source:
        runs = [(printable(text), style) for text, style in runs]
    return runs


@cache
def _parser(with_links: bool) -> MarkdownIt:
    from markdown_it import MarkdownIt

    class Parser(MarkdownIt):
        """Leaves addresses as they are written, whatever they are: they are shown, not followed."""

        def validateLink(self, url: str) -> bool:  # noqa: N802
            return True

        def normalizeLink(self, url: str) -> str:  # noqa: N802
            return url

        def normalizeLinkText(self, link: str) -> str:  # noqa: N802
            return link

    parser = Parser("commonmark", {"html": False}).enable("strikethrough").disable("html_inline")
    return parser if with_links else parser.disable(["link", "image"])


def _runs(tokens: Sequence[Token], base: str) -> Iterator[Run]:
    styles = [base]
    links: list[tuple[str, str, list[str]]] = []
    for token in tokens:
        style = " ".join(filter(None, styles))
        match token.type:
            case "code_inline":
                text, style = token.content, f"{style} code".strip()
            case "softbreak":
                text = " "
            case "hardbreak":
                text = "\n"
            case "link_open":
                links.append((_text(token, "href"), _text(token, "title"), []))
                styles.append("link")
                continue
            case "link_close":
                styles.pop()
                href, title, said = links.pop()
                yield from _address(href, title, "".join(said), " ".join(filter(None, styles)))
                continue
            case "image":
                alt = _alt(token)
                yield alt or "picture", f"{style} link".strip()
                yield from _address(_text(token, "src"), _text(token, "title"), alt, style)
                for _, _, said in links:
                    said.append(alt)
                continue
            case _ if token.nesting > 0:
                styles.append(_STYLES.get(token.tag, ""))
                continue
            case _ if token.nesting < 0:
                styles.pop()
                continue
            case _:
                text = token.content
        for _, _, said in links:
            said.append(text)
        if text:
            yield text, style


def _address(href: str, title: str, said: str, style: str) -> Iterator[Run]:
    """Yield where a link leads, unless that is what it says."""
    shown = "" if href in (said, f"mailto:{said}") else href
    what = f'{shown} "{title}"'.strip() if title else shown
    if what:
        yield f" ({what})", f"{style} dim".strip()


def _alt(token: Token) -> str:
    """Return what stands for a picture: all text in it, whatever it is in."""
    out = []
    for child in token.children or ():
        if child.type == "image":
            out.append(f"{_alt(child)} ({_text(child, 'src')})")
        elif child.type == "link_close":
            continue
        elif child.type == "link_open":
            out.append(f"({_text(child, 'href')}) ")
        else:
            out.append(" " if child.type in ("softbreak", "hardbreak") else child.content)
    return "".join(out)


def _text(token: Token, name: str) -> str:
    return str(token.attrs.get(name) or "")
