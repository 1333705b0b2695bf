"""Taking what was done in a worktree to the person's tree, as one step that can be undone."""

from __future__ import annotations

from collections.abc import Mapping

from qcode.checkpoints.keeper import Checkpoints
from qcode.checkpoints.merge import merge
from qcode.checkpoints.patch import patch
from qcode.checkpoints.restore import in_the_way, restore
from qcode.checkpoints.states import Entry, find
from qcode.checkpoints.store import REFS
from qcode.errors import QcodeError
from qcode.landing.own import own_changes, own_states
from qcode.record import Record


class Made(Record):
    """What a session changed in its worktree."""

    changes: Mapping[str, tuple[Entry | None, Entry | None]]
    """Path, relative to the workspace, to what was there and what is."""
    patch: bytes
    """The same as git applies it."""
    lines: int
    """Added and removed; of a binary file, one for each 40 bytes of its patch."""


NOTHING = Made({}, b"", 0)

_BYTES_A_LINE = 40
_ASIDE = "-apart"


def made(kept: Checkpoints) -> Made:
    """Return what the calls of a worktree's session changed.

    Raises:
        QcodeError: git cannot compare the states.
    """
    own = own_changes(kept)
    if not own.changes:
        return NOTHING
    before, after = own_states(kept, own)
    data = patch(kept.store, before, after)
    return Made(own.changes, data, size_of(data))


def size_of(data: bytes) -> int:
    """Return how large a change is, in lines, by its patch."""
    size, binary = 0, 0
    in_binary = in_hunk = False
    for line in data.split(b"\n"):
        if line.startswith(b"diff --git "):
            in_binary = in_hunk = False
        elif line.startswith(b"GIT binary patch"):
            in_binary = True
        elif line.startswith(b"@@ "):
            in_hunk = True
        elif in_binary:
            binary += len(line)
        elif in_hunk and line[:1] in (b"+", b"-"):
            size += 1
    return size + -(-binary // _BYTES_A_LINE)


def set_aside(kept: Checkpoints) -> None:
    """Put the steps of a worktree's session away from its name; they are of other files.

    They are still named, since what they hold is to be brought back.
    """
    name = f"{REFS}{kept.session}"
    if old := kept.store.ref(name):
        kept.store.set_ref(f"{name}{_ASIDE}", old, None)
        kept.store.set_ref(name, "", old)


def drop(kept: Checkpoints) -> None:
    """Drop the steps of a worktree's session: the files that they are of are to go."""
    set_aside(kept)
    forget(kept)


def forget(kept: Checkpoints) -> None:
    """Drop what was set aside."""
    name = f"{REFS}{kept.session}{_ASIDE}"
    if old := kept.store.ref(name):
        kept.store.set_ref(name, "", old)


def bring_back(kept: Checkpoints, changes: Made, title: str) -> None:
    """Make the changes in the directory of `kept`, all of them or none.

    What somebody changed there meanwhile stays, where it is in other lines.

    Raises:
        QcodeError: somebody changed the same lines, or something is in the way; nothing is
            changed then.
    """
    named = [kept.root / path for path in changes.changes]
    kept.before(title, "", named)
    try:
        here = kept.timeline.last.state
        wanted: dict[str, Entry | None] = {}
        clashes = []
        for path, (old, new) in changes.changes.items():
            present = find(kept.store, here, path)
            if present == new:
                continue
            if present == old:
                wanted[path] = new
            elif (both := merge(kept.store, old, present, new)) is not None:
                wanted[path] = both
            else:
                clashes.append(path)
        clashes += sorted(in_the_way(kept.root, kept.store, wanted))
        if clashes:
            shown = ", ".join(clashes[:5])
            raise QcodeError(f"changed meanwhile in the same lines: {shown}")
        restore(kept.root, kept.store, wanted)
    finally:
        kept.after()
