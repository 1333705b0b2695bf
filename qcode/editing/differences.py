"""How a file differs from text that was sought in it, for a model to read."""

from __future__ import annotations

from collections.abc import Sequence

from qcode.editing.fold import SHIFTED, fold, is_blank, lead
from qcode.editing.indent import count
from qcode.editing.listing import CUT, SHOWN, numbered
from qcode.editing.nearest import nearest
from qcode.record import Record

_TOLD = 4
"""Differences told at most."""
_ALIGNED = 200
"""Lines from which text is compared line by line, as aligning takes the square of time."""
_ROWS = 3


class _Step(Record):
    """Lines of the old text, and the lines of the file that correspond to them."""

    old: int
    old_end: int
    file: int
    file_end: int


def describe(lines: Sequence[str], old: Sequence[str], what: str) -> str:
    """Return the message for lines that are not there: the nearest ones and the difference."""
    old = list(old)
    while len(old) > 1 and is_blank(old[0]):
        del old[0]
    while len(old) > 1 and is_blank(old[-1]):
        old.pop()
    at = nearest(lines, old)
    if at is None:
        return (
            f"{what} is not in the file, nor anything like it. Nothing was changed. "
            "Read the file, or search for where the text is."
        )
    steps = _aligned(lines, old, at)
    first = min(max(0, steps[0].file), len(lines) - 1)
    last = max(first + 1, min(steps[-1].file_end, len(lines)))
    found = [text for step in steps for text in _told(lines, old, step)]
    # What is shown has the first line that differs.
    wrong = next((step.file for step in steps if _told(lines, old, step)), first)
    begin = first if wrong - first < SHOWN - 2 else min(wrong - 3, last - 1)
    return (
        f"{what} is not in the file. The nearest lines are:\n"
        f"{numbered(lines, begin + 1, last - begin)}\n"
        f"{_listed(found)}{_scattered(lines, old)}\n"
        f"Nothing was changed; read lines {max(1, begin - 2)}–{min(len(lines), last + 3)} and send "
        "the edit again with their exact text, without line numbers."
    )


def _aligned(lines: Sequence[str], old: Sequence[str], at: int) -> list[_Step]:
    """Return how the old lines correspond to those of the file around a place, in order."""
    size = len(old)
    straight = [_Step(i, i + 1, at + i, at + i + 1) for i in range(size)]
    wrong = sum(1 for step in straight if _told(lines, old, step))
    if wrong < 2 or size > _ALIGNED:
        return straight
    from difflib import SequenceMatcher

    low, high = max(0, at - size), min(len(lines), at + 2 * size)
    there = [line.strip() for line in lines[low:high]]
    matcher = SequenceMatcher(None, [line.strip() for line in old], there, autojunk=False)
    codes = matcher.get_opcodes()
    steps: list[_Step] = []
    for number, (kind, i1, i2, j1, j2) in enumerate(codes):
        # What the file has before the first and behind the last line is not meant.
        first = max(j1, j2 - (i2 - i1)) if number == 0 and kind != "equal" else j1
        last = min(j2, j1 + (i2 - i1)) if number == len(codes) - 1 and kind != "equal" else j2
        if kind == "equal" or (kind == "replace" and last - first == i2 - i1):
            steps += [
                _Step(i1 + n, i1 + n + 1, low + first + n, low + first + n + 1)
                for n in range(i2 - i1)
            ]
        elif i1 < i2 or first < last:
            steps.append(_Step(i1, i2, low + first, low + last))
    cost = sum(max(s.old_end - s.old, s.file_end - s.file) for s in steps if _told(lines, old, s))
    return steps if cost < wrong else straight


def _told(lines: Sequence[str], old: Sequence[str], step: _Step) -> list[str]:
    """Return how lines differ, in words; nothing if they do not."""
    mine, number = old[step.old : step.old_end], step.file + 1
    if not 0 <= step.file < len(lines) and mine:
        where = "begins behind" if step.file < 0 else "ends before"
        return [f"The file {where} line {step.old + 1} of it: `{mine[0].strip()[:CUT]}`."]
    there = lines[step.file : step.file_end]
    if not mine:
        name = f"Line {number} is" if len(there) == 1 else f"Lines {number}–{step.file_end} are"
        return [f"{name} left out in the edit:\n{_rows('the file', there)}"]
    if not there:
        return [f"Not in the file above line {number}:\n{_rows('the edit', mine)}"]
    if len(mine) > 1 or len(there) > 1:
        rows = f"{_rows('the edit', mine)}\n{_rows('the file', there)}"
        return [f"Lines {number}–{step.file_end} differ:\n{rows}"]
    if there[0] == mine[0]:
        return []
    return [f"Line {number} {_words(there[0], mine[0])}"]


def _listed(found: list[str]) -> str:
    if not found:
        return "These lines are the same; blank lines or line ends around them differ."
    more = ["…"] if len(found) > _TOLD else []
    return "First difference: " + "\n".join(
        [found[0][:1].lower() + found[0][1:], *found[1:_TOLD], *more]
    )


def _rows(whose: str, lines: Sequence[str]) -> str:
    rows = [f"  {whose}:  {line[:CUT]}" for line in lines[:_ROWS]]
    return "\n".join([*rows, *(["  …"] if len(lines) > _ROWS else [])])


def _words(real: str, wanted: str) -> str:
    if real.strip() == wanted.strip():
        if lead(real) != lead(wanted):
            return f"is indented by {count(lead(real))}, the edit by {count(lead(wanted))}."
        return "differs in blanks at its end."
    if fold([real], SHIFTED) == fold([wanted], SHIFTED):
        return f"differs in kinds of quotes, dashes or blanks: `{real.strip()[:CUT]}`."
    return f"differs:\n  the edit:  {_part(wanted, real)}\n  the file:  {_part(real, wanted)}"


def _part(line: str, other: str) -> str:
    """Return a line, or of a long one what is around the first difference."""
    if len(line) <= CUT:
        return line
    at = next((i for i, (a, b) in enumerate(zip(line, other, strict=False)) if a != b), 0)
    begin = max(0, at - CUT // 2)
    return "…" * (begin > 0) + line[begin : begin + CUT] + "…"


def _scattered(lines: Sequence[str], old: Sequence[str]) -> str:
    """Say so if every line is there, but not together."""
    there = set(lines)
    if len(old) > 1 and all(line in there for line in old if not is_blank(line)):
        return (
            "\nEvery line of the edit is in the file, but not together and in this order: "
            "lines are left out in between, or their order is another."
        )
    return ""
