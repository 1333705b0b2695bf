"""Judging what an agent left: what it must not have changed first, then the task's check.

The check runs in a copy, in qcode's sandbox without network where one works, since it runs what
a model wrote. What it may write to is the copy and what lies beside it.
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import hashlib
import json
import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from qcode.errors import QcodeError
from qcode.evals.harness.placing import Placed, changed, content, hashes, write_files
from qcode.evals.harness.surroundings import environment
from qcode.evals.harness.task import Check, Task
from qcode.evals.harness.threads import in_thread
from qcode.evals.harness.trial import REASONS, Reason
from qcode.record import Record
from qcode.sandbox.communicate import communicate
from qcode.sandbox.plain import Plain
from qcode.sandbox.policy import Level, Policy, Tier
from qcode.sandbox.sandbox import Places, Sandbox

MOST_PRINTED = 4 << 20
"""Bytes of a check's output that are kept; a test may print without end."""
MOST_NAMED = 5


class Verdict(Record):
    """What was found."""

    passed: bool
    reason: Reason
    detail: str = ""
    output: str = ""
    """What the check printed."""
    changed: tuple[str, ...] = ()


class Checked(Record):
    """How a check ended."""

    code: int | None
    """None: it was ended at its limit."""
    output: str


async def judge(
    task: Task,
    placed: Placed,
    environ: Mapping[str, str],
    *,
    answer: Path,
    requests: Path | None = None,
    confines: bool = True,
) -> Verdict:
    """Return whether the task is done, and if not, why.

    `answer` is a file with the agent's final words, `requests` one with all that was sent to
    the model. `confines` says whether the check runs in a sandbox. Cancelled, it ends the check
    first, so that nobody waits for its limit and nothing is written to a folder that goes.
    """
    try:
        return await in_thread(
            lambda stop: _judge(
                task, placed, environ, answer, requests, confines=confines, stop=stop
            )
        )
    except (OSError, QcodeError) as error:
        return Verdict(passed=False, reason="error", detail=f"the check could not be run: {error}")


def _judge(
    task: Task,
    placed: Placed,
    environ: Mapping[str, str],
    answer: Path,
    requests: Path | None,
    *,
    confines: bool,
    stop: threading.Event,
) -> Verdict:
    if placed.state_digest and _digest(placed.state) != placed.state_digest:
        detail = "what the judge keeps beside the folder was changed"
        return Verdict(passed=False, reason="escaped", detail=detail)
    if not placed.repo.is_dir() or placed.repo.is_symlink():
        # Nothing is left to be judged, and that is no fault of the harness.
        return Verdict(passed=False, reason="lost_work", detail="the folder itself is gone")
    try:
        open_up(placed.repo)
        return _judge_readable(
            task, placed, environ, answer, requests, confines=confines, stop=stop
        )
    except (RecursionError, OSError) as error:
        is_theirs = isinstance(error, RecursionError | shutil.Error)
        is_theirs = is_theirs or getattr(error, "errno", 0) == errno.ENAMETOOLONG
        if not is_theirs or os.strerror(errno.ENOSPC) in str(error):
            raise
        detail = f"the folder cannot be copied to be judged: {str(error)[:200]}"
        return Verdict(passed=False, reason="lost_work", detail=detail)


def open_up(repo: Path) -> None:
    """Have its owner read all of a folder, whatever an agent forbade, so that it can be copied."""
    needed = stat.S_IRUSR | stat.S_IXUSR | stat.S_IWUSR
    repo.chmod(repo.stat().st_mode | needed)
    for folder, folders, files in os.walk(repo):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError):  # too long a path, say
                mode = os.lstat(path).st_mode
                wanted = needed if stat.S_ISDIR(mode) else stat.S_IRUSR
                if (stat.S_ISDIR(mode) or stat.S_ISREG(mode)) and mode & wanted != wanted:
                    os.chmod(path, stat.S_IMODE(mode) | wanted)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "none"


def _judge_readable(
    task: Task,
    placed: Placed,
    environ: Mapping[str, str],
    answer: Path,
    requests: Path | None,
    *,
    confines: bool,
    stop: threading.Event,
) -> Verdict:
    differs = tuple(changed(placed))
    state = json.loads(placed.state.read_text(encoding="utf-8"))
    guarded = [
        name for name in differs if name in state["files"] and _is_one_of(name, task.protect)
    ]
    if guarded:
        what = f"protected files changed: {_some(guarded)}"
        return Verdict(passed=False, reason="tampered", detail=what, changed=differs)
    if task.only_change is not None:
        others = [name for name in differs if not _is_one_of(name, task.only_change)]
        if others:
            what = f"files outside the task changed: {_some(others)}"
            return Verdict(passed=False, reason="collateral", detail=what, changed=differs)
    variables = {
        **placed.variables,
        "EVAL_STATE": str(placed.state),
        "EVAL_ORIG": str(placed.repo),
        "EVAL_OUTPUT": _seen(answer, placed, "answer"),
        "EVAL_REQUESTS": _seen(requests, placed, "requests"),
        "EVAL_HEAD": placed.head,
    }
    if task.more.get("base") or "fail_to_pass" in task.check.more:
        from qcode.evals.harness.judging_swe import judge_swe

        verdict = judge_swe(
            task, placed, environ, variables, is_changed=bool(differs), confines=confines, stop=stop
        )
    else:
        verdict = _by_check(task, placed, environ, variables, confines=confines, stop=stop)
    return Verdict(verdict.passed, verdict.reason, verdict.detail, verdict.output, differs)


def _seen(path: Path | None, placed: Placed, name: str) -> str:
    """Return a file's copy beside the repository: a check sees nothing of other folders in /tmp."""
    if path is None or not path.exists():
        return os.devnull
    copied = placed.top / f"said-{name}"
    shutil.copyfile(path, copied)
    return str(copied)


def _is_one_of(name: str, globs: Collection[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, each) for each in globs)


def _some(names: Collection[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(sorted(names)[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _by_check(
    task: Task,
    placed: Placed,
    environ: Mapping[str, str],
    variables: Mapping[str, str],
    *,
    confines: bool,
    stop: threading.Event,
) -> Verdict:
    room = placed.top / "check"
    shutil.rmtree(room, ignore_errors=True)
    work, judges = room / "repo", room / "judge"
    judges.mkdir(parents=True)
    try:
        copy(placed.repo, work)
        if task.check.more.get("strict"):
            _drop_foreign(work, task.files)
        write_files(judges, task.check.files)
        write_over(work, task.check.overlay)
        checked = run_check(
            task.check.cmd,
            work,
            room,
            environ,
            {**variables, "EVAL_REPO": str(work), "EVAL_CHECK": str(judges)},
            limit_s=task.check.timeout_s,
            lent=(placed.top, *map(Path, task.check.more.get("reads") or ())),
            venv=placed.venv,
            confines=confines,
            stop=stop,
        )
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return verdict_of(checked, task.check.timeout_s, may_err=_speaks_of_errors(task.check))


def _speaks_of_errors(check: Check) -> bool:
    """Whether a check has the word `error`: one that has not cannot mean to say it."""
    held = (content(each) or b"" for each in check.files.values())
    return "error" in check.cmd or any(b"error" in each for each in held)


def copy(repo: Path, to: Path) -> None:
    """Copy a repository; pipes and sockets that a model made are left out, they would be waited
    for."""

    def unwanted(folder: str, names: list[str]) -> list[str]:
        at = Path(folder)
        return [
            name
            for name in names
            if name in ("__pycache__", ".pytest_cache")
            or not ((at / name).is_symlink() or (at / name).is_file() or (at / name).is_dir())
        ]

    shutil.copytree(repo, to, symlinks=True, ignore=unwanted)


def _drop_foreign(work: Path, given: Mapping[str, Any]) -> None:
    """Remove what an agent added by which a runner of tests would be set otherwise."""
    from qcode.protection.roles import role_at

    for name in hashes(work):
        if name not in given and role_at(name) in ("conftest", "settings", "shadow"):
            (work / name).unlink()


def write_over(work: Path, files: Mapping[str, Any]) -> None:
    """Write hidden tests over the copy; a link or folder that a model put in their place goes."""
    for name in files:
        path = work
        for part in Path(name).parts:
            path = path / part
            is_last = path == work / name
            if path.is_symlink() or (path.exists() and path.is_dir() == is_last):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    write_files(work, files)


def run_check(
    line: str,
    cwd: Path,
    room: Path,
    environ: Mapping[str, str],
    variables: Mapping[str, str],
    *,
    limit_s: float,
    lent: Sequence[Path] = (),
    venv: Path | None = None,
    confines: bool = True,
    stop: threading.Event | None = None,
) -> Checked:
    """Run a line of the shell, confined to the folder `room`, and end all that it started.

    It may read all that it could otherwise, and what is below `lent` wherever they lie.

    Raises:
        OSError, SandboxError: it cannot be started, or `stop` was set meanwhile.
    """
    home = room / "home"
    home.mkdir(exist_ok=True)
    own = environment(environ, home, variables, venv=venv)
    places = Places(room / "config", room / "state", room / "cache")
    tops = tuple(each.resolve() for each in lent or (cwd,))
    policy = Policy(Level.WORKSPACE_WRITE, (room.resolve(),), Path.home(), lent=tops)
    sandbox = Sandbox(policy, places, own)
    argv = ["/bin/sh", "-c", f"exec 2>&1\n{line}"]
    try:
        if confines and sandbox.tier is not Tier.NONE:
            kept = {**sandbox.environment, **variables, "PATH": own["PATH"], "HOME": str(home)}
            child = sandbox.start(argv, cwd=cwd, env=kept)
        else:
            child = Plain().start(argv, cwd=cwd, env=own)
        try:
            done = communicate(child, argv, b"", limit_s, most=MOST_PRINTED, last=True, stop=stop)
        except subprocess.TimeoutExpired:
            return Checked(None, f"(ended after {limit_s:g} s)\n")
        printed = done.stdout + done.stderr
        return Checked(done.returncode, printed.decode("utf-8", "replace"))
    finally:
        sandbox.close()


def verdict_of(checked: Checked, limit_s: float, *, may_err: bool = True) -> Verdict:
    """Return what a check's end means.

    A last line that is a JSON object says it better than the code, but cannot make a pass of a
    failure: what is checked may print as well. `may_err`: whether it is the check that may say
    `error` so, by which a trial drops out of the rates.
    """
    if checked.code is None:
        what = f"the check did not end within {limit_s:g} s"
        return Verdict(passed=False, reason="timeout", detail=what, output=checked.output)
    said = _said(checked.output)
    passed = checked.code == 0 and said.get("ok", True) is True
    if passed:
        return Verdict(passed=True, reason="pass", output=checked.output)
    reason: Reason = "still_failing"
    if (given := said.get("reason")) in REASONS and given != "pass":
        reason = given if may_err or given != "error" else reason
    detail = str(said.get("detail") or "") or _tail(checked.output) or f"exit {checked.code}"
    return Verdict(passed=False, reason=reason, detail=one_line(detail), output=checked.output)


def _said(output: str) -> Mapping[str, Any]:
    last = output.rstrip().rpartition("\n")[2]
    if not last.startswith("{"):
        return {}
    try:
        said = json.loads(last)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _tail(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def one_line(text: str, most: int = 300) -> str:
    """Return a text as one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
