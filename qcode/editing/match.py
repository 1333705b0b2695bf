"""Search and replace that is sure of its place or refuses.

Matching ignores only how lines end: `\\r\\n` and `\\n` are the same, and the
last line's end may be missing. Every line the edit leaves alone keeps its
bytes. A wrong edit is worse than a refused one, so nothing is guessed.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from enum import StrEnum

from qcode.editing.nearest import describe, numbered
from qcode.editing.placeholder import left_out
from qcode.record import Record


class Reason(StrEnum):
    """Why an edit was refused."""

    AMBIGUOUS = "ambiguous"
    NOT_FOUND = "not_found"
    ALREADY_APPLIED = "already_applied"
    NO_CHANGE = "no_change"
    EMPTY_SEARCH = "empty_search"
    PLACEHOLDER = "placeholder"


class Refused(Record):
    """Nothing was changed; `text` tells the model why and what to do."""

    reason: Reason
    text: str


class Edited(Record):
    """The new text and where it differs."""

    text: str
    lines: tuple[int, ...]
    """1-based line of each place, in the new text."""


def replace(text: str, old: str, new: str, *, replace_all: bool = False) -> Edited | Refused:
    """Return the text with `old` replaced by `new` where it stands exactly once, or everywhere.

    `text` has its own line ends; those of `old` and `new` do not matter.
    """
    ends = _Ends(text)
    old, new = old.replace("\r\n", "\n"), new.replace("\r\n", "\n")
    if old == new:
        return Refused(
            Reason.NO_CHANGE,
            "old_string and new_string are the same, so nothing was changed. "
            "Put the corrected code into new_string.",
        )
    if not old.strip():
        return Refused(
            Reason.EMPTY_SEARCH,
            "old_string is blank, which names no place. Give the lines to be replaced.",
        )
    if marker := left_out(new, old, ends.text):
        return Refused(
            Reason.PLACEHOLDER,
            f"new_string has a line that stands for left-out code: {marker!r}. It would replace "
            "that code. Nothing was changed. Write the code out, or edit a smaller part.",
        )
    places = _find_all(ends.text, old)
    if not replace_all:
        whole = [at for at in places if not _cuts_word(ends.text, at, at + len(old))]
        if places and not whole:
            return _only_in_words(ends.text, places)
        places = whole
    if not places and old.endswith("\n") and ends.text.endswith("\n" + old[:-1]):
        # The file's last line has no end. Its state is kept.
        old, new = old[:-1], new.removesuffix("\n")
        places = [len(ends.text) - len(old)]
        if old == new:
            return Refused(Reason.NO_CHANGE, "That would change nothing.")
    if not places:
        return _not_found(ends.text, old, new)
    if len(places) > 1 and not replace_all:
        return _ambiguous(ends.text, places)
    if not replace_all and _stands_there(ends.text, places[0], old, new):
        return _already(ends.text.split("\n"), _line_of(ends.text, places[0]), new)
    return _splice(ends, places, old, new)


class _Ends:
    """A text with `\\n` alone, and the way back to its own line ends."""

    def __init__(self, raw: str) -> None:
        self.raw = raw
        self.text = raw.replace("\r\n", "\n")
        self.crlf: list[int] = []
        """Places in `text` of the `\\n` that are `\\r\\n` in `raw`."""
        at = raw.find("\r\n")
        while at >= 0:
            self.crlf.append(at - len(self.crlf))
            at = raw.find("\r\n", at + 2)

    def at(self, place: int) -> int:
        """Return the place in `raw` of a place in `text`."""
        return place + bisect_left(self.crlf, place)

    def dress(self, new: str, start: int, end: int) -> str:
        """Return new text with the line ends of what it replaces, else of its neighbourhood."""
        if not self.crlf:
            return new
        here = self.text.find("\n", start)
        if here < 0 or here >= max(end, start + 1):
            before = self.text.rfind("\n", 0, start)
            here = before if before >= 0 else here
        index = bisect_left(self.crlf, here)
        is_crlf = index < len(self.crlf) and self.crlf[index] == here
        return new.replace("\n", "\r\n") if is_crlf else new


def _find_all(text: str, old: str) -> list[int]:
    places = []
    at = text.find(old)
    while at >= 0:
        places.append(at)
        at = text.find(old, at + len(old))
    return places


def _cuts_word(text: str, start: int, end: int) -> bool:
    """Return whether a place begins or ends inside an identifier or number."""

    def joined(at: int) -> bool:
        pair = text[at - 1 : at + 1] if at else ""
        return len(pair) == 2 and all(c.isascii() and (c.isalnum() or c == "_") for c in pair)

    return joined(start) or joined(end)


def _splice(ends: _Ends, places: list[int], old: str, new: str) -> Edited:
    lines, out, done, shift = [], [], 0, 0
    for place in places:
        start, end, fresh = _whole_lines(ends.text, place, old, new)
        # What old and new have in common at both sides is not rewritten: mixed ends stay.
        start, end, fresh = _trim(ends.text, start, end, fresh)
        out += [ends.raw[done : ends.at(start)], ends.dress(fresh, start, end)]
        done = ends.at(end)
        lines.append(ends.text.count("\n", 0, start) + 1 + shift)
        shift += fresh.count("\n") - ends.text.count("\n", start, end)
    out.append(ends.raw[done:])
    return Edited("".join(out), tuple(lines))


def _whole_lines(text: str, place: int, old: str, new: str) -> tuple[int, int, str]:
    """Apply the two newline rules for an `old` that begins at a line's start.

    Removing whole lines takes their last end too; whole lines with an end that
    get text without one keep it, or they would be glued to the next line.
    """
    start, end = place, place + len(old)
    if start == 0 or text[start - 1] == "\n":
        if not new and not old.endswith("\n") and text[end : end + 1] == "\n":
            end += 1
        elif new and old.endswith("\n") and not new.endswith("\n"):
            new += "\n"
    return start, end, new


def _trim(text: str, start: int, end: int, new: str) -> tuple[int, int, str]:
    old_lines, new_lines = _lines(text[start:end]), _lines(new)
    while old_lines and new_lines and old_lines[0] == new_lines[0]:
        start += len(old_lines[0])
        del old_lines[0], new_lines[0]
    while old_lines and new_lines and old_lines[-1] == new_lines[-1]:
        end -= len(old_lines[-1])
        del old_lines[-1], new_lines[-1]
    return start, end, "".join(new_lines)


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _line_of(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def _only_in_words(text: str, places: list[int]) -> Refused:
    shown = numbered(text.split("\n"), _line_of(text, places[0]), 1)
    return Refused(
        Reason.NOT_FOUND,
        f"old_string is only there inside a longer word or number:\n{shown}\n"
        "Nothing was changed. Give whole words, or set replace_all to change parts of words.",
    )


def _ambiguous(text: str, places: list[int]) -> Refused:
    numbers = [_line_of(text, place) for place in places]
    some = ", ".join(map(str, numbers[:10])) + (", …" if len(numbers) > 10 else "")
    return Refused(
        Reason.AMBIGUOUS,
        f"old_string is there {len(places)} times, at lines {some}. Nothing was changed. "
        "Add surrounding lines until it is unique, or set replace_all to change all.",
    )


def _not_found(text: str, old: str, new: str) -> Refused:
    lines = text.split("\n")
    wanted = new.strip("\n").split("\n")
    if new.strip() and (at := _run_of(lines, wanted)) is not None:
        return _already(lines, at + 1, new)
    return Refused(Reason.NOT_FOUND, describe(lines, old.strip("\n").split("\n"), "old_string"))


def _already(lines: list[str], first: int, new: str) -> Refused:
    shown = numbered(lines, first, len(new.strip("\n").split("\n")))
    return Refused(
        Reason.ALREADY_APPLIED,
        f"The change is there already:\n{shown}\n"
        "Nothing was changed; go on if that is what you want.",
    )


def _stands_there(text: str, place: int, old: str, new: str) -> bool:
    """Return whether an edit that only adds lines was made before: sent twice, it matches again.

    Lines without a letter or digit, a brace say, may well be wanted twice.
    """
    end = place + len(old)
    if new.startswith(old):
        added = new[len(old) :]
        if not any(map(str.isalnum, added)) or not (added[0] == "\n" or old.endswith("\n")):
            return False
        added = added.removesuffix("\n")
        return text.startswith(added, end) and text[end + len(added) :][:1] in ("", "\n")
    if new.endswith(old):
        added = new[: len(new) - len(old)]
        start = place - len(added)
        if not any(map(str.isalnum, added)) or added[-1] != "\n" or start < 0:
            return False
        return text.startswith(added, start) and (start == 0 or text[start - 1] == "\n")
    return False


def _run_of(lines: list[str], wanted: list[str]) -> int | None:
    for at in range(len(lines) - len(wanted) + 1):
        if lines[at] == wanted[0] and lines[at : at + len(wanted)] == wanted:
            return at
    return None
