"""What the lines of a Markdown text are, one after the other: lists, quotes, and what is in them.

Blocks are found as CommonMark finds them, which needs one line at a time and nothing of what
comes after. Nothing of the text is left out but the marks themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from qcode.ui import grid
from qcode.ui.code import Highlighter, lexer_for
from qcode.ui.inline import inline
from qcode.ui.leaves import Code, Leaf, Paragraph, Table
from qcode.ui.runs import Line, length, wrapped

DEEPEST = 8
"""Lists and quotes in one another; what is deeper is text."""
LEAST_COLUMNS = 12
"""For text beside the marks of lists and quotes; where there is less, they are left out."""

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+|$)")
_RULE = re.compile(r" {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)[ \t]*")
_QUOTE = re.compile(r" {0,3}> ?")
_ITEM = re.compile(r"( {0,3})([-+*]|(\d{1,9})[.)])( +|$)")
_FENCE = re.compile(r"( {0,3})(`{3,}(?=[^`]*$)|~{3,})[ \t]*(.*)")


@dataclass(slots=True)
class Container:
    """A quote, or an item of a list."""

    kind: Literal["quote", "item"]
    first: Line
    """What stands before its first line."""
    rest: Line
    """What stands before the others."""
    indent: int = 0
    """Blanks that its lines begin with."""
    sign: str = ""
    """What follows its number, or the bullet."""
    number: int = 0
    used: bool = False


class Blocks:
    """Takes the lines of a text; gives out lines of runs."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.out: list[Line] = []
        self.leaf: Leaf | None = None
        self._containers: list[Container] = []
        self._blank = False
        self._begun = False

    def copy(self) -> Blocks:
        """Return one that goes on from here by itself; what was given out is not in it."""
        other = Blocks(self.columns)
        other.leaf = self.leaf.copy() if self.leaf else None
        other._containers = [replace(each) for each in self._containers]
        other._blank, other._begun = self._blank, self._begun
        return other

    def extend(self, text: str) -> None:
        """Take more of a line that is too long to be taken at once."""
        if self.leaf is None:
            if not text.strip():
                return
            self.leaf = Paragraph()
        self.leaf.extend(text)
        self._emit(self.leaf.take(self._room()))

    def line(self, text: str) -> None:
        """Take a line, without its end."""
        matched, rest = self._matched(_leading(text))
        inside = matched == len(self._containers)
        if inside and isinstance(self.leaf, Code) and self._in_code(self.leaf, rest):
            return
        if not rest.strip():
            self._empty(matched)
            return
        lazy = isinstance(self.leaf, Paragraph) and not inside
        if lazy and not self._begins(rest):
            self._add(rest)
            return
        sibling = self._containers[matched] if not inside else None
        if not inside:
            self._close(matched)
        self._open(rest, sibling)

    def close(self) -> None:
        """End all that is open."""
        self._close(0)

    # -- lists and quotes

    def _matched(self, rest: str) -> tuple[int, str]:
        """Return how many containers go on in a line, and what of it stands in them."""
        for count, container in enumerate(self._containers):
            if container.kind == "quote":
                mark = _QUOTE.match(rest)
                if not mark:
                    return count, rest
                rest = _leading(rest[mark.end() :])
            elif rest.startswith(" " * container.indent):
                rest = rest[container.indent :]
            elif rest.strip():
                return count, rest
            else:
                rest = ""
        return len(self._containers), rest

    def _open(self, rest: str, sibling: Container | None) -> None:
        while len(self._containers) < DEEPEST:
            if mark := _QUOTE.match(rest):
                self._finish()
                bar: Line = [("▌ ", "bar")]
                self._containers.append(Container("quote", bar, bar))
                rest = _leading(rest[mark.end() :])
            elif not _RULE.fullmatch(rest) and (item := self._item(rest, sibling)):
                self._finish()
                self._containers.append(item)
                rest = _leading(rest[item.indent :])
            else:
                break
            sibling = None
        if rest.strip():
            self._leaf(rest)

    def _item(self, rest: str, sibling: Container | None) -> Container | None:
        mark = _ITEM.match(rest)
        if not mark:
            return None
        if isinstance(self.leaf, Paragraph) and (
            not rest[mark.end() :].strip() or mark[3] not in (None, "1")
        ):
            return None  # a number that a line of text happens to begin with
        # Five blanks or more: one belongs to the mark, and code is indented by the others.
        blanks = len(mark[4]) if 1 <= len(mark[4]) <= 4 else 1
        if mark[3] is None:
            depth = sum(each.kind == "item" for each in self._containers)
            first: Line = [("• " if depth % 2 == 0 else "◦ ", "bullet")]
            number = 0
        else:
            number = int(mark[3])
            if sibling and sibling.number and sibling.sign == mark[2][-1]:
                number = max(number, sibling.number + 1)
            first = [(f"{number}{mark[2][-1]} ", "bullet")]
        indent = len(mark[1]) + len(mark[2]) + blanks
        return Container(
            "item", first, [(" " * length(first), "")], indent, mark[2][-1], number
        )  # fmt: skip

    def _close(self, count: int) -> None:
        """End the leaf, and the containers but for so many."""
        self._finish()
        while len(self._containers) > count:
            if not self._containers[-1].used:
                self._emit([[]])
            self._containers.pop()

    def _empty(self, matched: int) -> None:
        if isinstance(self.leaf, Code) and not self.leaf.fence:
            self.leaf.add("")
            return
        self._finish()
        quotes = [n for n, each in enumerate(self._containers) if each.kind == "quote"]
        left = next((n for n in quotes if n >= matched), None)
        if left is not None:
            self._close(left)
        self._blank = True

    # -- what holds text

    def _in_code(self, code: Code, rest: str) -> bool:
        """Return whether a line belongs to the open code, and take it if so."""
        if not code.fence:
            if rest.startswith("    "):
                code.add(rest[4:])
                self._emit(code.take(self._room()))
                return True
            return False
        bare = rest.strip()
        begins = len(rest) - len(rest.lstrip(" "))
        if begins < 4 and len(bare) >= len(code.fence) and bare == code.fence[0] * len(bare):
            self._finish()
            return True
        code.add(rest[min(code.indent, begins) :])
        self._emit(code.take(self._room()))
        return True

    def _begins(self, rest: str) -> bool:
        """Return whether a line begins a block rather than to go on with a paragraph."""
        return any(mark.match(rest) for mark in (_HEADING, _QUOTE, _ITEM)) or any(
            mark.fullmatch(rest) for mark in (_RULE, _FENCE)
        )

    def _leaf(self, rest: str) -> None:
        leaf = self.leaf
        paragraph = leaf if isinstance(leaf, Paragraph) else None
        if paragraph and _UNDERLINE.fullmatch(rest):
            self.leaf = None
            self._heading(paragraph.source, 1 if rest.strip()[0] == "=" else 2)
        elif rest.startswith("    ") and not paragraph:
            if not isinstance(leaf, Code):
                self._begin(Code(Highlighter(None)))
            assert isinstance(self.leaf, Code)
            self.leaf.add(rest[4:])
            self._emit(self.leaf.take(self._room()))
        elif _RULE.fullmatch(rest):
            self._finish()
            self._emit([[("─" * min(self._room(), 40), "bar")]])
        elif mark := _HEADING.match(rest):
            self._finish()
            text = re.sub(r"(?:^|[ \t]+)#+[ \t]*$", "", rest[mark.end() :])
            self._heading(text.strip(), len(mark[1]))
        elif mark := _FENCE.fullmatch(rest):
            self._fence(mark[2], len(mark[1]), mark[3].strip())
        elif paragraph and (sides := grid.sides(paragraph.last_line(), rest)):
            header = paragraph.last_line()
            self.leaf = paragraph.without_last_line()
            self._finish()
            self._begin(Table(header, sides))
        elif isinstance(leaf, Table) and "|" in rest:
            self._add(rest)
        else:
            if not paragraph:
                self._begin(Paragraph())
            self._add(rest)

    def _fence(self, fence: str, indent: int, info: str) -> None:
        language = info.split(maxsplit=1)[0] if info else ""
        code = Code(Highlighter(lexer_for(language)), fence, indent)
        self._begin(code)
        if info:
            code.label(info)

    def _heading(self, source: str, level: int) -> None:
        if not self._containers:
            self._blank = True
        style = "heading" if level < 3 else "strong"
        self._emit(wrapped(inline(source, style), self._room()))
        if not self._containers:
            self._blank = True

    def _add(self, rest: str) -> None:
        assert self.leaf is not None
        self.leaf.add(rest)
        self._emit(self.leaf.take(self._room()))

    def _begin(self, leaf: Leaf) -> None:
        self._finish()
        if leaf.spaced and not self._containers:
            self._blank = True
        self.leaf = leaf

    def _finish(self) -> None:
        leaf, self.leaf = self.leaf, None
        if leaf is None:
            return
        self._emit(leaf.finish(self._room()))
        if leaf.spaced and not self._containers:
            self._blank = True
        if isinstance(leaf, Code) and leaf.pending_blank:
            self._blank = True

    # -- lines

    def _room(self) -> int:
        """Return how many columns are left for text."""
        room = self.columns - sum(length(each.rest) for each in self._containers)
        return room if room >= LEAST_COLUMNS else max(self.columns, 4)

    def _emit(self, lines: list[Line]) -> None:
        beside = self._room() < self.columns or not self._containers
        for line in lines:
            if self._blank and self._begun:
                before = [run for each in self._containers if each.used for run in each.rest]
                self.out.append(before if beside and before and "▌" in before[0][0] else [])
            self._blank, self._begun = False, True
            prefix: Line = []
            for each in self._containers:
                prefix += each.rest if each.used else each.first
                each.used = True
            self.out.append([*prefix, *line] if beside else line)


def _leading(line: str) -> str:
    """Return the line with blanks for the tabs that it begins with."""
    text = line.lstrip(" \t")
    begin = line[: len(line) - len(text)]
    return begin.expandtabs(4) + text if "\t" in begin else line
