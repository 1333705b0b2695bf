"""What a session, and `qcode undo` after it, does with the states of its files.

Around each call that may change files: `before`, the call, `after`. What
differs in between is the call's; what differs at any other time is somebody
else's, and is kept as such. A note on disk says what is under way, so that a
process killed in the middle leaves the next one enough to finish or to name it.

All of this blocks; callers in an event loop use a thread.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qcode.checkpoints.hunks import Hunk, hunks, pick
from qcode.checkpoints.restore import in_the_way, protect, protected, restore, sweep
from qcode.checkpoints.scan import Files
from qcode.checkpoints.states import Entry, State, difference
from qcode.checkpoints.states import named as states_named
from qcode.checkpoints.store import Store
from qcode.checkpoints.timeline import Kind, Point, Timeline
from qcode.checkpoints.travel import Changes, Clash, Plan, plan
from qcode.checkpoints.under_way import Lock, Note, write_whole
from qcode.errors import QcodeError, UsageError
from qcode.git import head_commit
from qcode.record import replace

_ELSEWHERE = "a command of this session is running in another qcode"
_WAIT_S = 10.0
"""An undo in another process takes a moment; a call waits for it."""
_THOROUGH_S = 60.0
"""So often each file is looked at, whatever the system tells of changes."""
_MOST_MADE = 1000
"""Files that one call made and that are kept whatever rules come later."""
_TRIES = 50
"""How often another process may append first before that is taken for a fault."""


def open_store(root: Path, folder: Path, session: str = "") -> Store:
    """Return where the states of a directory are kept: its repository, or one in `folder`.

    A session stays with the store it began in, also when a repository was made since.
    """
    private = private_folder(root, folder) / "files.git"
    if session and private.is_dir():
        store = Store(private, is_private=True)
        if store.ref(f"refs/qcode/{session}"):
            return store
        store.close()
    return Store.at(root, private)


def private_folder(root: Path, folder: Path) -> Path:
    """Return where what belongs to a directory is kept outside of it."""
    return folder / hashlib.blake2b(os.fsencode(root), digest_size=10).hexdigest()


class Checkpoints:
    """The file states of one session in one directory."""

    def __init__(
        self, root: Path, session: str, folder: Path, *, keep_ignored: Sequence[str] = (".env*",)
    ) -> None:
        self.root = root
        self.session = session
        self.store = open_store(root, folder, session)
        self.files = Files(
            root,
            self.store,
            keep_ignored=keep_ignored,
            leave_out=[folder.parent],  # qcode's own files, where the workspace is a home directory
        )
        self.timeline = Timeline(self.store, session)
        self._folder = folder
        self._note = Note(folder / f"{session}.pending")
        self._lock = Lock(folder / f"{session}.lock")
        self._mutex = threading.RLock()
        self._call: dict[str, Any] | None = None
        self._unkept = ""
        """Of the call that ended here, but what it did could not be kept."""
        self._thorough_at = -_THOROUGH_S
        self._knows_named = False
        self._named_points = 0
        """Points of the timeline whose paths `files` was told of."""

    def close(self) -> None:
        """Give up processes, watches and the lock."""
        with self._mutex:
            self._lock.free()
            self.files.close()
            self.store.close()

    # Around a call.

    def before(self, title: str, call_id: str, named: Sequence[Path] = ()) -> Point:
        """Keep the files as they are before a call; `named` are those that it names.

        Raises:
            QcodeError: they cannot be kept (a full disk, say), so the call must not be run.
        """
        with self._mutex:
            self._lock.take("another qcode travels in this session's files", wait_s=_WAIT_S)
            try:
                self._recover()
                thorough = time.monotonic() - self._thorough_at > _THOROUGH_S
                point = self._look(named=named, thorough=thorough)
                call = {"call": title, "call_id": call_id, "named": [str(path) for path in named]}
                self._note_down(call)
                self._call = call
            except BaseException:
                self._lock.free()
                raise
            return point

    def after(self) -> Point | None:
        """Keep what the call that `before` was made for did; None if it changed nothing.

        Raises:
            QcodeError: it cannot be kept; the next look will find it.
        """
        with self._mutex:
            call, self._call = self._call, None
            if call is None:
                return None
            try:
                return self._finish_call(call)
            except BaseException:
                self._unkept = call["call_id"]
                raise
            finally:
                self._lock.free()

    def state(self) -> State:
        """Return the present state, without a point of its own."""
        with self._mutex:
            return self._take()

    # Going back and forth.

    def look(self) -> str:
        """Take note of what changed since the last look, however it came about.

        Returns the title of an undo or redo that had been cut off and was finished now.

        Raises:
            UsageError: a command of the session is running in another process.
            QcodeError: a cut-off undo still cannot be finished.
        """
        with self._mutex, self._lock.held(_ELSEWHERE):
            finished = self._recover()
            self._look(thorough=True)
            return finished

    def unfinished(self) -> str:
        """Return the title of an undo or redo that was cut off and is still to be finished."""
        return str((self._note.read() or {}).get("title", ""))

    def give_up(self) -> None:
        """Leave an undo that cannot be finished as it is; what it did is somebody's change."""
        with self._mutex, self._lock.held(_ELSEWHERE):
            self._note.forget()
            self.timeline.reload()
            self._look(thorough=True)

    def undo_plan(self, step: int | None = None, clash: Clash = Clash.REFUSE) -> Plan:
        """Return what taking back the last change, or all from a step on, would do.

        Raises:
            UsageError: there is no such step, or nothing to take back.
        """
        with self._mutex:
            point = self._wanted(step, self.timeline.undoable(), "undo")
            if point.index not in {p.index for p in self.timeline.path(self.timeline.position)}:
                raise UsageError(
                    f"step {point.step} is taken back already",
                    hint=f"`redo {point.step}` makes it anew",
                )
            return plan(self.timeline, point.parent, clash)

    def redo_plan(self, step: int | None = None, clash: Clash = Clash.REFUSE) -> Plan:
        """Return what making the last taken back change anew, or all up to a step, would do.

        Raises:
            UsageError: there is no such step, or nothing to make anew.
        """
        with self._mutex:
            point = self._wanted(step, self.timeline.redoable(), "redo")
            if point.index in {p.index for p in self.timeline.path(self.timeline.position)}:
                raise UsageError(f"step {point.step} is in place already")
            return plan(self.timeline, point.index, clash)

    def go(self, journey: Plan) -> Point:
        """Do what a plan says. The files must be as they were when it was made.

        Raises:
            UsageError: they are not, or a command is running.
            QcodeError: a file cannot be written; going on later finishes the rest.
        """
        with self._mutex, self._lock.held(_ELSEWHERE):
            self._unchanged_since(journey)
            if not journey.overwritten:
                return self._carry_out(journey.title, journey.changes, target=journey.target)
            # As a step of its own, so that what was overwritten can come back by undo.
            return self._carry_out(f"{journey.title} by force", journey.changes, target=-1)

    def pick(self, journey: Plan, taken: Mapping[str, Collection[int]]) -> Point:
        """Do parts of a plan: of each path the hunks whose numbers (from 0) are given.

        What comes of it is a change of its own, with a step's number.
        """
        changes = dict(self._picked(journey.changes, taken))
        with self._mutex, self._lock.held(_ELSEWHERE):
            self._unchanged_since(journey)
            return self._carry_out(f"a part of {journey.title}", changes, target=-1)

    def _picked(
        self, changes: Changes, taken: Mapping[str, Collection[int]]
    ) -> Iterator[tuple[str, tuple[Entry | None, Entry | None]]]:
        for path, (now, want) in changes.items():
            numbers = taken.get(path, ())
            if not numbers:
                continue
            parts = self.hunks(now, want)
            if len(parts) <= len(set(numbers)) or now is None or want is None:
                yield path, (now, want)
                continue
            content = pick(self.content(now), self.content(want), numbers)
            yield path, (now, replace(now, oid=self.store.put("blob", content)))

    def hunks(self, now: Entry | None, want: Entry | None) -> list[Hunk] | list[None]:
        """Return the parts of one path's change; a made, removed or other kind of file is one."""
        regular = all(entry is not None and entry.is_file for entry in (now, want))
        if not regular or now is None or want is None or now.oid == want.oid:
            return [None]
        return hunks(self.content(now), self.content(want)) or [None]

    def content(self, entry: Entry | None) -> bytes:
        """Return what is in a file, or where a link leads."""
        return b"" if entry is None or not entry.oid else self.store.get(entry.oid)

    def head_moved(self, target: int) -> str:
        """Return how the checked out commit differs from that at a point; empty if it does not."""
        then, now = self.timeline.points[target].head, head_commit(self.root)
        return f"{then[:8]} → {now[:8]}" if then and now and then != now else ""

    # The parts.

    def _wanted(self, step: int | None, otherwise: Point | None, verb: str) -> Point:
        if step is None:
            if otherwise is None:
                raise UsageError(f"there is nothing to {verb}")
            return otherwise
        found = self.timeline.step(step)
        if found is None:
            last = max((point.step for point in self.timeline.points), default=0)
            known = f"the steps are 1 to {last}" if last else "no step was made yet"
            raise UsageError(f"there is no step {step}", hint=known)
        return found

    def _look(self, *, named: Sequence[Path] = (), thorough: bool = False) -> Point:
        """Return the point that the files are at; a new one if they changed unseen."""
        state = self._take(named, thorough=thorough)
        if thorough:
            self._thorough_at = time.monotonic()
        if self.timeline.is_empty:
            return self._append(Kind.START, state, "start")
        if state == self.timeline.last.state:
            return self.timeline.last
        return self._append(Kind.OUTSIDE, state, self._what_is_new(state))

    def _take(self, named: Sequence[Path] = (), *, thorough: bool = False) -> State:
        if not self._knows_named and not self.timeline.is_empty:
            # Paths that git ignores and an earlier process was told of.
            known = states_named(self.store, self.timeline.last.state)
            named = [*named, *(self.root / path for path in known)]
        points = self.timeline.points
        made = {path for point in points[self._named_points :] for path in self._made(point)}
        state = self.files.take([*named, *(self.root / path for path in made)], thorough=thorough)
        self._knows_named = True
        self._named_points = len(points)
        return state

    def _made(self, point: Point) -> Collection[str]:
        """Return the paths that a call made, to be kept even if a rule is made that ignores them.

        None where it changed rules, since it may have made visible what was
        there before; nor where it made very many.
        """
        if point.kind is not Kind.CALL:
            return ()
        changes = difference(self.store, self.timeline.before(point), point.state)
        if any(path.rpartition("/")[2] == ".gitignore" for path in changes):
            return ()
        made = [
            path
            for path, (before, after) in changes.items()
            if before is None and after is not None and after.is_kept and not after.is_directory
        ]
        return made if len(made) <= _MOST_MADE else ()

    def _what_is_new(self, state: State) -> str:
        changes = difference(self.store, self.timeline.last.state, state)
        paths = sorted(
            path
            for path, change in changes.items()
            if all(entry is None or entry.is_kept for entry in change)
        )
        if not paths:  # only more (or less) of what git ignores is looked at
            return f"kept from here on: {', '.join(sorted(changes)[:3])}"
        more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
        return f"changed outside: {', '.join(paths[:3])}{more}"

    def _append(self, kind: Kind, state: State, title: str, **facts: Any) -> Point:
        head = head_commit(self.root)
        for _ in range(_TRIES):
            self.store.sync()
            point = self.timeline.append(kind, state, title, head=head, **facts)
            if point is not None:
                return point
            if self.timeline.is_empty:  # its states were dropped meanwhile
                return self._append(Kind.START, state, "start")
            last = self.timeline.last
            if state == last.state and (
                kind is Kind.OUTSIDE  # it was another process's undo
                # A killed process's git has come to its end after all.
                or (kind, facts) == (last.kind, _facts_of(last, facts))
            ):
                return last
        raise QcodeError("the checkpoints of this session are being written by another process")

    def _finish_call(self, call: Mapping[str, Any], *, cut: str = "") -> Point | None:
        state = self._take(thorough=bool(cut or self._unkept))
        point = None
        if self.timeline.is_empty:
            self._append(Kind.START, state, "start")
        elif state != self.timeline.last.state:
            title, call_id = f"{call['call']}{cut}", call["call_id"]
            point = self._append(Kind.CALL, state, title, call_id=call_id)
        self._note.forget()
        return point

    def _unchanged_since(self, journey: Plan) -> None:
        self._recover()
        if self._look(thorough=True).index != journey.seen:
            raise UsageError("files changed since the preview was made", hint="try once more")

    def _carry_out(self, title: str, changes: Changes, *, target: int) -> Point:
        """Change files, and keep what came of it; a kill in between is made good later."""
        note = {
            "title": title,
            "target": target,
            "changes": {path: [_dump(now), _dump(want)] for path, (now, want) in changes.items()},
            "protected": protected(self.root, changes),
        }
        self._note_down(note)
        wanted = {path: want for path, (_now, want) in changes.items()}
        restore(self.root, self.store, wanted, ignored=self.files.ignored)
        return self._arrived(title, target, changes)

    def _arrived(self, title: str, target: int, changes: Changes) -> Point:
        # Not all that changed: what a rule hides again, and stays, is to be in no state.
        there = self.timeline.points[target].state if target >= 0 else None
        known = states_named(self.store, there) if there is not None else ()
        state = self._take([self.root / path for path in known], thorough=True)
        point = self.timeline.last
        if target >= 0 and self.timeline.position != target:
            point = self._append(Kind.MOVE, state, title, target=target)
        elif state != point.state:
            point = self._append(Kind.PICK if target < 0 else Kind.OUTSIDE, state, title)
        self._note.forget()
        return point

    # What a killed process left.

    def _note_down(self, facts: Mapping[str, Any]) -> None:
        """Say what is about to be done, for whoever follows a kill."""
        if self.store.is_private:
            self._name_place()
        self._note.write({**facts, "seen": self.timeline.last.index})

    def _name_place(self) -> None:
        """Say beside a private store whose it is, so that it can go when that is gone."""
        place = private_folder(self.root, self._folder) / "root"
        named = os.fsencode(self.root)
        try:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not place.exists() or place.read_bytes() != named:
                write_whole(place, named)
        except OSError as error:
            raise QcodeError(
                f"no checkpoint can be kept in `{place.parent}`: {error.strerror}"
            ) from error

    def _recover(self) -> str:
        """Finish an undo that was cut off, and return its title; name what a cut-off call did."""
        self.timeline.reload()
        facts = self._note.read()
        if facts is None:
            return ""
        last = self.timeline.last.index if self.timeline.points else -1
        if last > facts.get("seen", last) or self.timeline.is_empty:
            self._note.forget()  # it was killed after all was done and kept
            return ""
        if "call" in facts:
            self._sweep(Path(path) for path in facts.get("named", ()))
            was_cut = facts["call_id"] != self._unkept
            self._finish_call(facts, cut=" (interrupted)" if was_cut else "")
            return ""
        try:
            self._go_on(facts)
        except QcodeError as error:
            raise QcodeError(
                f"`{facts['title']}` was cut off and cannot be finished: {error}",
                hint="repair that, or `qcode undo --give-up` leaves the files as they are",
            ) from error
        return str(facts["title"])

    def _go_on(self, facts: Mapping[str, Any]) -> None:
        """Do the rest of what `_carry_out` began."""
        if not self._knows_named:
            self._take()
        changes = {
            path: (_load(now), _load(want)) for path, (now, want) in facts["changes"].items()
        }
        protect(self.root, facts.get("protected", {}))
        self._sweep(self.root / path for path in changes)
        left = {
            path: want
            for path, (then, want) in changes.items()
            if _is_on_the_way(self.files.look(path), then, want)
        }
        for path in in_the_way(self.root, self.store, left):
            del left[path]  # somebody has put something else there since
        restore(self.root, self.store, left, ignored=self.files.ignored)
        self._arrived(facts["title"], facts["target"], changes)

    def _sweep(self, paths: Iterable[Path]) -> None:
        """Remove what was half written beside files."""
        for folder in {os.path.dirname(self.root / path) for path in paths}:
            sweep(folder)


def _is_on_the_way(now: Entry | None, then: Entry | None, want: Entry | None) -> bool:
    """Return whether a path is as a cut `restore` may have left it, not changed by somebody."""
    if now in (then, want):
        return True
    # A directory is made before it gets its permissions; what gives way to it, or it to, goes.
    kinds = {entry.is_directory for entry in (then, want) if entry is not None}
    return True in kinds and (now is None or now.is_directory)


def _facts_of(point: Point, like: Mapping[str, Any]) -> dict[str, Any]:
    return {name: getattr(point, name) for name in like}


def _dump(entry: Entry | None) -> list[Any] | None:
    return None if entry is None else [entry.mode, entry.oid]


def _load(value: list[Any] | None) -> Entry | None:
    return None if value is None else Entry(int(value[0]), str(value[1]))
