"""Hunks of a patch: how their lines may be read, and where in a file they belong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from qcode.editing.anchors import Region, regions
from qcode.editing.assembly import Assembly
from qcode.editing.body import Body
from qcode.editing.drift import drifted
from qcode.editing.drift import made_before as nearly_made_before
from qcode.editing.explain import NO_EFFECT, explain
from qcode.editing.fold import RAW, SHIFTED, TRIMMED, TYPOGRAPHIC, fold, is_blank, lead
from qcode.editing.indent import mappings
from qcode.editing.ladder import landed, made_elsewhere, missing, most_places, on_level
from qcode.editing.landing import Chunk, Match, Miss, chunks, made_before, on_lines
from qcode.editing.outcome import Edited, Reason, Refused
from qcode.editing.placeholder import left_out
from qcode.record import Record

_TWO_WAYS = "Its lines can be read in two ways, as their first blank may be a sign or not."
_RANGE = re.compile(r"@@+\s*-(\d+)(?:,\d+)?\s+\+\d+(?:,\d+)?\s*(?:@@.*)?$")


class Hunk(Record):
    """One hunk as it was written."""

    rows: tuple[str, ...]
    line: int
    """The line of the patch where it begins, from 1."""
    anchors: tuple[str, ...] = ()
    start: int | None = None
    """The first old line as stated: a hint."""
    at_end: bool = False
    """Whether it is said to reach the end of the file."""
    may_trail: bool = False
    """Whether prose may stand behind it."""


class Reading(Record):
    """One way to understand a hunk's lines."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    changes: tuple[Chunk, ...]
    is_guessed: bool = False
    """Whether context lines are taken to lack their sign though they begin with a blank."""


def header(row: str) -> tuple[int | None, str]:
    """Return the stated first line and the anchor of a row that begins with `@@`."""
    found = _RANGE.match(row.rstrip())
    if found:
        return int(found[1]), ""
    anchor = row[2:].strip().removesuffix("@@").strip()
    return None, "" if anchor in ("...", "…") or not anchor.strip("@ ") else anchor


def apply_hunks(text: str, hunks: Sequence[Hunk], *, exact_only: bool = False) -> Edited | Refused:
    """Return the text with all hunks applied, or why it was left alone."""
    body = Body(text)
    assembly = Assembly(body)
    refusals: dict[int, Refused] = {}
    after = 0
    final_end: bool | None = None
    for number, hunk in enumerate(hunks):
        placed = _place(body, hunk, after, exact_only)
        if isinstance(placed, Miss) and not assembly.is_empty:
            behind = _place_behind(assembly.now(), hunk) if _is_absent(placed) else None
            if behind:
                assembly.add_behind(number, behind)
                continue
        if isinstance(placed, Miss):
            refusals[number] = _refusal(placed, body, hunk)
            continue
        match = placed
        other = assembly.add(number, match, shares_context=True)
        if other is not None:
            refusals[number] = Refused(
                Reason.OVERLAP,
                f"It changes the same lines as hunk {other + 1}, or inserts at the same place. "
                "Nothing was changed. Make one hunk of both.",
            )
            continue
        after = _line_behind(body, match)
        end = _final_end(hunk)
        final_end = end if end is not None else final_end
    if refusals:
        return _numbered(refusals, hunks)
    edited = assembly.finish(final_end=final_end)
    return Refused(Reason.NO_CHANGE, NO_EFFECT) if edited.text == text else edited


def _is_absent(miss: Miss) -> bool:
    return miss.reason in (Reason.NOT_FOUND, Reason.STALE, Reason.ALREADY_APPLIED)


def _line_behind(body: Body, match: Match) -> int:
    """Return the index of the line behind the last change."""
    end = max((splice.end for splice in match.splices), default=match.end)
    return body.text.count("\n", 0, end) + (end > 0 and body.text[end - 1] != "\n")


def _place_behind(body: Body, hunk: Hunk) -> Match | None:
    """Return where a hunk stands exactly and once in what the hunks before it made."""
    if hunk.anchors or _final_end(hunk) is not None:
        return None
    reading = next(readings(hunk))
    places = body.find_lines(reading.old, RAW, 2) if reading.old else []
    if len(places) != 1:
        return None
    match = on_lines(body, places[0], len(reading.old), reading.changes)
    return match if isinstance(match, Match) else None


def readings(hunk: Hunk) -> Iterator[Reading]:
    """Yield the ways to read a hunk, the plain one first."""
    rows = [row for row in hunk.rows if not row.startswith("\\")]
    variants = [_cut(rows, lambda row: not row), _cut(rows, is_blank)]
    if hunk.may_trail and (cut := _without_prose(rows)) is not None:
        variants.append(cut)
    seen: list[Reading] = []
    for is_raw in (False, True):
        for variant in variants:
            reading = _read(variant, is_raw=is_raw)
            if reading not in seen:
                seen.append(reading)
                yield reading


def _cut(rows: Sequence[str], is_layout: Callable[[str], bool]) -> list[str]:
    """Return rows without those at the end that are layout."""
    kept = list(rows)
    while kept and is_layout(kept[-1]):
        kept.pop()
    return kept


def _without_prose(rows: Sequence[str]) -> list[str] | None:
    """Return the rows up to a blank one that rows without a sign follow, behind all changes."""
    last = max((i for i, row in enumerate(rows) if row[:1] in ("+", "-")), default=len(rows))
    for index in range(last + 1, len(rows)):
        if any(row[:1] not in ("", " ", "+", "-") for row in rows[:index]):
            return None  # Rows without a sign are context here.
        if not rows[index] and any(row and row[0] not in " +-" for row in rows[index:]):
            return list(rows[:index])
    return None


def _read(rows: Sequence[str], *, is_raw: bool) -> Reading:
    """Read rows; `is_raw` if context lines have lost the blank before them."""
    old: list[str] = []
    new: list[str] = []
    changes: list[Chunk] = []
    removed: list[str] = []
    added: list[str] = []

    def close() -> None:
        first = len(old) - len(removed)
        for chunk in chunks(removed, added):
            changes.append(Chunk(first + chunk.first, first + chunk.last, chunk.new))
        removed.clear()
        added.clear()

    for row in rows:
        sign, text = row[:1], row[1:]
        if sign == "-":
            removed.append(text)
            old.append(text)
        elif sign == "+":
            added.append(text)
            new.append(text)
        else:
            close()
            line = text if sign == " " and not is_raw else row
            old.append(line)
            new.append(line)
    close()
    is_guessed = is_raw and all(row[:1] in ("", " ", "+", "-") for row in rows)
    return Reading(tuple(old), tuple(new), tuple(changes), is_guessed)


def _final_end(hunk: Hunk) -> bool | None:
    r"""Return whether the text ends its last line afterwards, if the hunk changes that."""
    old_open = new_open = False
    for before, row in zip(hunk.rows, hunk.rows[1:], strict=False):
        if row.startswith("\\"):
            old_open |= before[:1] != "+"
            new_open |= before[:1] != "-"
    is_emptied = all(row[:1] in ("-", "\\") for row in hunk.rows)
    return None if old_open == new_open or is_emptied else not new_open


def _place(body: Body, hunk: Hunk, after: int, exact_only: bool) -> Match | Miss:
    ways = list(readings(hunk))
    plain = ways[0]
    final_end = _final_end(hunk)
    if not any(row[:1] in ("+", "-") for row in hunk.rows):
        return Miss(Reason.MALFORMED, detail="It has no line with + or -, so it changes nothing.")
    if marker := left_out("\n".join(plain.new), "\n".join(plain.old), body.text):
        return Miss(Reason.PLACEHOLDER, detail=marker)
    if not plain.old and exact_only:
        return Miss(Reason.STALE)
    if not plain.old:
        return _at_end(body, hunk, plain)
    allowed = regions(body, hunk.anchors) if hunk.anchors else None
    for level in (RAW,) if exact_only else (RAW, TRIMMED, TYPOGRAPHIC, SHIFTED):
        found = _on_level(body, hunk, ways, level, allowed, after)
        if found is not None:
            return found
    if exact_only:
        return Miss(Reason.STALE)
    miss = missing(body, plain.new)
    if miss.reason is Reason.ALREADY_APPLIED:
        return miss
    if not hunk.anchors and final_end is None:
        at = drifted(body, plain.old, plain.changes)
        if isinstance(at, Miss):
            return at
        if at is not None:
            if before := nearly_made_before(body, plain.old, plain.new):
                return before
            words = "kept the file's text of context lines that were quoted a little differently"
            return on_lines(body, at, len(plain.old), plain.changes, [words])
    if allowed is not None:
        return _outside(body, hunk, plain, allowed) or miss
    return miss


def _at_end(body: Body, hunk: Hunk, reading: Reading) -> Match | Miss:
    """Place a hunk without old lines: at the end, if nothing says otherwise."""
    lines = len(body.lines)
    if hunk.anchors or (hunk.start is not None and hunk.start < lines):
        detail = (
            "It only adds lines and has no context, so their place would be a guess. Put lines "
            "of the file above or below them."
        )
        return Miss(Reason.MALFORMED, detail=detail)
    return on_lines(body, lines, 0, [Chunk(0, 0, reading.new)])


def _on_level(
    body: Body,
    hunk: Hunk,
    ways: Sequence[Reading],
    level: int,
    allowed: list[Region] | None,
    after: int,
) -> Match | Miss | None:
    decided: Match | Miss | None = None
    for reading in ways:
        if not reading.old or (reading.is_guessed and level == SHIFTED):
            continue  # Two liberties at once are one too many.
        places = body.find_lines(reading.old, level, most_places(level, len(reading.old)))
        if not places:
            continue
        size = len(reading.old)
        if _final_end(hunk) is not None:
            places = [at for at in places if at + size == len(body.lines)]
        accepted = on_level(body, places, reading.old, reading.changes, level)
        at = _choose([at for at, _, _ in accepted], size, body, hunk, allowed, after)
        if at is None:
            continue
        if isinstance(at, Miss):
            return decided or at
        place = next(each for each in accepted if each[0] == at)
        found = (
            _stands_as_stated(body, at, hunk, reading)
            or made_before(body, at, reading.old, reading.new)
            or made_elsewhere(body, reading.new, level)
            or landed(body, place, size, level)
        )
        others = [each for each in ways if each.is_guessed != reading.is_guessed]
        is_doubtful = level == SHIFTED or reading.is_guessed
        if is_doubtful and any(_is_odd(body, at, each, reading) for each in others):
            return Miss(Reason.NOT_FOUND, detail=_TWO_WAYS)
        if level != SHIFTED:
            return found
        if decided is not None and _writes(decided) != _writes(found):
            return Miss(Reason.NOT_FOUND, detail=_TWO_WAYS)
        decided = found
    return decided


def _stands_as_stated(body: Body, at: int, hunk: Hunk, reading: Reading) -> Miss | None:
    """Return that the new lines stand where the hunk says, if the old ones are elsewhere."""
    first = (hunk.start or 0) - 1
    new = list(reading.new)
    if first in (-1, at) or len(new) < 2 or body.lines[first : first + len(new)] != new:
        return None
    return Miss(Reason.ALREADY_APPLIED, (first + 1,), count=len(new))


def _is_odd(body: Body, at: int, other: Reading, reading: Reading) -> bool:
    """Whether new lines would be half a level off from those beside them.

    Then another reading, with the first blank as sign or not, is likelier if it fits.
    """
    window = body.keys(TYPOGRAPHIC)[at : at + len(other.old)]
    quoted = fold(other.old, TYPOGRAPHIC)
    if len(other.old) != len(reading.old) or not (window == quoted or mappings(window, quoted)):
        return False
    if reading.is_guessed:
        return not _goes_beside(reading) or _goes_beside(other)
    return not _goes_beside(reading, every=2)


def _goes_beside(reading: Reading, every: int = 0) -> bool:
    """Whether new lines begin as deep as a line next to them, or whole levels off."""
    for chunk in reading.changes:
        around = reading.old[max(0, chunk.first - 1) : chunk.last + 1]
        depths = [len(lead(line)) for line in around if not is_blank(line)]
        first = next((len(lead(line)) for line in chunk.new if not is_blank(line)), None)
        if first is None or first in depths:
            continue
        if not every or any((first - depth) % every for depth in depths):
            return False
    return True


def _writes(found: Match | Miss) -> object:
    return found if isinstance(found, Miss) else found.splices


def _choose(
    places: Sequence[int],
    size: int,
    body: Body,
    hunk: Hunk,
    allowed: list[Region] | None,
    after: int,
) -> int | Miss | None:
    """Return the place that is meant, why it cannot be told, or None."""
    if not places:
        return None
    ending = [at for at in places if at + size == len(body.lines)]
    if ending and _reaches_end(hunk):
        return ending[0]
    if allowed is not None:
        return _anchored(places, size, allowed)
    if len(places) == 1:
        return places[0]
    if not hunk.anchors:
        votes = {at for at in places if hunk.start is not None and at + 1 == hunk.start}
        behind = [at for at in places if at >= after]
        if len(behind) == 1:
            votes.add(behind[0])
        if len(votes) == 1:
            return votes.pop()
    return Miss(Reason.AMBIGUOUS, tuple(at + 1 for at in places), count=size)


def _reaches_end(hunk: Hunk) -> bool:
    return hunk.at_end or any(row.startswith("\\") for row in hunk.rows)


def _anchored(places: Sequence[int], size: int, allowed: Sequence[Region]) -> int | Miss | None:
    chosen: set[int] = set()
    for region in allowed:
        inside = [at for at in places if region.anchor <= at and at + size <= region.end]
        if len(inside) > 1:
            direct = [at for at in inside if at in (region.anchor, region.anchor + 1)]
            inside = direct if len(direct) == 1 else inside
        chosen.update(inside)
    if len(chosen) > 1:
        return Miss(Reason.AMBIGUOUS, tuple(at + 1 for at in sorted(chosen)), count=size)
    return chosen.pop() if chosen else None


def _outside(body: Body, hunk: Hunk, reading: Reading, allowed: Sequence[Region]) -> Miss | None:
    """Say so if the lines are there, but not where the anchors say."""
    places = body.find_lines(reading.old, TRIMMED, 6)
    if not places:
        return None
    numbers = ", ".join(str(at + 1) for at in places)
    where = " / ".join(hunk.anchors)
    block = "; ".join(f"lines {each.anchor + 1}–{each.end}" for each in allowed[:3])
    behind = f" ({block})" if block else ""
    return Miss(
        Reason.NOT_FOUND,
        detail=f"Its lines are not in the block of its anchor `{where}`{behind}, but at line "
        f"{numbers}. Give the right anchor, or none.",
    )


def _refusal(miss: Miss, body: Body, hunk: Hunk) -> Refused:
    if miss.reason is Reason.MALFORMED:
        text = f"{miss.detail} Nothing was changed."
        return Refused(miss.reason, text)
    old = "".join(f"{line}\n" for line in next(readings(hunk)).old)
    more = ", or name the block with `@@ def name` above the hunk"
    return explain(miss, body, old, what="The old text of the hunk", more=more)


def _numbered(refusals: dict[int, Refused], hunks: Sequence[Hunk]) -> Refused:
    first = min(refusals)
    refusal = refusals[first]
    name = f"hunk {first + 1} of {len(hunks)}" if len(hunks) > 1 else "hunk"
    good = [str(number + 1) for number in range(len(hunks)) if number not in refusals]
    also = f" Hunks that would apply: {', '.join(good[:20])}." if good else ""
    text = f"{name} (line {hunks[first].line} of the patch): {refusal.text}{also}"
    return Refused(refusal.reason, text)


def is_same(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether lines are equal but for blanks at their ends and around them."""
    return _solid(one) == _solid(other)


def _solid(lines: Sequence[str]) -> list[str]:
    folded = fold(lines, TRIMMED)
    while folded and is_blank(folded[-1]):
        folded.pop()
    return folded
