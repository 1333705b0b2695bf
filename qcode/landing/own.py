"""What the model's calls alone did to each file, apart from what anybody else did meanwhile."""

from __future__ import annotations

from collections.abc import Mapping

from qcode.checkpoints.graft import grafted
from qcode.checkpoints.keeper import Checkpoints
from qcode.checkpoints.merge import merge
from qcode.checkpoints.states import Entry, State, difference
from qcode.record import Record


class Own(Record):
    """The model's own changes, net."""

    changes: Mapping[str, tuple[Entry | None, Entry | None]]
    """Path to what it was when first changed, and that with the model's changes alone."""
    versions: Mapping[str, tuple[Entry | None, ...]]
    """Path to all that it was in between, the first one and the last one included."""
    made_at: Mapping[str, tuple[int, ...]]
    """Path to the points at which its versions but the first one came about."""
    mixed: tuple[str, ...]
    """Paths where somebody else changed the same lines in between: they cannot be told apart."""


def own_changes(kept: Checkpoints, since: int = -1) -> Own:
    """Return what the calls did, after the point of index `since`, that the files still have.

    Where somebody else changed a file between two calls, the calls' changes are
    made anew on the content without theirs, as a merge does.
    """
    first: dict[str, Entry | None] = {}
    now: dict[str, Entry | None] = {}
    versions: dict[str, list[Entry | None]] = {}
    made_at: dict[str, list[int]] = {}
    mixed: set[str] = set()
    timeline = kept.timeline
    if timeline.is_empty:
        return Own({}, {}, {}, ())
    for point in reversed(list(timeline.path(timeline.position))):
        if not point.is_change or point.index <= since:
            continue
        before = timeline.before(point)
        for path, (old, new) in difference(kept.store, before, point.state).items():
            if path not in first:
                first[path] = now[path] = old
                versions[path] = [old]
                made_at[path] = []
            mine = now[path]
            both = new if mine == old else merge(kept.store, old, mine, new)
            if both is None and new is not None:
                mixed.add(path)
            now[path] = new if both is None else both
            versions[path].append(now[path])
            made_at[path].append(point.index)
    changes = {path: (first[path], now[path]) for path in now if first[path] != now[path]}
    passed = {path: tuple(those) for path, those in versions.items()}
    points = {path: tuple(those) for path, those in made_at.items()}
    return Own(changes, passed, points, tuple(sorted(mixed)))


def own_states(kept: Checkpoints, own: Own) -> tuple[State, State]:
    """Return two states that differ by the model's own changes alone."""
    before = kept.timeline.points[0].state
    old = {path: change[0] for path, change in own.changes.items()}
    new = {path: change[1] for path, change in own.changes.items()}
    return grafted(kept.store, before, old), grafted(kept.store, before, new)
