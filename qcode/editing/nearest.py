"""Where a file is most like text that is not in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from qcode.editing.windows import Tally, masks, places

_CUT = 300
"""Characters of a line that are compared."""
_CANDIDATES = 40
"""Lines that are compared letter by letter."""
_SAMPLED = 2000
"""Lines by which pieces of lines are told to be rare."""
_RAREST = 10
"""Pieces of a line that are searched for."""
_FREQUENT = 400
"""Lines with the same piece that are looked at."""
_SIMILAR = 0.5


def nearest(lines: Sequence[str], old: Sequence[str]) -> int | None:
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
