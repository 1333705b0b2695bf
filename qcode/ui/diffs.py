"""A unified diff as a person reads it: numbered, coloured, with the words that changed.

What is shown may be what somebody is about to allow: nothing of it is unseen, and what is cut
or left out says so. Only what is shown is worked on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby

from qcode.ui.cards import more
from qcode.ui.code import Highlighter, Lexer, lexer_for_path
from qcode.ui.patch import Row, marked, rows
from qcode.ui.printable import fit
from qcode.ui.runs import TAB_COLUMNS, Line, Run, chopped, length, paint, sliced
from qcode.ui.theme import Theme
from qcode.ui.visible import written_out

WORDS_CHARACTERS = 400
"""Of a line whose changed words are looked for; longer ones are data or minified code."""
ALIKE = 0.5
"""How much of two lines is the same at least, if their changed words are worth showing."""

_SIGNS = {"added": "+", "removed": "-", "context": " "}
_TOKENS = re.compile(r"\w+|\s+|[^\w\s]")


def diff_lines(
    diff: str,
    theme: Theme,
    columns: int,
    *,
    lines: int | None = None,
    whole: bool = False,
    loose: bool = False,
    pointer: str = "",
) -> list[str]:
    """Return a diff as lines to print, none wider than the columns.

    At most `lines` lines of it are shown (None: all), then how many more there are and
    `pointer`, which says where. Long lines are cut, or broken if `whole`. A `loose` text is
    no diff but has its signs, and each line stands for itself. Without colours the diff
    stays as it is written, but for what nobody could see.
    """
    if not theme.colour:
        return _as_written(diff, columns, lines, whole=whole, pointer=pointer)
    every = marked(diff) if loose else rows(diff)
    shown = every if lines is None else every[:lines]
    wide = len(str(max((row.number for row in shown), default=0)))
    out: list[Line] = []
    for row, body in zip(shown, _bodies(shown, theme), strict=True):
        prefix, rest = _gutter(row, wide)
        room = max(columns - length(prefix), 1)
        pieces = chopped(body, room) if whole else [_cut(body, room)]
        out += [[*(prefix if n == 0 else rest), *piece] for n, piece in enumerate(pieces)]
    if len(every) > len(shown):
        out.append([(fit(more(len(every) - len(shown), pointer), columns), "dim")])
    return [paint(line, theme) for line in out]


def _as_written(
    diff: str, columns: int, lines: int | None, *, whole: bool, pointer: str
) -> list[str]:
    every = diff.removesuffix("\n").split("\n") if diff else []
    shown = [written_out(line).replace("\t", " " * TAB_COLUMNS) for line in every[:lines]]
    if len(every) > len(shown):
        shown.append(more(len(every) - len(shown), pointer))
    if not whole:
        return [fit(line, columns) for line in shown]
    pieces = [piece for line in shown for piece in chopped([(line, "")], max(columns, 1))]
    return ["".join(text for text, _ in piece) for piece in pieces]


def _gutter(row: Row, wide: int) -> tuple[Line, Line]:
    """Return what stands before a line's first piece, and before the others."""
    if row.kind in ("file", "note"):
        return [], [("  ", "")]
    blank: Line = [(" " * (wide + 3), "")]
    if row.kind == "hunk":
        return [("…".rjust(wide) + "   ", "gutter")], blank
    if row.kind == "end":
        return blank, blank
    number = f"{row.number:>{wide}} " if row.number else " " * (wide + 1)
    style = row.kind if row.kind != "context" else ""
    return [(number, "gutter"), (f"{_SIGNS[row.kind]} ", style)], blank


def _bodies(shown: Sequence[Row], theme: Theme) -> Iterator[Line]:
    """Yield the text of each row."""
    lexer: Lexer | None = None
    returns = False
    old = new = Highlighter(None)
    for is_change, group in groupby(shown, lambda row: row.kind in ("added", "removed")):
        members = list(group)
        if is_change:
            yield from _changes(members, theme, old, new, returns=returns)
            continue
        for row in members:
            if row.kind == "file":
                lexer = lexer_for_path(row.text.rpartition(" → ")[2].partition(" (")[0])
                old, new = Highlighter(lexer), Highlighter(lexer)
                returns = row.returns
                yield _file(row, theme)
            elif row.kind == "hunk":
                old, new = Highlighter(lexer), Highlighter(lexer)
                yield [(written_out(row.text), "dim")]
            elif row.kind == "context":
                text, ending = _seen(row.text, returns=returns)
                old.line(text)
                yield _expanded([*new.line(text), *ending])
            else:
                yield [(written_out(row.text).replace("\t", " "), "dim")]


def _file(row: Row, theme: Theme) -> Line:
    line: Line = [(written_out(row.text).replace("\t", " "), "path")]
    if row.added or row.removed:
        line += [("  ", ""), (f"+{row.added:,}", "added"), (" ", "")]
        line.append((f"{theme.mark('minus')}{row.removed:,}", "removed"))
    if row.returns:
        line.append(("  CRLF", "dim"))
    return line


def _changes(
    members: Sequence[Row], theme: Theme, old: Highlighter, new: Highlighter, *, returns: bool
) -> Iterator[Line]:
    """Yield the lines of a change, with the words in it that are others."""
    removed = [n for n, row in enumerate(members) if row.kind == "removed"]
    added = [n for n, row in enumerate(members) if row.kind == "added"]
    words: dict[int, list[tuple[int, int]]] = {}
    seen = [_seen(row.text, returns=returns) for row in members]
    for one, other in zip(removed, added, strict=False):
        words[one], words[other] = _words(seen[one][0], seen[other][0])
    arrows = len({text[:1] for text, _ in seen if text[:1] in ("\t", " ")}) > 1
    for number, (row, (text, ending)) in enumerate(zip(members, seen, strict=True)):
        is_new = row.kind == "added"
        runs = (new if is_new else old).line(text)
        base = f"{row.kind}_line" if theme.tints else row.kind
        if not theme.tints:
            runs = [(text, "")]
        spans = words.get(number, [])
        blanks = len(text) - len(text.rstrip(" \t"))
        if is_new and blanks:
            spans = [
                *(s for s in spans if s[1] <= len(text) - blanks),
                (len(text) - blanks, len(text)),
            ]
        styled = [*_marked(runs, spans, base, f"{row.kind}_word"), *ending]
        yield _expanded(styled, "→" if arrows else " ")


def _marked(runs: Line, spans: Sequence[tuple[int, int]], base: str, word: str) -> Line:
    """Return runs on a ground, with another one where words are changed."""
    edges: list[tuple[int, int, str]] = []
    at = 0
    for start, end in spans:
        edges += [(at, start, base), (start, end, f"{base} {word}")]
        at = end
    edges.append((at, sum(len(text) for text, _ in runs), base))
    edges = [edge for edge in edges if edge[1] > edge[0]]
    pieces = sliced(runs, [(start, end) for start, end, _ in edges])
    return [
        (text, f"{ground} {style}".strip())
        for (_, _, ground), piece in zip(edges, pieces, strict=True)
        for text, style in piece
    ]


def _words(one: str, other: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return where the words stand that are changed from one line to the other."""
    if max(len(one), len(other)) > WORDS_CHARACTERS:
        return [], []
    before, after = _TOKENS.findall(one), _TOKENS.findall(other)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    if matcher.real_quick_ratio() < ALIKE or matcher.ratio() < ALIKE:
        return [], []
    first: list[tuple[int, int]] = []
    second: list[tuple[int, int]] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "equal":
            _append(first, before, a, b)
            _append(second, after, c, d)
    return first, second


def _append(spans: list[tuple[int, int]], tokens: Sequence[str], begin: int, end: int) -> None:
    if end > begin:
        start = sum(map(len, tokens[:begin]))
        spans.append((start, start + sum(map(len, tokens[begin:end]))))


def _seen(text: str, *, returns: bool) -> tuple[str, Line]:
    """Return a line with all that is unseen written out, and what stands at its end."""
    bare = text.removesuffix("\r")
    ending: Line = [("␍", "dim")] if bare != text and not returns else []
    return written_out(bare), ending


def _expanded(runs: Sequence[Run], sign: str = " ") -> Line:
    """Return runs without tabs; a sign shows where one was."""
    out: Line = []
    column = 0
    for text, style in runs:
        for at, piece in enumerate(text.split("\t")):
            if at:
                gap = TAB_COLUMNS - column % TAB_COLUMNS
                out.append(
                    (sign + " " * (gap - 1), f"{style} dim".strip() if sign != " " else style)
                )
                column += gap
            if piece:
                out.append((piece, style))
                column += length([(piece, style)])
    return out


def _cut(runs: Line, columns: int) -> Line:
    """Return runs cut to the columns; an ellipsis says that they were."""
    if length(runs) <= columns:
        return runs
    first = chopped(runs, columns - 1)[0] if columns > 1 else []
    return [*first, ("…", "dim")]
