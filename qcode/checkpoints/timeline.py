"""A session's file states in the order in which they came: a chain of commits.

Each point of the timeline is one commit below `refs/qcode/<session>`. Its tree
holds the files as they were when the point was made, its first parent is the
point before, and its message says what led there:

```
edit src/a.py

{"v":1,"kind":"call","parent":3,"meta":"…","call_id":"call_7","at":…}
```

What git's trees cannot hold (`State.meta`) hangs on a second parent, so that it
is kept as long as the commit is. So one ref keeps all of a session, and
`git restore --source=refs/qcode/<session>~2 -- PATH` works without qcode.

Points are never rewritten. Going back appends a point of the kind `move`, so
that the way back from there is kept as well: the points form a tree by their
`parent`, and `position` is where in it the files now stand.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

from qcode.checkpoints.states import State
from qcode.checkpoints.store import Store
from qcode.record import Record

_AUTHOR = "qcode <qcode@localhost>"


class Kind(StrEnum):
    """What led to a point."""

    START = "start"
    """The files as they were found."""
    CALL = "call"
    """A tool call of the model."""
    OUTSIDE = "outside"
    """Somebody else: the person, an editor, a process in the background."""
    PICK = "pick"
    """A part of what an undo would have changed, picked by the person."""
    MOVE = "move"
    """An undo or a redo."""


class Point(Record):
    """One state of the files and how it came about."""

    index: int
    """Place in the chain, from 0."""
    kind: Kind
    parent: int
    """Index of the point the files stood at before; its own for the first."""
    state: State
    title: str
    at: float
    """Seconds since the epoch."""
    step: int = 0
    """Number a person calls a change by, from 1; 0 for what is no step."""
    target: int = -1
    """For a move: the index of the point it led to."""
    call_id: str = ""
    head: str = ""
    """The commit that was checked out, where there was one."""

    @property
    def is_change(self) -> bool:
        """Whether it can be undone by its number."""
        return self.step > 0


class Timeline:
    """The points of one session. Only `append` changes it."""

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.ref = f"refs/qcode/{name}"
        self.points: list[Point] = []
        self._tip: str | None = None
        self._meta_commits: dict[str, str] = {}
        self._redo: dict[int, int] = {}
        """From a point to the one after it that was left last by going back."""
        self._steps = 0
        self.reload()

    def reload(self) -> None:
        """Read what another process has appended."""
        tip = self.store.ref(self.ref)
        if tip == self._tip:
            return
        fresh: list[tuple[str, State, str]] = []
        commit = tip
        while commit and commit != self._tip:
            tree, parents, message = _read_commit(self.store.get(commit))
            title, _, facts = message.partition("\n\n")
            known = json.loads(facts)
            fresh.append((title, State(tree, known.get("meta", "")), facts))
            commit = None if known.get("first") else parents[0]
        if commit is None:  # it does not go on from what is known
            self.points.clear()
            self._redo.clear()
            self._steps = 0
        for title, state, facts in reversed(fresh):
            self._take_in(title, state, json.loads(facts))
        self._tip = tip

    @property
    def is_empty(self) -> bool:
        """Whether nothing was kept yet."""
        return not self.points

    @property
    def last(self) -> Point:
        """The newest point: what the files were when they were last looked at."""
        return self.points[-1]

    @property
    def position(self) -> int:
        """Index of the point at which the files stand."""
        if not self.points:
            return -1
        return self.last.target if self.last.kind is Kind.MOVE else self.last.index

    def path(self, index: int) -> Iterator[Point]:
        """Yield a point and those it goes back to, the first one last."""
        while True:
            point = self.points[index]
            yield point
            if point.parent == index:
                return
            index = point.parent

    def way(self, target: int) -> tuple[list[Point], list[Point]]:
        """Return the changes to take back and those to make anew, in this order, to get there."""
        there = [point.index for point in self.path(target)]
        back = []
        meeting = self.position
        for point in self.path(self.position):
            meeting = point.index
            if meeting in there:
                break
            back.append(point)
        forth = [self.points[index] for index in reversed(there[: there.index(meeting)])]
        return [p for p in back if p.is_change], [p for p in forth if p.is_change]

    def step(self, number: int) -> Point | None:
        """Return the change of that number."""
        return next((point for point in self.points if point.step == number), None)

    def undoable(self) -> Point | None:
        """Return the last change that the files still have."""
        return next((point for point in self.path(self.position) if point.is_change), None)

    def redoable(self) -> Point | None:
        """Return the change that was taken back last from where the files stand."""
        index = self.position
        while (following := self._redo.get(index)) is not None:
            if self.points[following].is_change:
                return self.points[following]
            index = following
        return None

    def before(self, point: Point) -> State:
        """Return the files right before a point."""
        return self.points[max(0, point.index - 1)].state

    def append(
        self,
        kind: Kind,
        state: State,
        title: str,
        *,
        target: int = -1,
        call_id: str = "",
        head: str = "",
    ) -> Point | None:
        """Add a point; None if another process added one first (which is read by then)."""
        facts: dict[str, Any] = {"v": 1}
        if not self.points:
            facts["first"] = True
        facts |= {"kind": kind.value, "parent": max(0, self.position), "at": round(time.time(), 3)}
        if state.meta:
            facts["meta"] = state.meta
        if target >= 0:
            facts["target"] = target
        if call_id:
            facts["call_id"] = call_id
        if head:
            facts["head"] = head
        title = " ".join(title.split())[:200] or kind.value
        text = f"{title}\n\n{json.dumps(facts, separators=(',', ':'))}"
        parents = [] if self._tip is None else [self._tip]
        if state.meta:
            parents.append(self._meta_commit(state.meta))
        commit = self._commit(state.tree, parents, text, facts["at"])
        if not self.store.set_ref(self.ref, commit, self._tip):
            self.reload()
            return None
        self._tip = commit
        return self._take_in(title, state, facts)

    def _take_in(self, title: str, state: State, facts: dict[str, Any]) -> Point:
        kind = Kind(facts["kind"])
        index = len(self.points)
        point = Point(
            index=index,
            kind=kind,
            parent=int(facts["parent"]),
            state=state,
            title=title,
            at=float(facts["at"]),
            step=self._steps + 1 if kind in (Kind.CALL, Kind.PICK) else 0,
            target=int(facts.get("target", -1)),
            call_id=str(facts.get("call_id", "")),
            head=str(facts.get("head", "")),
        )
        self._steps = max(self._steps, point.step)
        if kind is Kind.MOVE:
            for left in self.path(self.position):
                if left.index in (point.target, left.parent):
                    break
                self._redo[left.parent] = left.index
        elif kind is Kind.OUTSIDE and point.parent in self._redo:
            # Somebody's edit between an undo and its redo does not stand in the way.
            self._redo[index] = self._redo[point.parent]
        elif index:
            self._redo.pop(point.parent, None)
        self.points.append(point)
        return point

    def _meta_commit(self, meta: str) -> str:
        if meta not in self._meta_commits:
            text = "what git's trees cannot hold of the commit that names this as a parent"
            self._meta_commits[meta] = self._commit(meta, [], text, 0.0)
        return self._meta_commits[meta]

    def _commit(self, tree: str, parents: Sequence[str], text: str, at: float) -> str:
        rows = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
        rows += [f"{role} {_AUTHOR} {int(at)} +0000" for role in ("author", "committer")]
        content = "\n".join([*rows, "", text, ""])
        return self.store.put("commit", content.encode("utf-8", "backslashreplace"))


def _read_commit(data: bytes) -> tuple[str, list[str], str]:
    """Return the tree, the parents and the message."""
    head, _, message = data.decode("utf-8", "replace").partition("\n\n")
    tree, parents = "", []
    for row in head.split("\n"):
        word, _, value = row.partition(" ")
        if word == "tree":
            tree = value
        elif word == "parent":
            parents.append(value)
    return tree, parents, message.rstrip("\n")
