"""The syntax gate: whether an edit leaves a file that does not parse.

`newly_broken` answers for an edit, `problem` for a file as it is. Where a grammar
cannot tell, the edit is right: a refusal of correct code costs a turn and trust, an
error that slips through is found by the first test run.
"""

from __future__ import annotations

import re

from qcode.record import Record
from qcode.syntax import macros, precise
from qcode.syntax.faults import Fault, faults
from qcode.syntax.languages import Language, Trust, language
from qcode.syntax.trees import Trees, region

LARGEST = 1_000_000
"""Characters up to which a file is parsed."""
_TOML_AT_ONCE = 40_000
"""Characters of TOML that the library's parser, written in Python, reads in no time."""
_PYTHON_AT_ONCE = 30_000
"""Characters of Python that are read whole; that takes some milliseconds."""
_TEMPLATE = re.compile(r"\{\{|\{%|\{#|<%|<\?php|<#")
_WIDTH = 100
"""Characters of the offending line that are shown."""

_trees = Trees()


class Problem(Record):
    """Where a text stops to parse, and why."""

    line: int
    column: int
    """Both from 1; in characters."""
    words: str
    """The error, in one line."""
    excerpt: str
    """The offending line with a marker below it."""

    @property
    def text(self) -> str:
        """The error with the offending line."""
        return f"{self.words}\n{self.excerpt}"


def newly_broken(name: str, before: str | None, after: str) -> Problem | None:
    """Return what an edit breaks, or None: all is well, or cannot be told, or was so before.

    `before` is None for a file that did not exist: nothing is broken then, see `problem`.
    """
    if before is None or before == after:
        return None
    kind = _kind(name, after)
    if kind is None or len(before) > LARGEST:
        return None
    if kind.trust is Trust.FAIR and not before.strip():
        return None
    if kind.is_filled_in and len(_TEMPLATE.findall(after)) > len(_TEMPLATE.findall(before)):
        return None
    return _Change(kind, before, after).broken()


def problem(name: str, text: str) -> Problem | None:
    """Return what is wrong in a file as it stands, or None: nothing, or it cannot be told."""
    kind = _kind(name, text)
    if kind is None or (kind.is_filled_in and _TEMPLATE.search(text)):
        return None
    return _Change(kind, "", text).broken()


def _kind(name: str, text: str) -> Language | None:
    return language(name, text) if len(text) <= LARGEST else None


class _Change(Record):
    """One text that has become another."""

    kind: Language
    before: str
    after: str

    def broken(self) -> Problem | None:
        match self.kind.grammars[0]:
            case "python":
                return self.by_python()
            case "json":
                return self.by_json()
            case "toml":
                return self.by_toml()
        return self.by_trees()

    def by_trees(self) -> Problem | None:
        """Judge by grammars: wrong is what is so in every one the file may be written for."""
        before, after = _data(self.before), _data(self.after)
        if before is None or after is None:
            return None
        wrong = {}
        for grammar in self.kind.grammars:
            tree = _trees.parse(grammar, after, like=before)
            if tree is None or not tree.root_node.has_error:
                return None
            wrong[grammar] = faults(tree, after)
        old: dict[str, list[Fault]] = {}
        for grammar in self.kind.grammars:
            tree = _trees.parse(grammar, before, like=after) if self.before.strip() else None
            is_wrong = tree is not None and tree.root_node.has_error
            old[grammar] = faults(tree, before) if tree and is_wrong else []
        # Those that read the file until now are the ones to ask.
        for grammar in self.kind.grammars:
            if not old[grammar]:
                new = _nearest(wrong[grammar], before, after)
                if grammar in macros.GRAMMARS:
                    new = [fault for fault in new if not macros.may_be_right(fault, after)]
                return _first(new, after)
        if self.kind.trust is not Trust.GOOD:
            return None
        grammar = self.kind.grammars[0]
        return _first(_new(wrong[grammar], old[grammar], before, after), after)

    def by_python(self) -> Problem | None:
        """Judge by this interpreter, but let code for a newer one pass.

        Of a large file it reads only the statements around the change, as long as it has
        nothing against them. What it refuses is refused for the whole file's sake.
        """
        before, after = _data(self.before), _data(self.after)
        is_large = len(self.after) > _PYTHON_AT_ONCE and bool(self.before.strip())
        if is_large and _is_right_around(after, before):
            return None
        wrong = precise.python(self.after)
        if wrong is None:
            return None
        if not (is_large and _is_right_around(before, after)) and (
            self.before.strip() and precise.python(self.before)
        ):
            return self.by_trees()
        if precise.may_be_newer_python(self.after, wrong) and self._is_newer_python(wrong):
            return None
        return _told(self.after, wrong)

    def _is_newer_python(self, wrong: precise.Wrong) -> bool:
        data = _data(self.after)
        tree = None if data is None else _trees.parse("python", data)
        if data is None or tree is None:
            return False
        return precise.is_of_newer_python(tree, wrong, faults(tree, data))

    def by_json(self) -> Problem | None:
        wrong = precise.json(self.after)
        if wrong is None:
            return None
        if self.kind.trust is Trust.GOOD and (
            not self.before.strip() or precise.json(self.before) is None
        ):
            return _told(self.after, wrong)
        return self.by_trees()

    def by_toml(self) -> Problem | None:
        if len(self.after) > _TOML_AT_ONCE:
            seen = self.by_trees()
            return seen and self._by_tomllib(seen)
        return self._by_tomllib(None)

    def _by_tomllib(self, seen: Problem | None) -> Problem | None:
        wrong = precise.toml(self.after)
        if wrong is None:
            return None
        if precise.toml(self.before) is None:
            return _told(self.after, wrong)
        return seen or self.by_trees()


def _data(text: str) -> bytes | None:
    """Return a text as the grammars read it: without what editors differ in."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        return (text if text.endswith("\n") else text + "\n").encode()
    except UnicodeEncodeError:  # bytes that were no text
        return None


def _is_right_around(text: bytes | None, other: bytes | None) -> bool:
    """Whether Python parses where it differs from another version of it, and looks so all over."""
    if text is None or other is None:
        return False
    tree = _trees.parse("python", text, like=other)
    if tree is None or tree.root_node.has_error:
        return False
    changed = region(other, text)
    part = precise.statements(tree, text, changed.start, changed.new_end)
    return precise.python(part.decode()) is None


def _nearest(wrong: list[Fault], before: bytes, after: bytes) -> list[Fault]:
    """Return the faults of a text, those in what was changed first."""
    changed = region(before, after)
    return sorted(wrong, key=lambda fault: not _touches(fault, changed.start, changed.new_end))


def _new(wrong: list[Fault], old: list[Fault], before: bytes, after: bytes) -> list[Fault]:
    """Return the faults in what was changed, if nothing was wrong there and there are more now.

    How a parser recovers from one error moves the places of others, so that only this is sure.
    """
    changed = region(before, after)
    if len(wrong) <= len(old):
        return []
    if any(_touches(fault, changed.start, changed.old_end) for fault in old):
        return []
    return [fault for fault in wrong if _touches(fault, changed.start, changed.new_end)]


def _touches(fault: Fault, start: int, end: int) -> bool:
    return fault.start <= end and fault.end >= start


def _first(wrong: list[Fault], data: bytes) -> Problem | None:
    return _located(data, wrong[0]) if wrong else None


def _located(data: bytes, fault: Fault) -> Problem:
    at = min(fault.at, len(data.rstrip()))
    begin = data.rfind(b"\n", 0, at) + 1
    end = data.find(b"\n", at)
    line = data[begin : end if end >= 0 else len(data)].decode(errors="replace")
    column = len(data[begin:at].decode(errors="replace")) + 1
    return _problem(data.count(b"\n", 0, at) + 1, column, fault.words, line)


def _told(text: str, wrong: precise.Wrong) -> Problem:
    lines = text.split("\n")
    number = min(max(wrong.line, 1), len(lines))
    line = lines[number - 1].rstrip("\r")
    column = wrong.column if wrong.column > 0 else len(line) - len(line.lstrip()) + 1
    return _problem(number, min(column, len(line) + 1), wrong.words, line)


def _problem(number: int, column: int, words: str, line: str) -> Problem:
    shift = max(0, column - _WIDTH + 20)
    shown = line[shift : shift + _WIDTH].replace("\t", " ").rstrip()
    head = f"{number} | "
    return Problem(
        number, column, words, f"{head}{shown}\n{' ' * (len(head) + column - 1 - shift)}^"
    )
