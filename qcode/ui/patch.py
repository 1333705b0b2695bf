"""The lines of a unified diff, and what each of them is.

A diff may be a model's: each of its lines is in what comes out, whatever it says of itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

from qcode.record import Record

Kind: TypeAlias = Literal["file", "note", "hunk", "context", "added", "removed", "end"]

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)", re.DOTALL)
_GIT = re.compile(r'diff --git (?:a/(.*) b/(.*)|"a/(.*)" "b/(.*)")', re.DOTALL)
_UNSAID = re.compile(r"(?:dis)?similarity index \d+%|index [0-9a-f]+\.\.[0-9a-f]+(?: [0-7]{6})?")
"""Lines of a file's head that tell a person nothing."""


class Row(Record):
    """A line to be shown."""

    kind: Kind
    text: str
    """Without the sign in front of it; of a file its path or paths."""
    number: int = 0
    """Of the line in its file, the old one for what is removed; 0 where it is not known."""
    added: int = 0
    removed: int = 0
    """Lines of the file; of a `file`."""
    returns: bool = False
    """Whether all of the file's lines end in carriage returns; of a `file`."""


def rows(diff: str) -> list[Row]:
    """Return the lines of a diff in their order; the head of a file is one of them."""
    lines = diff.removesuffix("\n").split("\n") if diff else []
    out: list[Row] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if hunk := _HUNK.match(line):
            if hunk[5] or not out or out[-1].kind != "file":  # else there is nothing to say
                out.append(Row("hunk", hunk[5], int(hunk[3])))
            body, at = _hunk(lines, at + 1, hunk)
            out += body
        elif line.startswith("diff --git ") or _is_head(lines, at):
            head, at = _head(lines, at)
            out += head
        elif line.startswith("\\"):
            out.append(Row("end", line))
            at += 1
        else:
            # No hunk says what it is: taken for what it looks like.
            kind: Kind = {"+": "added", "-": "removed", " ": "context"}.get(line[:1], "note")  # type: ignore[assignment]
            out.append(Row(kind, line if kind == "note" else line[1:]))
            at += 1
    return list(_counted(out))


def marked(text: str) -> list[Row]:
    """Return the lines of a text that is no diff, but has signs in front of what is changed."""
    kinds: dict[str, Kind] = {"+": "added", "-": "removed"}
    return [
        Row(kinds[line[0]], line[1:]) if line[:1] in kinds else Row("note", line)
        for line in (text.removesuffix("\n").split("\n") if text else [])
    ]


def _is_head(lines: list[str], at: int) -> bool:
    return lines[at].startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ ")


def _head(lines: list[str], at: int) -> tuple[list[Row], int]:
    """Return what a file's head says, and where it ends."""
    old = new = ""
    notes: list[str] = []
    below: list[Row] = []
    if lines[at].startswith("diff --git "):
        named = _GIT.fullmatch(lines[at])
        if named:
            old, new = named[1] or named[3] or "", named[2] or named[4] or ""
        else:
            notes.append(lines[at])
        at += 1
    while at < len(lines):
        line = lines[at]
        if _is_head(lines, at):
            paths = _path(line[4:], "a/"), _path(lines[at + 1][4:], "b/")
            if new and not {*paths} <= {old, new, "/dev/null"}:
                break  # that of another file
            old, new = paths
            at += 2
            break
        if line.startswith("GIT binary patch"):
            notes.append("binary")
            at += 1
            while at < len(lines) and not lines[at].startswith("diff --git "):
                below.append(Row("note", lines[at]))
                at += 1
            break
        if line.startswith("Binary files ") and line.endswith(" differ"):
            notes.append("binary")
            at += 1
            break
        if line.startswith(("rename from ", "rename to ", "copy from ", "copy to ")):
            verb, which, path = line.split(" ", 2)
            old, new = (path, new) if which == "from" else (old, path)
            if which == "to":
                notes.append("renamed" if verb == "rename" else "copied")
        elif line.startswith(("new file mode ", "deleted file mode ")):
            notes.append(line.replace(" mode 100644", "").replace(" mode ", ", mode "))
        elif line.startswith("old mode "):
            notes.append(line.removeprefix("old "))
        elif line.startswith("new mode "):
            notes.append(f"to {line.removeprefix('new mode ')}")
        elif not _UNSAID.fullmatch(line):
            break
        at += 1
    if old == "/dev/null" and not any(note.startswith("new file") for note in notes):
        notes.insert(0, "new file")
    if new == "/dev/null" and not any(note.startswith("deleted") for note in notes):
        notes.insert(0, "deleted")
    names = [path for path in dict.fromkeys((old, new)) if path and path != "/dev/null"]
    said = f" ({', '.join(notes)})" if notes else ""
    return [Row("file", " → ".join(names) + said), *below], at


def _path(text: str, prefix: str) -> str:
    # What follows a tab is the time at which the file was changed.
    name, _, after = text.partition("\t")
    name = name if re.fullmatch(r"[-\d:. +]*", after) else text
    return name.removeprefix(prefix)


def _hunk(lines: list[str], at: int, head: re.Match[str]) -> tuple[list[Row], int]:
    """Return a hunk's lines and where it ends; the numbers in its head say how many they are."""
    old, new = int(head[1]), int(head[3])
    old_left = int(head[2] if head[2] is not None else 1)
    new_left = int(head[4] if head[4] is not None else 1)
    body: list[Row] = []
    while at < len(lines):
        line = lines[at]
        sign = line[:1]
        if sign == "\\":
            body.append(Row("end", line))
        elif old_left <= 0 and new_left <= 0:
            break
        elif sign == "-":
            body.append(Row("removed", line[1:], old))
            old, old_left = old + 1, old_left - 1
        elif sign == "+":
            body.append(Row("added", line[1:], new))
            new, new_left = new + 1, new_left - 1
        elif sign in ("", " ", "\r"):
            body.append(Row("context", line[1:] if sign == " " else line, new))
            old, new, old_left, new_left = old + 1, new + 1, old_left - 1, new_left - 1
        else:
            break
        at += 1
    return body, at


def _counted(found: list[Row]) -> Iterator[Row]:
    """Yield the rows, each file with the number of its lines."""
    begins = [n for n, row in enumerate(found) if row.kind == "file"]
    ends = dict(zip(begins, [*begins[1:], len(found)], strict=False))
    for number, row in enumerate(found):
        if row.kind != "file":
            yield row
            continue
        body = found[number : ends[number]]
        lines = [each for each in body if each.kind in ("context", "added", "removed")]
        yield Row(
            "file",
            row.text,
            added=sum(each.kind == "added" for each in lines),
            removed=sum(each.kind == "removed" for each in lines),
            returns=bool(lines) and all(each.text.endswith("\r") for each in lines),
        )
