"""Ends a session's process at any one of its effects, and looks at what is left.

Everything is imported before the first fork, so that a child begins at once. The
process that runs a point is a reaper of orphans: what git or a shell were still
doing when their parent was killed has come to its end before anything is looked at.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import io
import json
import os
import pkgutil
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import crash_session as played
from effects import Moment, watch
from filetree import Snapshot, snapshot, untouched

import qcode
from qcode.checkpoints.keeper import Checkpoints
from qcode.checkpoints.states import below, find
from qcode.journal import loading, missing
from qcode.messages import AssistantMessage, Message, ToolMessage
from qcode.sandbox import house
from qcode.sandbox.plain import Plain

WORKSPACE = "played"
"""The folder in which a session is played."""

LEFTOVER = re.compile(r"(.*/)?\.qcode-tmp-[0-9a-f]{12}(/.*)?")
"""Names of files that a killed qcode may leave."""

_UNUSED = ("evals", "local", "doctor", "providers.litellm", "providers.sdk", "providers.responses")


def preload() -> None:
    """Import what a session needs, so that forked children have it."""
    for found in pkgutil.walk_packages(qcode.__path__, "qcode."):
        name = found.name.removeprefix("qcode.")
        if not name.startswith(_UNUSED) and name != "__main__":
            importlib.import_module(found.name)
    from qcode.syntax import newly_broken

    newly_broken("a.py", "x = 1\n", "x = 2\n")
    newly_broken("a.json", "1\n", "2\n")


def adopt_orphans() -> None:
    """Become the parent of what a killed child leaves running (Linux alone knows that)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Point:
    """Where a session ends."""

    place: str
    """`repository` or `folder`."""
    number: int
    """Of the moment, from 1."""
    children: float = -1.0
    """Seconds until its children are killed as well; below 0: they end by themselves."""
    after_s: float = -1.0
    """Seconds after that moment until it is killed; below 0: at that very moment."""
    again: int = 0
    """Of the moment at which what makes it good is killed, too; 0: it is not."""
    resumed: bool = False
    """Whether the session is taken up again afterwards."""


@dataclass(slots=True)
class Outcome:
    """What became of a point."""

    point: Point | Failure
    moment: str = ""
    """Where it was killed or failed; empty if the session came to its end before."""
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        where = self.moment or "at the end"
        return f"{self.point}: {where}: " + "; ".join(self.problems)


@dataclass(slots=True)
class Sight:
    """What an undisturbed session looks like."""

    states: list[Snapshot]
    """Of the files, before the session and after each of its calls and commands."""
    git_dir: dict[str, bytes]
    messages: list[Message]
    moments: list[str]


class Place:
    """A workspace and a home for sessions, as they are before one begins."""

    def __init__(self, folder: Path, kind: str, base_url: str) -> None:
        self.folder = folder
        self.kind = kind
        self.base_url = base_url
        self._template = folder / f"{kind}-template"
        played.make_workspace(self._template / WORKSPACE, repository=kind == "repository")
        (self._template / "home").mkdir()
        self.sight = self._seen()

    def fresh(self, name: str) -> Path:
        """Return a folder with a workspace (`work`) and an empty home (`home`)."""
        made = self.folder / name
        subprocess.run(["cp", "-a", self._template, made], check=True)
        return made

    def _seen(self) -> Sight:
        where = self.fresh(f"{self.kind}-seen")
        states = [snapshot(where / WORKSPACE)]
        moments: list[str] = []

        def listener(moment: Moment) -> None:
            moments.append(str(moment).replace(str(where), ""))
            # A call's result is written when its effects are there, all of them.
            if moment.effect == "write" and moment.path.endswith(".jsonl"):
                states.append(snapshot(where / WORKSPACE))

        def all_of_it() -> dict[str, Any]:
            watch(listener)
            codes = [_command(words) for words in played.COMMANDS]
            states.append(snapshot(where / WORKSPACE))
            distinct = [s for i, s in enumerate(states) if s not in states[:i]]
            return {"codes": codes, "states": _packed(distinct), "moments": moments}

        told = _forked(all_of_it, where, self.base_url)
        assert told.get("codes") == [0] * len(played.COMMANDS), (told, _said(where))
        (path,) = (where / "home/state/qcode/sessions").glob("*.jsonl")
        sight = Sight(
            [_unpacked(each) for each in told["states"]],
            untouched(where / WORKSPACE / ".git") if self.kind == "repository" else {},
            loading.load(path).messages,
            told["moments"],
        )
        remove(where)
        return sight


def _packed(states: Sequence[Snapshot]) -> list[dict[str, list[Any]]]:
    return [{p: [k, m, d.decode("latin-1")] for p, (k, m, d) in s.items()} for s in states]


def _unpacked(state: dict[str, list[Any]]) -> Snapshot:
    return {path: (k, m, d.encode("latin-1")) for path, (k, m, d) in state.items()}


# Processes.


def _command(words: Sequence[str]) -> int:
    from qcode.cli import run_command

    return run_command(list(words))


def _forked(work: Callable[[], dict[str, Any]], where: Path, base_url: str) -> dict[str, Any]:
    """Do something in a process of its own in a place; return what it tells.

    What it tells comes in JSON lines: `_tell` in it adds one, and its result is the last.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _be(work, where, base_url, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        # Its children have the pipe as well, if it was killed between a fork and an exec.
        lines = file.read().splitlines()
    os.waitpid(child, 0)
    told: dict[str, Any] = {}
    for line in lines:
        told |= json.loads(line)
    return told


def _be(work: Callable[[], dict[str, Any]], where: Path, base_url: str, writing: int) -> None:
    code = 1
    try:
        # Not what an earlier test of this process had its git started by.
        house.use(Plain)
        os.environ.clear()
        os.environ.update(played.environment(where / "home", base_url))
        os.chdir(where / WORKSPACE)
        out = os.open(where / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor in (1, 2):
            os.dup2(out, descriptor)
        sys.stdin = io.TextIOWrapper(io.FileIO(0, "r", closefd=False))
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), write_through=True)
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), write_through=True)
        write = os.write
        told = work()
        write(writing, json.dumps(told).encode() + b"\n")
        code = 0
    except BaseException:  # noqa: BLE001
        with contextlib.suppress(OSError):
            os.write(writing, json.dumps({"crash": traceback.format_exc()}).encode() + b"\n")
    finally:
        os._exit(code)


def _said(where: Path) -> str:
    try:
        return (where / "said").read_text(errors="replace")
    except OSError:
        return ""


_STUCK_S = 8.0


def _reap(kill_after_s: float) -> None:
    """Wait for all children; kill those that are there after a while, if wanted."""
    if kill_after_s >= 0:
        time.sleep(kill_after_s)
        for number in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
    until = time.monotonic() + _STUCK_S
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not ended:
            time.sleep(0.005)
        if time.monotonic() > until:
            for number in filter(_is_stuck, _children()):
                os.kill(number, signal.SIGKILL)


def _is_stuck(number: int) -> bool:
    """Whether a process is a bubblewrap that waits for the other one, which was killed.

    Until its user namespace is set up it does not notice that; it never gets to run anything.
    """
    try:
        return Path(f"/proc/{number}/comm").read_text() == "bwrap\n"
    except OSError:
        return False


def _children() -> list[int]:
    """Return all processes below this one."""
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        for path in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                fresh = [int(word) for word in path.read_text().split()]
                found += fresh
                waiting += fresh
    return found


# Points of particular kinds.


def started(moments: Sequence[str], command: str) -> list[int]:
    """Return the moments right after a process was started whose command begins like that."""
    wanted = f"after start {command}"
    return [number for number, moment in enumerate(moments, 1) if moment.startswith(wanted)]


def travelling(moments: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the moments at which an undo or a redo changes the workspace."""
    marked = False
    for number, moment in enumerate(moments, 1):
        if moment.startswith("after replace") and moment.endswith(".pending"):
            marked = True
        elif "/home/" in moment and moment.startswith("before"):
            marked = False
        if marked and f"/{WORKSPACE}/" in moment and "/.git/" not in moment:
            yield number, moment


# Killing.


def killed(place: Place, where: Path, point: Point, work: Callable[[], Any], number: int) -> str:
    """Do something until a moment, and be killed there; return which one it was."""
    real_write, pid = os.write, os.getpid()

    def do() -> dict[str, Any]:
        me = os.getpid()
        assert me != pid
        count = 0

        def listener(moment: Moment) -> None:
            nonlocal count
            count += 1
            if count != number:
                return
            line = {"moment": str(moment).replace(str(where), "")}
            real_write(telling, json.dumps(line).encode() + b"\n")
            if point.after_s < 0:
                os.kill(me, signal.SIGKILL)
            else:
                # By a process of its own: this one's threads are busy.
                if os.fork() == 0:
                    time.sleep(point.after_s)
                    os.kill(me, signal.SIGKILL)
                    os._exit(0)

        watch(listener)
        work()
        return {"ended": True}

    reading, telling = os.pipe()
    try:
        told = _forked(do, where, place.base_url)
        os.close(telling)
        telling = -1
        with os.fdopen(reading, "rb") as file:
            line = file.readline()
    finally:
        if telling >= 0:
            os.close(telling)
    _reap(point.children)
    if "crash" in told:
        raise RuntimeError(told["crash"])
    return "" if told.get("ended") else str(json.loads(line)["moment"])


def session() -> None:
    """Be the whole session."""
    for words in played.COMMANDS:
        code = _command(words)
        if code:
            raise RuntimeError(f"{words}: exit code {code}")


def run_point(place: Place, point: Point) -> Outcome:
    """Run a session up to a point, and look at all that is left of it."""
    start = time.perf_counter()
    adopt_orphans()
    outcome = Outcome(point)
    where = place.fresh(f"{place.kind}-{os.getpid()}-{point.number}-{point.again}")
    try:
        outcome.moment = killed(place, where, point, session, point.number)
        if point.again:
            moment = killed(place, where, point, lambda: _open(where), point.again)
            outcome.moment += f", then {moment}" if moment else ""
        outcome.problems += look_at(place, where, point)
    except Exception:  # noqa: BLE001
        outcome.problems.append(traceback.format_exc())
    finally:
        remove(where)
    outcome.seconds = time.perf_counter() - start
    return outcome


def remove(folder: Path) -> None:
    """Remove a folder with all that is protected in it."""
    for path, _folders, _files in os.walk(folder):
        os.chmod(path, 0o700)
    shutil.rmtree(folder)


# Failing.

PLACES = {
    "checkpoints": re.compile(r"git |.*(/\.git/|/checkpoints/)"),
    "journal": re.compile(r".*/sessions/"),
    "files": re.compile(rf".*/{WORKSPACE}/(?!\.git/)"),
}
"""What an error is about: which paths, or commands."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error in place of an effect."""

    place: str
    """`repository` or `folder`."""
    about: str
    """A key of `PLACES`."""
    number: int
    """Of the effect among those, from 1."""
    code: int
    lasting: bool = False
    """Whether all that come after it fail as well, until the command has ended."""


def _fails(moment: Moment, about: str) -> bool:
    begins = moment.when == "before" or (moment.when == "half" and moment.effect == "write")
    return begins and PLACES[about].match(moment.path) is not None


def failures(place: Place, about: str) -> int:
    """Return how many effects can fail in an undisturbed session."""
    moments = (Moment(*text.split(" ", 2)) for text in place.sight.moments)
    return sum(_fails(moment, about) for moment in moments)


def run_failure(place: Place, failure: Failure) -> Outcome:
    """Run a session with an error in it to its end, and look at what is left of it."""
    start = time.perf_counter()
    adopt_orphans()
    outcome = Outcome(failure)
    where = place.fresh(f"{place.kind}-{os.getpid()}-{failure.about}-{failure.number}")
    try:
        told = _forked(lambda: _failed(failure), where, place.base_url)
        outcome.moment = str(told.get("moment", "")).replace(str(where), "")
        outcome.problems += [told["crash"]] if "crash" in told else []
        outcome.problems += list(_gone_on(place, where, told))
    except Exception:  # noqa: BLE001
        outcome.problems.append(traceback.format_exc())
    finally:
        remove(where)
    outcome.seconds = time.perf_counter() - start
    return outcome


def _failed(failure: Failure) -> dict[str, Any]:
    count, moments, is_over = 0, [], False

    def listener(moment: Moment) -> None:
        nonlocal count
        if is_over or not _fails(moment, failure.about):
            return
        count += 1
        if count == failure.number or (failure.lasting and count > failure.number):
            moments.append(str(moment))
            raise OSError(failure.code, os.strerror(failure.code), moment.path)

    watch(listener)
    codes = []
    for words in played.COMMANDS:
        codes.append(_command(words))
        is_over = is_over or bool(moments)
    return {"codes": codes, "moment": moments[0] if moments else ""}


def _gone_on(place: Place, where: Path, told: dict[str, Any]) -> Iterator[str]:
    """With room on the disk again all goes on, and nothing was lost."""
    said = _said(where)
    for word in ("Traceback", "bug in qcode", "inside qcode"):
        if word in said:
            yield f"{word} in what is said: {said[-1500:]}"
    # 1: it could not be done; 2: no such step, since one before it was not made.
    if not set(told.get("codes", ())) <= {0, 1, 2}:
        yield f"exit codes {told.get('codes')}"
    path = _journal_of(where)
    if path is None:
        return
    loaded = loading.load(path)
    if loaded.damaged:
        yield f"{loaded.damaged} lines of the journal are damaged"
    yield from _answered_once(loaded.messages)
    for message in loaded.messages:
        if isinstance(message, ToolMessage) and "inside qcode" in message.text:
            yield message.text
    yield from _resumed(place, where)
    if place.kind == "repository" and untouched(where / WORKSPACE / ".git") != place.sight.git_dir:
        yield "HEAD, index, a branch or the stash is not as before"
    yield from _fsck(place, where)


# Looking.


def look_at(place: Place, where: Path, point: Point) -> list[str]:
    """Return what is wrong with what a killed session left."""
    problems = list(_files(place, where, point))
    problems += _messages(place, where)
    told = _forked(lambda: {"problems": list(_travelled(place, where))}, where, place.base_url)
    problems += told.get("problems", []) + [told[key] for key in ("crash",) if key in told]
    if place.kind == "repository" and untouched(where / WORKSPACE / ".git") != place.sight.git_dir:
        problems.append("HEAD, index, a branch or the stash is not as before")
    problems += _fsck(place, where)
    if point.resumed:
        problems += _resumed(place, where)
    _reap(-1)
    return problems


def _without_leftovers(found: Snapshot) -> Snapshot:
    return {path: what for path, what in found.items() if not LEFTOVER.fullmatch(path)}


def _files(place: Place, where: Path, point: Point) -> Iterator[str]:
    """Each file is as it was at one time of an undisturbed session."""
    states = place.sight.states
    found = _without_leftovers(snapshot(where / WORKSPACE))
    of_shells = played.shell_paths() if point.children >= 0 else frozenset()
    for path in found.keys() | {path for state in states for path in state}:
        ever = [state.get(path) for state in states]
        now = found.get(path)
        if now in ever or path in of_shells:
            continue
        if now is not None and _is_open_for_a_moment(now, ever):
            continue
        if point.children >= 0 and now is not None and _half_a_shell(now, ever):
            continue
        yield f"{path} is {now}, and never was"


def _is_open_for_a_moment(now: tuple[str, int, bytes], ever: Sequence[Any]) -> bool:
    """Whether it is a protected directory that something is being put into."""
    dirs = [what for what in ever if what is not None and what[0] == "dir"]
    return now[0] == "dir" and any(what[1] | 0o700 == now[1] for what in dirs)


def _half_a_shell(now: tuple[str, int, bytes], ever: Sequence[Any]) -> bool:
    """Whether a shell killed in the middle may have left that: the mode is not set yet."""
    return any(w is not None and (w[0], w[2]) == (now[0], now[2]) for w in ever)


def _journal_of(where: Path) -> Path | None:
    found = list((where / "home/state/qcode/sessions").glob("*.jsonl"))
    return found[0] if found and b"\n" in found[0].read_bytes() else None


def _messages(place: Place, where: Path) -> Iterator[str]:
    """The journal tells what an undisturbed session's does, up to where it was cut."""
    path = _journal_of(where)
    if path is None:
        return
    loaded = loading.load(path)
    if loaded.damaged:
        yield f"{loaded.damaged} lines of the journal are damaged"
    yield from _answered_once(loaded.messages)
    cut = (missing.NOT_RUN, missing.CUT_SHORT)
    full = place.sight.messages
    for number, message in enumerate(loaded.messages):
        if number >= len(full):
            yield "the journal has more messages than an undisturbed session's"
            return
        wanted = full[number]
        if message == wanted:
            continue
        if isinstance(message, ToolMessage) and message.text in cut:
            later = loaded.messages[number:]
            if all(isinstance(each, ToolMessage) and each.text in cut for each in later):
                continue
        if number == len(loaded.messages) - 1 and _is_begun(message, wanted):
            continue
        yield f"message {number} is {message}, not {wanted}"
        return


def _is_begun(message: Message, wanted: Message) -> bool:
    """Whether it is the first part of the wanted answer."""
    return (
        isinstance(message, AssistantMessage)
        and isinstance(wanted, AssistantMessage)
        and message.interrupted
        and wanted.text.startswith(message.text)
    )


def _answered_once(messages: Sequence[Message]) -> Iterator[str]:
    waiting: list[str] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            if not waiting or waiting.pop(0) != message.call_id:
                yield f"an answer to {message.call_id} is out of place"
                return
        elif waiting:
            yield f"the calls {waiting} have no answer"
            return
        elif isinstance(message, AssistantMessage):
            waiting = [call.id for call in message.tool_calls]
    if waiting:
        yield f"the calls {waiting} have no answer"


def _open(where: Path) -> Checkpoints | None:
    path = _journal_of(where)
    if path is None:
        return None
    kept = Checkpoints(where / WORKSPACE, path.stem, where / "home/state/qcode/checkpoints")
    kept.look()
    return kept


def _travelled(place: Place, where: Path) -> Iterator[str]:
    """All states are there, and the first and the last can be gone to."""
    kept = _open(where)
    if kept is None:
        return
    now = snapshot(where / WORKSPACE)
    names = [path for path in now if LEFTOVER.fullmatch(path)]
    for point in kept.timeline.points:
        for path in below(kept.store, point.state):
            entry = find(kept.store, point.state, path)
            if entry is not None and entry.oid:
                kept.store.get(entry.oid)
            if LEFTOVER.fullmatch(path):
                yield f"{path} is in the state of `{point.title}`"
        if point.kind == "outside":
            yield f"`{point.title}` is taken for a person's"
    before = _without_leftovers(now)
    in_place = [p.step for p in kept.timeline.path(kept.timeline.position) if p.is_change]
    first = place.sight.states[0]
    if in_place:
        plan = kept.undo_plan(1)
        if plan.conflicts:
            yield f"undo has conflicts: {plan.conflicts}"
            return
        kept.go(plan)
    yield from _differs("after undo", _without_leftovers(snapshot(where / WORKSPACE)), first)
    if in_place:
        kept.go(kept.redo_plan(in_place[0]))
        yield from _differs("after redo", _without_leftovers(snapshot(where / WORKSPACE)), before)
    if names:
        kept.look()
    kept.close()
    yield from _unlocked(where)


def _unlocked(where: Path) -> Iterator[str]:
    for path in (where / "home/state/qcode/checkpoints").glob("*.pending"):
        yield f"{path.name} is still there: {path.read_text()[:200]}"


def _differs(when: str, found: Snapshot, wanted: Snapshot) -> Iterator[str]:
    for path in sorted(found.keys() | wanted.keys()):
        if found.get(path) != wanted.get(path):
            yield f"{when} {path} is {found.get(path)}, not {wanted.get(path)}"


def _fsck(place: Place, where: Path) -> Iterator[str]:
    if place.kind == "repository":
        folders = [where / WORKSPACE / ".git"]
    else:
        folders = list((where / "home/state/qcode/checkpoints").glob("*/files.git"))
    for folder in folders:
        done = subprocess.run(
            ["git", f"--git-dir={folder}", "fsck", "--full", "--no-dangling", "--no-progress"],
            capture_output=True,
            text=True,
            env={**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(where)},
        )
        said = [line for line in (done.stdout + done.stderr).splitlines() if _is_complaint(line)]
        if done.returncode or said:
            yield f"git fsck: {done.returncode} {said}"


def _is_complaint(line: str) -> bool:
    return not line.startswith(("notice:", "dangling ", "warning: garbage"))


def _resumed(place: Place, where: Path) -> Iterator[str]:
    path = _journal_of(where)
    if path is None:
        return
    words = ("run", "-y", "--resume", path.stem, played.NEXT)
    for _ in range(2):
        told = _forked(lambda: {"code": _command(words)}, where, place.base_url)
        if told.get("code") != 0:
            yield f"the resumed session ends with {told}: {_said(where)[-1500:]}"
            return
    loaded = loading.load(path)
    if loaded.damaged:
        yield "the journal is damaged after resuming"
    yield from _answered_once(loaded.messages)
    made = sum(1 for each in loaded.messages if getattr(each, "tool_calls", ()))
    if made != len(played.FIRST) + len(played.SECOND):
        yield f"after resuming, {made} answers with calls are in the journal"
    told = _forked(lambda: {"problems": list(_travelled(place, where))}, where, place.base_url)
    for problem in told.get("problems", [told.get("crash")]):
        yield f"resumed: {problem}"
