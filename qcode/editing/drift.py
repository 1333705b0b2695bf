"""Context that was quoted a little wrong: the one window that fits anyhow, or none.

What is removed or changed must match, and so must the first and last line and
those beside an insertion; only other context may differ, by little and in few lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from qcode.editing.body import Body
from qcode.editing.fold import TYPOGRAPHIC, fold, is_blank, lead
from qcode.editing.landing import Chunk, Miss, chunks
from qcode.editing.outcome import Reason
from qcode.editing.windows import Tally, masks, places

_FEWEST = 4
"""Lines that are not blank; fewer are no evidence."""
_SIMILAR = 0.6
_EXAMINED = 300
"""Windows that are looked at one by one at most."""
_NOISE = re.compile(r"""\\["'nt\\]|&(?:lt|gt|quot|#39|apos|amp);""")
_LONG = 1000
"""Characters of a line from which only its beginning and end are compared."""


def drifted(body: Body, old: Sequence[str], changes: Sequence[Chunk]) -> int | Miss | None:
    """Return the index of the only window that fits nearly, why there are several, or None."""
    wanted = fold(old, TYPOGRAPHIC)
    solid = [index for index, line in enumerate(wanted) if not is_blank(line)]
    if len(solid) < _FEWEST or len(old) > len(body.lines):
        return None
    most = max(1, len(solid) // 5)
    lines = body.keys(TYPOGRAPHIC)
    standing = masks(lines, {wanted[index] for index in solid})
    if sum(not standing[wanted[index]] for index in solid) > most:
        return None
    everywhere = (1 << (len(lines) - len(old) + 1)) - 1
    tally = Tally()
    for index in solid:
        tally.add(standing[wanted[index]] >> index & everywhere)
    needed = {solid[0], solid[-1], *_needed(changes, len(old))}
    windows = tally.at_least(len(solid) - most, everywhere)
    for index in needed:
        if not is_blank(wanted[index]):
            windows &= standing[wanted[index]] >> index
    if windows.bit_count() > _EXAMINED:
        return _several(windows, len(old))
    is_noisy = any(_NOISE.search(line) for chunk in changes for line in chunk.new)
    fitting = [at for at in places(windows) if _fits(lines[at : at + len(old)], wanted, is_noisy)]
    if not fitting:
        return None
    if len(fitting) == 1:
        window = lines[fitting[0] : fitting[0] + len(old)]
        wrong = sum(window[index] != wanted[index] for index in solid)
        rivals = tally.at_least(len(solid) - wrong - 1, everywhere)
        if rivals.bit_count() == 1:
            return fitting[0]
        return _several(rivals, len(old))
    return Miss(
        Reason.AMBIGUOUS, tuple(at + 1 for at in fitting), "with small differences", len(old)
    )


def made_before(body: Body, old: Sequence[str], new: Sequence[str]) -> Miss | None:
    """Return that new lines nearly stand in the file: then other lines are not nearly the old ones.

    What was changed stands there exactly, and only context differs, as it did when the
    same edit was made before.
    """
    found = drifted(body, new, chunks(new, old))
    if found is None:
        return None
    at = found.lines[0] if isinstance(found, Miss) else found + 1
    return Miss(Reason.ALREADY_APPLIED, (at,), count=len(new))


def _several(windows: int, count: int) -> Miss:
    """Return that windows are too much alike, with the first of them."""
    lines = tuple(at + 1 for at in islice(places(windows), 6))
    return Miss(Reason.AMBIGUOUS, lines, "with small differences", count)


def similar(one: str, other: str) -> float:
    """Return how much of two lines is equal, 0 to 1."""
    total = len(one) + len(other)
    if max(len(one), len(other)) > _LONG:
        return 2 * _common(one, other) / total
    import difflib

    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    if matcher.real_quick_ratio() < _SIMILAR or matcher.quick_ratio() < _SIMILAR:
        return 0.0
    return matcher.ratio()


def _common(one: str, other: str) -> int:
    """Return how many characters two lines have in common at their beginning and end."""
    least = min(len(one), len(other))
    head = tail = 0
    while head < least and one[head] == other[head]:
        head += 1
    while tail < least - head and one[-1 - tail] == other[-1 - tail]:
        tail += 1
    return head + tail


def _needed(changes: Sequence[Chunk], count: int) -> set[int]:
    needed: set[int] = set()
    for chunk in changes:
        needed.update(range(chunk.first, chunk.last))
        if chunk.first == chunk.last:
            needed.update({chunk.first - 1, chunk.first} & set(range(count)))
    return needed


def _fits(window: Sequence[str], wanted: Sequence[str], is_noisy: bool) -> bool:
    for have, want in zip(window, wanted, strict=True):
        if have == want:
            continue
        if is_blank(have) or is_blank(want) or lead(have) != lead(want):
            return False
        if is_noisy and len(_NOISE.findall(want)) > len(_NOISE.findall(have)):
            return False  # Not quoted wrong but escaped, and so would the new lines be.
        if similar(want.strip(" \t"), have.strip(" \t")) < _SIMILAR:
            return False
    return True
