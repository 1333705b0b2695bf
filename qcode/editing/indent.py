"""Indentation that is shifted: one uniform mapping from an edit's to the file's, or none.

Either every line of the file has one constant prefix more (or less), or one side
uses tabs where the other uses blanks, with one width and one constant offset. Drift
that no such mapping explains is another program.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from qcode.editing.fold import is_blank, lead
from qcode.record import Record

_WIDTHS = (4, 2, 8)


class More(Record):
    """The file has a prefix that the edit left out."""

    prefix: str
    known: str
    """Blanks that may follow it: those of the prefix and of the edit's quoted lines."""

    def line(self, text: str) -> str | None:
        """Return a new line as the file would have it; None if it cannot take the mapping."""
        if set(lead(text)) - set(self.known):
            return None
        return self.prefix + text

    def words(self) -> str:
        return f"re-indented by {count(self.prefix)} more"


class Less(Record):
    """The edit has a prefix that the file has not."""

    prefix: str

    def line(self, text: str) -> str | None:
        return text.removeprefix(self.prefix) if text.startswith(self.prefix) else None

    def words(self) -> str:
        return f"re-indented by {count(self.prefix)} less"


class Tabs(Record):
    """The file uses tabs where the edit uses blanks."""

    width: int
    offset: int
    """Columns the file is further to the right."""
    rests: frozenset[int]
    """Blanks behind the tabs that the file has: alignment."""

    def line(self, text: str) -> str | None:
        blanks = lead(text)
        columns = len(blanks) + self.offset
        tabs, rest = divmod(columns, self.width)
        if "\t" in blanks or columns < 0 or rest not in self.rests:
            return None
        return "\t" * tabs + " " * rest + text[len(blanks) :]

    def words(self) -> str:
        return f"re-indented with tabs for {self.width} blanks" + _moved(self.offset)


class Blanks(Record):
    """The file uses blanks where the edit uses tabs."""

    width: int
    offset: int

    def line(self, text: str) -> str | None:
        blanks = lead(text)
        columns = _columns(blanks, self.width)
        if columns is None or columns + self.offset < 0:
            return None
        if " " in blanks and "\t" not in blanks:
            return None
        return " " * (columns + self.offset) + text[len(blanks) :]

    def words(self) -> str:
        return f"re-indented with {self.width} blanks for a tab" + _moved(self.offset)


Mapping = More | Less | Tabs | Blanks


def count(blanks: str) -> str:
    """Return indentation in words."""
    tabs, spaces = blanks.count("\t"), blanks.count(" ")
    found = [
        f"{number} {word}{'s' if number > 1 else ''}"
        for number, word in ((tabs, "tab"), (spaces, "blank"))
        if number
    ]
    return " and ".join(found) or "nothing"


def mappings(file: Sequence[str], old: Sequence[str]) -> list[Mapping]:
    """Return what explains the indentation of the file's lines by that of an edit's.

    The lines are equal but for their indentation. Several are possible with
    tabs on one side, as one level can be of any width.
    """
    pairs = [(lead(f), lead(o)) for f, o in zip(file, old, strict=True) if not is_blank(o)]
    have, want = pairs[0]
    prefix = have[: len(have) - len(want)]
    if prefix and all(f == prefix + o for f, o in pairs):
        return [More(prefix, "".join({*prefix, *(char for _, o in pairs for char in o)}))]
    prefix = want[: len(want) - len(have)]
    if prefix and all(o == prefix + f for f, o in pairs):
        return [Less(prefix)]
    found: list[Mapping] = []
    file_tabs = any("\t" in f for f, _ in pairs)
    edit_tabs = any("\t" in o for _, o in pairs)
    file_blanks = any(" " in f and "\t" not in f for f, _ in pairs)
    edit_blanks = any(" " in o for _, o in pairs)
    if file_tabs and edit_blanks and not edit_tabs:
        for width in _WIDTHS:
            offsets = {_offset(f, o, width) for f, o in pairs}
            if len(offsets) == 1 and (offset := offsets.pop()) is not None:
                rests = frozenset({0, *(f.count(" ") for f, _ in pairs)})
                found.append(Tabs(width, offset, rests))
    elif edit_tabs and file_blanks and not file_tabs:
        for width in _WIDTHS:
            offsets = {_offset(o, f, width) for f, o in pairs}
            if len(offsets) == 1 and (offset := offsets.pop()) is not None:
                found.append(Blanks(width, -offset))
    return found


def remap(
    explained: Sequence[Mapping], new: Sequence[str], edit: Sequence[str], file: Sequence[str]
) -> tuple[list[str], Mapping] | None:
    """Return new lines re-indented, and by which mapping; None if they cannot take any.

    If mappings disagree, the width is that by which the side with blanks goes in
    where the one with tabs takes one: `edit` has all lines of the edit, `file` those
    of the file.
    """
    results: list[tuple[list[str], Mapping]] = []
    for each in explained:
        lines = [line if is_blank(line) else each.line(line) for line in new]
        whole = [line for line in lines if line is not None]
        if len(whole) == len(lines):
            results.append((whole, each))
    if not results:
        return None
    if all(lines == results[0][0] for lines, _ in results):
        return results[0]
    tabbed, plain = (file, edit) if isinstance(results[0][1], Tabs) else (edit, file)
    for whole, each in results:
        if isinstance(each, Tabs | Blanks) and each.width * _step(tabbed, "\t") == _step(
            plain, " "
        ):
            # A line's depth on one side tells nothing of how deep the other takes it to be,
            # so a width that needs no offset must not say otherwise.
            return None if _without_offset(results) not in (None, each) else (whole, each)
    return None


def _without_offset(results: Sequence[tuple[list[str], Mapping]]) -> Mapping | None:
    for _, each in results:
        if isinstance(each, Tabs | Blanks) and not each.offset:
            return each
    return None


def _offset(tabbed: str, blanks: str, width: int) -> int | None:
    columns = _columns(tabbed, width)
    return None if columns is None else columns - len(blanks)


def _columns(blanks: str, width: int) -> int | None:
    """Return the columns of tabs and, behind them, fewer blanks than one more tab would be."""
    tabs = len(blanks) - len(blanks.lstrip("\t"))
    rest = blanks[tabs:]
    if "\t" in rest or len(rest) >= width:
        return None
    return tabs * width + len(rest)


def _step(lines: Sequence[str], blank: str) -> int:
    """Return by how many blanks, or tabs, lines mostly go in; tabs by one if none do."""
    steps: Counter[int] = Counter()
    before: int | None = None
    for line in lines:
        if is_blank(line) or set(blanks := lead(line)) - {blank}:
            continue
        if before is not None and len(blanks) > before:
            steps[len(blanks) - before] += 1
        before = len(blanks)
    if steps:
        return steps.most_common(1)[0][0]
    return 1 if blank == "\t" else 0


def _moved(offset: int) -> str:
    if not offset:
        return ""
    return f", {abs(offset)} columns further {'in' if offset > 0 else 'out'}"
