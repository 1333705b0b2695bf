"""Old text with lines left out: each part between the markers has its one place."""

from __future__ import annotations

from collections.abc import Sequence

from qcode.editing.body import Body, Splice
from qcode.editing.fold import TRIMMED
from qcode.editing.landing import Match, Miss, chunks, made_before, on_lines
from qcode.editing.outcome import Reason
from qcode.editing.placeholder import is_marker

_MOST = 100_000
"""Places of one part that are looked at."""


def left_out_lines(body: Body, old: Sequence[str], new: Sequence[str]) -> Match | Miss | None:
    """Return the match of old lines that have markers, why there is none, or None without any."""
    markers = [line.strip() for line in old if is_marker(line)]
    if not markers:
        return None
    parts, fresh = _parts(old), _parts(new)
    ends = [part for part in (0, -1) if not parts[part]]
    if markers != [line.strip() for line in new if is_marker(line)] or any(
        fresh[part] for part in ends
    ):
        there = body.standing()
        if all(marker in there for marker in markers):
            return None  # They may be code, as a bare `...` is in Python.
        return Miss(Reason.PLACEHOLDER, detail=markers[0])
    if not all(parts[1:-1]):
        return Miss(Reason.PLACEHOLDER, detail=markers[0])
    found: list[Splice] = []
    behind, first, end = 0, -1, 0
    for part, becomes in zip(parts, fresh, strict=True):
        if not part:
            continue
        at = [at for at in body.find_lines(part, TRIMMED, _MOST) if at >= behind]
        if not at:
            return None
        if len(at) > 1:
            detail = "in the part that begins " + repr(part[0].strip()[:80])
            return Miss(Reason.AMBIGUOUS, tuple(place + 1 for place in at), detail, len(part))
        if before := made_before(body, at[0], part, becomes):
            return before
        landed = on_lines(body, at[0], len(part), chunks(part, becomes))
        if isinstance(landed, Miss):
            return landed
        found += landed.splices
        behind = at[0] + len(part)
        first = body.starts[at[0]] if first < 0 else first
        end = body.starts[behind]
    if first < 0:
        return None
    return Match(first, end, tuple(found), ("kept the lines that the markers stand for",))


def _parts(lines: Sequence[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for line in lines:
        if is_marker(line):
            parts.append([])
        else:
            parts[-1].append(line)
    return parts
