"""What has to change for the files to go back or forth to another point.

Undoing a change does not put a whole old state back, which would take with it
what a person did since. It takes back, path by path, what that change did, and
only where the path still is as the change left it. Everywhere else there is a
conflict: refused, merged or overwritten as the person says.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from qcode.checkpoints.merge import merge
from qcode.checkpoints.states import Entry, State, below, difference, find
from qcode.checkpoints.store import Store
from qcode.checkpoints.timeline import Point, Timeline
from qcode.record import Record

Changes = Mapping[str, tuple[Entry | None, Entry | None]]
"""Path to what is there and what is to be there; None: nothing."""


class Clash(StrEnum):
    """What to do where somebody changed what is to be taken back."""

    REFUSE = "refuse"
    MERGE = "merge"
    """Keep both where lines do not overlap; leave the path alone where they do."""
    OVERWRITE = "overwrite"


class Conflict(Record):
    """A path that is not as the change to be taken back (or made anew) left it."""

    path: str
    point: Point
    """The change that would be taken back or made anew."""
    why: str
    """In words for a person, without the path."""


class Plan(Record):
    """What going to a point would do."""

    target: int
    seen: int
    """Index of the point whose files it was made for."""
    back: tuple[Point, ...]
    forth: tuple[Point, ...]
    changes: Changes
    conflicts: tuple[Conflict, ...]
    merged: tuple[str, ...]
    """Paths where both sides' changes are kept."""
    overwritten: tuple[str, ...]
    """Paths where somebody else's change gives way."""

    @property
    def title(self) -> str:
        """What it does, in few words."""
        parts = [("undo", self.back), ("redo", self.forth)]
        return ", ".join(
            f"{verb} {', '.join(str(point.step) for point in points)}"
            for verb, points in parts
            if points
        )


def plan(timeline: Timeline, target: int, clash: Clash = Clash.REFUSE) -> Plan:
    """Return what going to a point would change in the files as last seen."""
    store, here = timeline.store, timeline.last.state
    back, forth = timeline.way(target)
    wanted: dict[str, Entry | None] = {}
    present: dict[str, Entry | None] = {}
    conflicts: dict[str, Conflict] = {}
    merged: set[str] = set()
    overwritten: set[str] = set()
    for point in (*back, *forth):
        taking_back = point in back
        for path, (before, after) in difference(store, timeline.before(point), point.state).items():
            have, want = (after, before) if taking_back else (before, after)
            if want is not None and not want.is_kept:
                continue  # nobody knows what it was
            if path not in wanted:
                wanted[path] = present[path] = find(store, here, path)
            now = wanted[path]
            if path in conflicts or now == want:
                continue
            if now == have or clash is Clash.OVERWRITE:
                wanted[path] = want
                if now != have:
                    overwritten.add(path)
                continue
            both = merge(store, have, now, want) if clash is Clash.MERGE else None
            if both is not None:
                wanted[path] = both
                merged.add(path)
            else:
                conflicts[path] = Conflict(path, point, _why(now, have))
    for path in conflicts:
        wanted[path] = present[path]
    for path, why in _in_the_way(store, here, wanted):
        conflicts.setdefault(path, Conflict(path, (*back, *forth)[-1], why))
        wanted[path] = present[path]
    changes = {
        path: (present[path], want) for path, want in wanted.items() if present[path] != want
    }
    return Plan(
        target,
        timeline.last.index,
        tuple(back),
        tuple(forth),
        changes,
        tuple(conflicts.values()),
        tuple(sorted(merged & changes.keys())),
        tuple(sorted(overwritten & changes.keys())),
    )


def _why(now: Entry | None, have: Entry | None) -> str:
    if now is None:
        return "was removed since"
    if have is None:
        return "was made by somebody else since"
    return "was changed since"


def _in_the_way(
    store: Store, here: State, wanted: Mapping[str, Entry | None]
) -> list[tuple[str, str]]:
    """Return the paths that cannot be made since something else stands where they have to be."""
    out = []
    for path, want in wanted.items():
        if want is None or not want.is_kept:
            continue
        if not want.is_directory:
            left = [name for name in below(store, here, path) if wanted.get(name, want) is not None]
            if left:
                out.append((path, f"is a directory now, with {left[0]} in it"))
        parts = path.split("/")
        for count in range(1, len(parts)):
            parent = "/".join(parts[:count])
            there = wanted[parent] if parent in wanted else find(store, here, parent)
            if there is not None and not there.is_directory:
                out.append((path, f"needs the directory {parent}, which is a file now"))
                break
    return out
