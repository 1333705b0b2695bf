"""Source code highlighted as it grows: a line is done when it is whole, and stays as it is.

The lexers of pygments want a whole text. Here one is given what is needed to go on: the text
from the beginning of what may go on, and the states it was in by then. A comment of many
lines is read again with each of them, up to a bound; all else is read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol, TypeAlias

from qcode.ui.runs import Line


class Lexer(Protocol):
    """What is used of a lexer of pygments, which has no types."""

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, object, str]]:
        """Yield the place, kind and text of each token."""
        ...

    def __hash__(self) -> int: ...


WINDOW_LINES = 100
WINDOW_CHARACTERS = 8_000
"""What is read again at most to go on in the middle of a comment or a string."""

_Span: TypeAlias = tuple[int, int, str]
"""Where a styled piece begins and ends, and its style; positions in the window."""
_Place: TypeAlias = tuple[int, tuple[str, ...]]
"""Where a line begins, and the states that a lexer is in there."""

_STYLES: Mapping[str, str] = {
    "Keyword": "keyword",
    "Keyword.Type": "kind",
    "Operator.Word": "keyword",
    "Literal.String": "string",
    "Literal.String.Interpol": "",
    "Literal.Number": "number",
    "Comment": "comment",
    "Comment.Preproc": "keyword",
    "Name.Function": "name",
    "Name.Class": "name",
    "Name.Tag": "keyword",
    "Name.Decorator": "kind",
    "Name.Builtin": "kind",
    "Name.Exception": "kind",
    "Generic.Inserted": "added",
    "Generic.Deleted": "removed",
    "Generic.Heading": "strong",
    "Generic.Subheading": "hunk",
    "Generic.Prompt": "dim",
}
"""Few styles on purpose: each costs bytes, and what is all coloured is not read better."""

_CLOSERS = {"/*": "*/", "<!--": "-->", "`": "`"}
"""What is read as one piece by some lexers, and not at all before its end has come."""


@dataclass(slots=True)
class Highlighter:
    """Takes the lines of one text in turn; gives each back as runs."""

    lexer: Lexer | None
    _window: str = ""
    _states: tuple[str, ...] = ("root",)
    _open: tuple[str, str] | None = None
    """What ends a piece that the window ends in, and its style."""

    def line(self, text: str) -> Line:
        """Return the runs of the next line, which has no newline in it."""
        if self.lexer is None or not text.strip():
            if self._window and not self._open:
                self._window += f"{text}\n"
            return [(text, "")]
        if self._open and self._open[0] not in text:
            return [(text, self._open[1])]
        begins = len(self._window)
        self._window += f"{text}\n"
        return _styled(text, begins, self._read(self._window))

    def copy(self) -> Highlighter:
        """Return one that goes on from here by itself."""
        return replace(self)

    def _move(self, places: Sequence[_Place]) -> None:
        """Let the window begin at the last of the places."""
        window = self._window
        last, states = places[-1] if places else (0, self._states)
        if len(window) - last > WINDOW_CHARACTERS or window.count("\n", last) > WINDOW_LINES:
            last = len(window)
        self._window, self._states = window[last:], states

    def _read(self, window: str) -> list[_Span]:
        assert self.lexer is not None
        self._open = None
        spans, places = _lexed(self.lexer, window, self._states)
        for opener, closer in _closers(self.lexer):
            at = _unread(window, opener, spans) if opener in window else -1
            if at < 0:
                continue
            closed, _ = _lexed(self.lexer, window + closer, self._states)
            for start, _, style in closed:
                if start == at and style in ("comment", "string"):
                    # Till its end has come, all that follows belongs to it.
                    self._open = closer, style
                    # At the opener itself a lexer has gone astray already.
                    self._move([(0, self._states), *(p for p in places if 0 < p[0] < at)])
                    return closed
        self._move(places)
        return spans


def highlighted(lines: Sequence[str], lexer: Lexer | None) -> list[Line]:
    """Return the runs of the lines of one text."""
    highlighter = Highlighter(lexer)
    return [highlighter.line(line) for line in lines]


def lexer_for(language: str) -> Lexer | None:
    """Return what reads a language by one of its names; None for one that is not known."""
    return _lexer(language.strip().lower().removeprefix("{").removesuffix("}").lstrip("."))


def lexer_for_path(path: str) -> Lexer | None:
    """Return what reads a file by its name."""
    name = path.replace("\\", "/").rpartition("/")[2].lower()
    ending = name.rpartition(".")[2]
    return _lexer(_BY_NAME.get(name) or _BY_NAME.get(ending, ending))


_BY_NAME = {
    "pyi": "python", "mjs": "js", "cjs": "js", "h": "c", "cc": "cpp", "hpp": "cpp", "cxx": "cpp",
    "kt": "kotlin", "yml": "yaml", "cfg": "ini", "vue": "html", "pl": "perl",
    "jl": "julia", "exs": "elixir", "erl": "erlang", "proto": "protobuf", "tf": "terraform",
    "mk": "make", "makefile": "make", "dockerfile": "docker", "cmakelists.txt": "cmake",
    "txt": "text", "log": "text",
}  # fmt: skip
"""A file's name or its end, to the name of its language where that is another."""


@cache
def _names() -> Mapping[str, str]:
    from pygments.lexers import get_all_lexers

    # Without plugins: what else is installed is not run for a word that a model wrote.
    return {
        alias: aliases[0]
        for _, aliases, _, _ in get_all_lexers(plugins=False)
        if aliases
        for alias in aliases
    }


@cache
def _by_first_name(name: str) -> Lexer:
    from pygments.lexers import get_lexer_by_name

    lexer: Lexer = get_lexer_by_name(name, **({"startinline": True} if name == "php" else {}))
    return lexer


def _lexer(name: str) -> Lexer | None:
    first = _names().get(name) if name else None
    return None if first in (None, "text", "output") else _by_first_name(str(first))


@cache
def _closers(lexer: Lexer) -> list[tuple[str, str]]:
    """Return the pairs that mean something to a lexer."""
    out = []
    for opener, closer in _CLOSERS.items():
        spans, _ = _lexed(lexer, f"{opener} a{closer}\n", ("root",))
        if any(start == 0 and style in ("comment", "string") for start, _, style in spans):
            out.append((opener, closer))
    return out


def _unread(window: str, opener: str, spans: Sequence[_Span]) -> int:
    """Return where an opener stands that was not read as one; -1 if nowhere."""
    at = window.find(opener)
    for start, end, style in (*spans, (len(window), len(window), "")):
        if at < 0 or at < start:
            return at
        if style in ("comment", "string") and at < end:
            at = window.find(opener, end)
    return at


def _lexed(lexer: Lexer, text: str, states: tuple[str, ...]) -> tuple[list[_Span], list[_Place]]:
    """Return spans, and the places from which on the text may be read again."""
    from pygments.lexer import (
        ExtendedRegexLexer,
        LexerContext,
        RegexLexer,
    )

    spans: list[_Span] = []
    if not isinstance(lexer, RegexLexer) or isinstance(lexer, ExtendedRegexLexer):
        try:
            for at, kind, value in lexer.get_tokens_unprocessed(text):
                _add(spans, at, at + len(value), _style(kind))
        except Exception:  # noqa: BLE001 - hundreds of lexers of others; text must go on
            spans = []
        return spans, [(len(text), ("root",))]
    context: Any = LexerContext(text, 0, list(states))
    # Of any lexer by expressions this runs the same rules, and lets the states be seen.
    reading: Iterator[tuple[int, object, str]] = ExtendedRegexLexer.get_tokens_unprocessed(
        lexer, context=context
    )
    places: list[_Place] = []
    last = ""
    try:
        for at, kind, last in reading:
            if at == 0 or text[at - 1] == "\n":
                places.append((at, tuple(context.stack)))
            _add(spans, at, at + len(last), _style(kind))
    except Exception:  # noqa: BLE001 - as above
        return spans, [(len(text), ("root",))]
    # A line that ended with nothing open is done with; else its last piece may go on.
    if not last.strip():
        places.append((len(text), tuple(context.stack)))
    return spans, places


def _add(spans: list[_Span], start: int, end: int, style: str) -> None:
    if not style or end <= start:
        return
    if spans and spans[-1][1] == start and spans[-1][2] == style:
        start = spans.pop()[0]
    if not spans or spans[-1][1] <= start:
        spans.append((start, end, style))


@cache
def _style(kind: object) -> str:
    name = str(kind).removeprefix("Token.")
    while name:
        if name in _STYLES:
            return _STYLES[name]
        name = name.rpartition(".")[0]
    return ""


def _styled(text: str, begins: int, spans: Sequence[_Span]) -> Line:
    """Return a line's runs; what no span covers is plain, whatever a lexer left out."""
    line: Line = []
    at = begins
    for start, end, style in spans:
        start, end = max(start, begins), min(end, begins + len(text))
        if end <= start:
            continue
        if start > at:
            line.append((text[at - begins : start - begins], ""))
        line.append((text[start - begins : end - begins], style))
        at = end
    if at < begins + len(text):
        line.append((text[at - begins :], ""))
    return line
