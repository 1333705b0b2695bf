"""Unified diffs, plain or by git, with or without prose and fences around them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qcode.editing.hunks import Hunk, header
from qcode.editing.operations import Add, Delete, Operation, Update
from qcode.editing.outcome import Reason
from qcode.editing.pathname import Refusal, bare

_GIT = re.compile(r'diff --git ("?a/.+"?|\S+) ("?b/.+"?|\S+)$')
_FENCE = re.compile(r"(\s*(?:`{3,}|~{3,}))")
_CHANGE = re.compile(r"[+-](?:[^\s+-]|\s{2,}\S)")
"""A row that is no prose: an item of a list has one blank behind its sign."""
_NOTHING = "/dev/null"
_EXTENDED = re.compile(
    r"(old mode|new mode|deleted file mode|new file mode|copy from|copy to|rename from|rename to"
    r"|rename old|rename new|similarity index|dissimilarity index|index) ?(.*)$"
)
_BINARY = re.compile(r"(GIT binary patch|Binary files .* differ)\s*$")


class _Section:
    """What a diff says of one file."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.old = self.new = ""
        self.git: tuple[str, str] | None = None
        self.extended: dict[str, str] = {}
        self.hunks: list[Hunk] = []
        self.has_names = False


def is_start(rows: Sequence[str], at: int) -> bool:
    """Whether a diff begins at a row."""
    return bool(_GIT.match(rows[at].rstrip())) or _is_header(rows, at)


def named(rows: Sequence[str]) -> list[str]:
    """Return every path that rows name; with and without prefix, where both may be meant."""
    found: list[str] = []
    for at, row in enumerate(rows):
        if git := _GIT.match(row.rstrip()):
            found += [_unprefixed(bare(git[1])), _unprefixed(bare(git[2]))]
        elif _is_header(rows, at):
            old, new = bare(_name(row)), bare(_name(rows[at + 1]))
            found += [old] if old == new else []
            found += [_unprefixed(old), _unprefixed(new)]
        elif (extended := _EXTENDED.match(row)) and extended[1].startswith(("rename", "copy")):
            found.append(bare(extended[2]))
    return [name for name in found if name != _NOTHING]


def parse(rows: Sequence[str]) -> list[Operation]:
    """Return what a diff asks for.

    Raises:
        Refusal: it cannot be read.
    """
    return [_operation(section) for section in _sections(rows)]


def _is_header(rows: Sequence[str], at: int) -> bool:
    return (
        rows[at].startswith("--- ")
        and at + 1 < len(rows)
        and rows[at + 1].startswith("+++ ")
        and bool(_name(rows[at]) and _name(rows[at + 1]))
    )


def _name(row: str) -> str:
    """Return the name in a `---` or `+++` line, without a time stamp."""
    return row[4:].split("\t")[0].strip()


def _sections(rows: Sequence[str]) -> list[_Section]:
    sections: list[_Section] = []
    section: _Section | None = None
    fence = ""
    at = 0
    while at < len(rows):
        row = rows[at]
        if _GIT.match(row.rstrip()):
            section, at = _git_header(rows, at)
            sections.append(section)
        elif _is_header(rows, at):
            if section is None or section.has_names or section.hunks or not section.git:
                section = _Section(at + 1)
                sections.append(section)
            section.old, section.new = _name(row), _name(rows[at + 1])
            section.has_names = True
            at += 2
        elif row.startswith("@@"):
            if section is None:
                raise Refusal(
                    Reason.MALFORMED,
                    f"Line {at + 1} of the diff: a hunk without a file. Put `--- a/path` and "
                    "`+++ b/path` above it. Nothing was changed.",
                )
            hunk, at = _hunk(rows, at, fence)
            section.hunks.append(hunk)
        else:
            if section and _BINARY.match(row):
                raise Refusal(
                    Reason.MALFORMED,
                    f"Line {at + 1} of the diff: binary files cannot be patched.",
                )
            if marks := _FENCE.match(row):
                fence = "" if fence else marks[1]
            elif section and section.hunks and _CHANGE.match(row):
                raise Refusal(
                    Reason.MALFORMED,
                    f"Line {at + 1} of the diff: {row[:80]!r} is outside of the code fence, or a "
                    "context line like a fence has lost its blank. Nothing was changed.",
                )
            elif section and section.has_names and not section.hunks and row[:1] in ("+", "-", " "):
                # Rows right behind the names: a hunk that lost its `@@`.
                hunk, at = _hunk(rows, at - 1, fence)
                section.hunks.append(hunk)
                continue
            at += 1
    if not sections:
        raise Refusal(Reason.MALFORMED, "There is no file header in the diff. Nothing was changed.")
    return sections


def _git_header(rows: Sequence[str], at: int) -> tuple[_Section, int]:
    section = _Section(at + 1)
    found = _GIT.match(rows[at].rstrip())
    if found:
        section.git = (bare(found[1]), bare(found[2]))
    at += 1
    while at < len(rows) and (extended := _EXTENDED.match(rows[at])):
        section.extended[extended[1]] = extended[2].strip()
        at += 1
    return section, at


def _hunk(rows: Sequence[str], at: int, fence: str) -> tuple[Hunk, int]:
    """Return the hunk whose `@@` row is at an index, and where it ends."""
    begin = at
    start, _ = header(rows[at]) if rows[at].startswith("@@") else (None, "")
    found = re.match(r"@@+ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@", rows[at])
    if found:
        start = int(found[1])  # Behind it git writes the line above, which is no anchor.
    at += 1
    body: list[str] = []
    while at < len(rows):
        row = rows[at]
        if row.startswith("@@") or _GIT.match(row.rstrip()):
            break
        if _is_header(rows, at) and _is_followed(rows, at + 2):
            break
        if fence and row.rstrip() == fence:
            break
        if row == "-- " and re.match(r"\d+\.\d+", rows[at + 1] if at + 1 < len(rows) else ""):
            break  # git's signature below a mail.
        body.append(row)
        at += 1
    if not any(row[:1] in ("+", "-") for row in body):
        raise Refusal(
            Reason.MALFORMED,
            f"Line {begin + 1} of the diff: a hunk needs lines that begin with + or -. "
            "Nothing was changed.",
        )
    return Hunk(tuple(body), begin + 1, (), start, may_trail=True), at


def _is_followed(rows: Sequence[str], at: int) -> bool:
    """Whether a hunk or a further header stands at a row, so that the one above is a header."""
    return at < len(rows) and (rows[at].startswith("@@") or is_start(rows, at))


def _operation(section: _Section) -> Operation:
    extended = section.extended
    if "copy from" in extended:
        raise _malformed(section, "copies are not supported; add the new file whole")
    old, new = bare(section.old), bare(section.new)
    if not section.has_names and section.git:
        old, new = section.git
        if "new file mode" in extended:
            old = _NOTHING
        if "deleted file mode" in extended:
            new = _NOTHING
    if _NOTHING in (old, new):
        if old == new:
            raise _malformed(section, "both names are /dev/null")
        if old == _NOTHING:
            return Add(_unprefixed(new), _created(section))
        return Delete(_unprefixed(old), _deleted(section))
    if "rename from" in extended or "rename to" in extended:
        source = extended.get("rename from") or _unprefixed(old)
        target = extended.get("rename to") or _unprefixed(new)
        return Update(bare(source), tuple(section.hunks), bare(target))
    if not section.hunks:
        raise _malformed(section, "there is no hunk")
    if old == new:
        return Update(old, tuple(section.hunks), unprefixed=_unprefixed(old))
    if _unprefixed(old) == _unprefixed(new):
        return Update(_unprefixed(old), tuple(section.hunks))
    if re.fullmatch(re.escape(_unprefixed(new)) + r"(\.orig|\.old|\.bak|~)", _unprefixed(old)):
        return Update(_unprefixed(new), tuple(section.hunks))
    raise _malformed(
        section,
        f"the names differ ({old}, {new}); use one name, or `rename from` and `rename to` lines",
    )


def _created(section: _Section) -> str:
    lines, rows = [], [row for hunk in section.hunks for row in hunk.rows]
    while rows and not rows[-1].strip() and not rows[-1].startswith("+"):
        rows.pop()
    is_open = False
    for row in rows:
        if row.startswith("\\"):
            is_open = True
        elif row.startswith("+"):
            lines.append(row[1:])
        else:
            raise _malformed(section, f"each line of a new file begins with +, not {row[:80]!r}")
    return "\n".join(lines) + "\n" * (bool(lines) and not is_open)


def _deleted(section: _Section) -> tuple[str, ...]:
    rows = [row for hunk in section.hunks for row in hunk.rows]
    while rows and not rows[-1].startswith("-"):
        rows.pop()  # Prose, or a mark for a missing line end.
    lines = []
    for row in rows:
        if row.startswith("+"):
            raise _malformed(section, "a file that is deleted has no lines that are added")
        if not row.startswith("\\"):
            lines.append(row[1:] if row[:1] in ("-", " ") else row)
    return tuple(lines)


def _unprefixed(name: str) -> str:
    return name[2:] if name.startswith(("a/", "b/")) and len(name) > 2 else name


def _malformed(section: _Section, what: str) -> Refusal:
    return Refusal(
        Reason.MALFORMED, f"Line {section.line} of the diff: {what}. Nothing was changed."
    )
