"""What a file has where an edit expected something else, for a model to read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache

from qcode.editing.fold import fold, is_blank, lead
from qcode.editing.indent import count
from qcode.editing.windows import Tally, masks, places

SHOWN = 10
"""Lines shown at most."""
_CUT = 300
"""Characters of a line that are shown and compared."""
_CANDIDATES = 40
"""Lines that are compared letter by letter."""
_SAMPLED = 2000
"""Lines by which pieces of lines are told to be rare."""
_RAREST = 10
"""Pieces of a line that are searched for."""
_FREQUENT = 400
"""Lines with the same piece that are looked at."""
_SIMILAR = 0.5
_DIFFERENCES = 4


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
    text = "\n".join(f"{first + index}| {line[:_CUT]}" for index, line in enumerate(shown))
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
        if _defines().match(line[:_CUT]):
            return f"in `{line.strip()[:80]}`, line {index + 1}"
    return ""


def describe(lines: Sequence[str], old: Sequence[str], what: str) -> str:
    """Return the message for lines that are not there: the nearest ones and the difference."""
    old = list(old)
    while len(old) > 1 and is_blank(old[0]):
        del old[0]
    while len(old) > 1 and is_blank(old[-1]):
        old.pop()
    at = _nearest(lines, old)
    if at is None:
        return (
            f"{what} is not in the file, nor anything like it. Nothing was changed. "
            "Read the file, or search for where the text is."
        )
    first, last = max(0, at), min(at + len(old), len(lines))
    # What is shown has the first line that differs.
    wrong = next((i for i in range(first, last) if lines[i] != old[i - at]), last)
    begin = first if wrong - first < SHOWN - 2 else wrong - 3
    first_line, last_line = max(1, begin + 1 - 3), min(len(lines), max(last, begin + 1) + 3)
    return (
        f"{what} is not in the file. The nearest lines are:\n"
        f"{numbered(lines, begin + 1, last - begin)}\n"
        f"{_differences(lines, old, at)}{_scattered(lines, old)}\n"
        f"Nothing was changed; read lines {first_line}–{last_line} and send the edit again with "
        "their exact text, without line numbers."
    )


def _nearest(lines: Sequence[str], old: Sequence[str]) -> int | None:
    """Return where the window with most of the wanted lines begins; it may stick out."""
    wanted = [line.strip() for line in old]
    standing = masks([line.strip() for line in lines], {line for line in wanted if line})
    tally = Tally()
    size = len(old)
    for index, line in enumerate(wanted):
        if line and (found := standing[line]):
            # A line with letters says more about the place than a bracket.
            tally.add(found << size - index, 2 if any(map(str.isalnum, line)) else 0)
    most, windows = tally.best((1 << (len(lines) + size + 1)) - 1)
    if most >= 4:
        return next(places(windows)) - size
    at = _similar(lines, old)
    if at is None and most:
        return next(places(windows)) - size
    return at


def _similar(lines: Sequence[str], old: Sequence[str]) -> int | None:
    """Return where a window would begin by the line most like one of the longest wanted."""
    from difflib import SequenceMatcher

    best, found = _SIMILAR, None
    longest = sorted(range(len(old)), key=lambda index: -len(old[index].strip()))[:3]
    candidates = _sharing_pieces(lines, [old[index].strip()[:_CUT] for index in longest])
    for index, numbers in zip(longest, candidates, strict=True):
        matcher = SequenceMatcher(autojunk=False)
        matcher.set_seq2(old[index].strip()[:_CUT])
        for number in numbers:
            matcher.set_seq1(lines[number].strip()[:_CUT])
            if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best:
                ratio = matcher.ratio()
                if ratio > best:
                    best, found = ratio, number - index
    return found


def _sharing_pieces(lines: Sequence[str], wanted: Sequence[str]) -> list[list[int]]:
    """Return for each wanted line the indices of those that share its rarest pieces.

    Only those are searched for, in one text, so the time goes with the length of the file.
    """
    from bisect import bisect_right

    sample = "\n".join(line[:_CUT] for line in lines[:: max(1, len(lines) // _SAMPLED)])
    pieces: dict[str, list[int]] = {}
    for index, line in enumerate(wanted):
        known = {piece: sample.count(piece) for piece in _pieces(line)}
        for piece in sorted(known, key=lambda piece: known[piece])[:_RAREST]:
            pieces.setdefault(piece, []).append(index)
    text = "\n".join(line[:_CUT] for line in lines)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + min(len(line), _CUT) + 1)
    scores: list[Counter[int]] = [Counter() for _ in wanted]
    for piece, indices in pieces.items():
        found: list[int] = []
        at = text.find(piece)
        while at >= 0 and len(found) < _FREQUENT:
            number = bisect_right(starts, at) - 1
            found.append(number)
            at = text.find(piece, starts[number + 1])
        for number in found:
            for index in indices:
                scores[index][number] += _FREQUENT // len(found)
    return [[number for number, _ in score.most_common(_CANDIDATES)] for score in scores]


def _pieces(line: str) -> set[str]:
    """Return short pieces of a line; of a long one, some of them."""
    step = max(1, len(line) // _RAREST // 4)
    size = min(4, len(line))
    found = (line[at : at + size] for at in range(0, len(line) - size + 1, step))
    return {piece for piece in found if piece.strip()}


def _differences(lines: Sequence[str], old: Sequence[str], at: int) -> str:
    found: list[str] = []
    for index, wanted in enumerate(old):
        place = at + index
        if not 0 <= place < len(lines):
            where = "begins behind" if place < 0 else "ends before"
            found.append(f"The file {where} line {index + 1} of it: `{wanted.strip()[:_CUT]}`.")
        elif lines[place] != wanted:
            found.append(f"Line {place + 1} {_words(lines[place], wanted)}")
        if len(found) > _DIFFERENCES:
            found[-1] = "…"
            break
    if not found:
        return "These lines are the same; blank lines or line ends around them differ."
    return "First difference: " + "\n".join([found[0][:1].lower() + found[0][1:], *found[1:]])


def _words(real: str, wanted: str) -> str:
    if real.strip() == wanted.strip():
        if lead(real) != lead(wanted):
            return f"is indented by {count(lead(real))}, the edit by {count(lead(wanted))}."
        return "differs in blanks at its end."
    if fold([real], 3) == fold([wanted], 3):
        return f"differs in kinds of quotes, dashes or blanks: `{real.strip()[:_CUT]}`."
    return f"differs:\n  the edit:  {_part(wanted, real)}\n  the file:  {_part(real, wanted)}"


def _part(line: str, other: str) -> str:
    """Return a line, or of a long one what is around the first difference."""
    if len(line) <= _CUT:
        return line
    at = next((i for i, (a, b) in enumerate(zip(line, other, strict=False)) if a != b), 0)
    begin = max(0, at - _CUT // 2)
    return "…" * (begin > 0) + line[begin : begin + _CUT] + "…"


def _scattered(lines: Sequence[str], old: Sequence[str]) -> str:
    """Say so if every line is there, but not together."""
    there = set(lines)
    if len(old) > 1 and all(line in there for line in old if not is_blank(line)):
        return (
            "\nEvery line of the edit is in the file, but not together and in this order: "
            "lines are left out in between, or their order is another."
        )
    return ""
