"""Points, plans and changes in words for a person; no terminal here."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator

from qcode.checkpoints.hunks import Hunk, show
from qcode.checkpoints.keeper import Checkpoints
from qcode.checkpoints.states import Entry, difference
from qcode.checkpoints.timeline import Kind, Point
from qcode.checkpoints.travel import Changes, Plan
from qcode.messages import JsonObject
from qcode.record import Record

_SHOWN = 40
"""Files named in a preview."""


class Part(Record):
    """One part of a plan that can be taken or left."""

    number: int
    """From 1, over all files."""
    path: str
    index: int
    """Of the hunk within the file, from 0."""
    text: str


def listing(kept: Checkpoints) -> list[str]:
    """Return a line for each point, the oldest first; `▸` is where the files stand."""
    timeline = kept.timeline
    if timeline.is_empty:
        return []
    there = {point.index for point in timeline.path(timeline.position)}
    out = []
    for point in timeline.points:
        mark = "▸" if point.index == timeline.position else " "
        number = str(point.step) if point.is_change else "·"
        when = time.strftime("%H:%M:%S", time.localtime(point.at))
        gone = "" if point.index in there or point.kind is Kind.MOVE else "  (taken back)"
        out.append(f"{mark} {number:>4}  {when}  {point.title}{_size(kept, point)}{gone}")
    return out


def to_json(kept: Checkpoints) -> list[JsonObject]:
    """Return the points for programs."""
    timeline = kept.timeline
    there = {p.index for p in timeline.path(timeline.position)} if timeline.points else set()
    return [
        {
            "step": point.step or None,
            "kind": point.kind.value,
            "title": point.title,
            "at": point.at,
            "files": sorted(difference(kept.store, timeline.before(point), point.state)),
            "in_place": point.index in there,
            "current": point.index == timeline.position,
            "call_id": point.call_id or None,
            "tree": point.state.tree,
        }
        for point in timeline.points
    ]


def _size(kept: Checkpoints, point: Point) -> str:
    if point.kind in (Kind.START, Kind.MOVE):
        return ""
    changes = difference(kept.store, kept.timeline.before(point), point.state)
    if len(changes) != 1:
        return f"  [{len(changes)} files]"
    (now, want) = next(iter(changes.values()))
    return f"  [{line_counts(kept, now, want)}]"


def preview(kept: Checkpoints, plan: Plan) -> list[str]:
    """Return what a plan would do: the changes, then each file, then what stands in the way."""
    out = [f"takes back {_named(point)}" for point in plan.back]
    out += [f"makes anew {_named(point)}" for point in plan.forth]
    out += files(kept, plan.changes, merged=plan.merged)
    if not plan.changes and not plan.conflicts:
        out.append("  no file changes")
    for conflict in plan.conflicts:
        out.append(f"  ! {named(conflict.path)} {conflict.why} (step {conflict.point.step})")
    out += [f"  ! {named(path)}: somebody else's change gives way" for path in plan.overwritten]
    head = kept.head_moved(plan.target)
    if head:
        out.append(f"  git's HEAD has moved since ({head}); commits stay as they are")
    return out


def named(path: str) -> str:
    """Return a path in one line, whatever signs are in it."""
    return path if path.isprintable() else ascii(path)


def _named(point: Point) -> str:
    return f"{point.step}: {point.title}"


def files(kept: Checkpoints, changes: Changes, *, merged: tuple[str, ...] = ()) -> list[str]:
    """Return a line for each file that changes."""
    out = []
    for path, (now, want) in sorted(changes.items())[:_SHOWN]:
        sign = "A" if now is None else "D" if want is None else "M"
        both = "  (both changes kept)" if path in merged else ""
        out.append(f"  {sign} {named(path)}  {line_counts(kept, now, want)}{both}")
    if len(changes) > _SHOWN:
        out.append(f"  … {len(changes) - _SHOWN} more files")
    return out


def line_counts(kept: Checkpoints, now: Entry | None, want: Entry | None) -> str:
    """Return how a file changes, in few signs: `+3 −1`, `mode 644 → 755`."""
    for entry in (now, want):
        if entry is not None and not entry.is_kept:
            return "not kept"
        if entry is not None and entry.is_directory:
            return "directory"
        if entry is not None and entry.is_link:
            return "link"
    words = []
    if now is not None and want is not None and now.mode != want.mode:
        words.append(f"mode {stat.S_IMODE(now.mode):o} → {stat.S_IMODE(want.mode):o}")
    if now is None or want is None or now.oid != want.oid:
        old, new = kept.content(now), kept.content(want)
        if b"\0" in old[:8000] or b"\0" in new[:8000]:
            words.append(f"binary, {len(old):,} → {len(new):,} bytes")
        elif now is None or want is None:
            count = _line_count(old or new)
            words.append(f"+{count}" if now is None else f"−{count}")
        else:
            parts = kept.hunks(now, want)
            added = sum(part.new_end - part.new_start for part in parts if part)
            removed = sum(part.old_end - part.old_start for part in parts if part)
            words.append(f"+{added} −{removed}")
    return ", ".join(words)


def _line_count(data: bytes) -> int:
    return data.count(b"\n") + (not data.endswith(b"\n") if data else 0)


def parts(kept: Checkpoints, plan: Plan) -> Iterator[Part]:
    """Yield what can be taken or left of a plan, numbered."""
    number = 0
    for path, (now, want) in sorted(plan.changes.items()):
        for index, hunk in enumerate(kept.hunks(now, want)):
            number += 1
            if isinstance(hunk, Hunk):
                text = show(kept.content(now), kept.content(want), hunk)
            else:
                text = line_counts(kept, now, want)
            yield Part(number, path, index, text)
