r"""What transport adds to an edit: fences, pasted line numbers, one escaping too many.

Each kind is taken off the old and the new text alike, one kind at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from qcode.editing.fold import is_blank
from qcode.record import Record

_NUMBERED = tuple(
    re.compile(pattern)
    for pattern in (r" *(\d+)\t", r" *(\d+)→", r" *(\d+) ?\|(?: |$)", r" *(\d+):(?: |$)")
)
_ESCAPED = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}
_ENTITIES = {"lt": "<", "gt": ">", "quot": '"', "#39": "'", "apos": "'", "amp": "&"}


class Cleaned(Record):
    """Old and new text without one kind of noise."""

    old: str
    new: str
    words: str
    may_shift: bool = True
    """Whether all lines had that noise, so that the same indentation may be missing in all."""


def cleaned(old: str, new: str) -> Iterator[Cleaned]:
    """Yield old and new text without one kind of noise after the other."""
    for strip, words in (
        (_blank_lines, "without the blank lines around it"),
        (_fence, "without the code fence"),
        (_numbers, "without the line numbers"),
        (_escapes, "with escapes undone"),
        (_quotes, "with escaped quotes undone"),
        (_entities, "with HTML entities undone"),
    ):
        pair = strip(old, new)
        if pair and pair[0] != old and pair[0].strip():
            may_shift = strip is not _numbers or _all_changed(new, pair[1])
            yield Cleaned(*pair, words, may_shift)


def _all_changed(before: str, after: str) -> bool:
    lines = zip(before.split("\n"), after.split("\n"), strict=False)
    return all(one != other for one, other in lines if not is_blank(one))


def _blank_lines(old: str, new: str) -> tuple[str, str]:
    return _unpadded(old), _unpadded(new)


def _unpadded(text: str) -> str:
    lines = text.split("\n")
    while lines and is_blank(lines[0]):
        del lines[0]
    is_ended = False
    while lines and is_blank(lines[-1]):
        del lines[-1]
        is_ended = True
    return "\n".join(lines) + "\n" * (is_ended and bool(lines))


def _fence(old: str, new: str) -> tuple[str, str] | None:
    inner = _unfenced(old)
    if inner is None:
        return None
    fresh = _unfenced(new)
    return inner, new if fresh is None else fresh


def _unfenced(text: str) -> str | None:
    lines = text.removesuffix("\n").split("\n")
    fence = re.match(r"(`{3,}|~{3,})[^`]*$", lines[0])
    if not fence or len(lines) < 2 or lines[-1].rstrip() != fence[1]:
        return None
    return "".join(line + "\n" for line in lines[1:-1])


def _numbers(old: str, new: str) -> tuple[str, str] | None:
    lines = old.removesuffix("\n").split("\n")
    for style in _NUMBERED:
        found = [style.match(line) for line in lines]
        numbers = [int(match[1]) for match in found if match]
        if len(numbers) == len(lines) and all(
            number == numbers[0] + index for index, number in enumerate(numbers)
        ):
            return _without(style, old), _without(style, new)
    return None


def _without(style: re.Pattern[str], text: str) -> str:
    """Return lines without the number at their beginning, where there is one.

    The last line always gets an end: without its number it may be empty, and is a
    line nevertheless.
    """
    if not text:
        return ""
    lines = text.removesuffix("\n").split("\n")
    found = [style.match(line) for line in lines]
    return "".join(
        (line[match.end() :] if match else line) + "\n"
        for line, match in zip(lines, found, strict=True)
    )


def _escapes(old: str, new: str) -> tuple[str, str] | None:
    if "\n" in old:
        return None
    if "\n" in new.strip("\n") and re.search(r"\\[nt\\]", new):
        return None  # New text with real line ends has its other escapes on purpose.
    return _unescaped(old), _unescaped(new)


def _unescaped(text: str) -> str:
    return re.sub(r'\\([nt"\\])', lambda match: _ESCAPED[match[1]], text)


def _quotes(old: str, new: str) -> tuple[str, str] | None:
    if "\n" not in old.strip("\n") and "\n" not in new.strip("\n") and "\\n" in new:
        return None  # Line ends may be escaped as well.
    plain = re.compile(r"\\([\"'])")
    return plain.sub(lambda m: m[1], old), plain.sub(lambda m: m[1], new)


def _entities(old: str, new: str) -> tuple[str, str]:
    entity = re.compile(r"&(lt|gt|quot|#39|apos|amp);")
    return entity.sub(lambda m: _ENTITIES[m[1]], old), entity.sub(lambda m: _ENTITIES[m[1]], new)
