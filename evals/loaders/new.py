"""What both ways of making a task share: files, commands tried in the sandbox, the last proof.

A task is written only if its check fails on what is laid out and passes with the known answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from qcode import paths
from qcode.errors import QcodeError, UsageError
from qcode.evals.harness.task import Check, Content, Task
from qcode.evals.loaders import kit
from qcode.evals.loaders.base import as_bytes
from qcode.record import Record
from qcode.sandbox.policy import Level, Limits, Policy
from qcode.sandbox.sandbox import Places, Sandbox
from qcode.tools.clip import clip
from qcode.verification.outcome import Outcome
from qcode.verification.running import verify

MOST_INLINE = 2 << 20
"""Bytes of files that are written into the line of a task; more go into a bundle."""

TRY_S = 900.0
"""For one run of the tests while a task is made."""

_LEAST_S = 60.0
_SLACK = 10.0
"""A check may take so many times as long as it took here: others' machines are slower."""

SECRET = re.compile(r"(?:^|/)\.env[^/]*\Z|(?:^|/)(?:id_\w+|[^/]*\.pem|[^/]*\.key)\Z")
"""Files that go into no task, whatever a commit or a session had."""


class Known(Record):
    """A task in the making, and its answer."""

    task: Task
    answer: Mapping[str, Content]
    """What the files are in the end, of those that differ; None: not there any more."""


class Found(Record):
    """What running the tests before and after told."""

    command: str
    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...]
    duration_s: float


@contextmanager
def room() -> Iterator[Path]:
    """Give a folder to try things in, below the cache, where a sandbox can be put around it."""
    base = paths.cache_dir() / "evals"
    base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="new-", dir=base) as name:
        yield Path(name).resolve()


def lay_out(files: Mapping[str, Content], folder: Path) -> None:
    """Write files into a folder; those that are not to be there are removed."""
    for name, held in files.items():
        path = folder / name
        if held is None:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_bytes(held))
        if isinstance(held, Mapping) and held.get("exec"):
            path.chmod(0o755)


def run(command: str, folder: Path, environ: Mapping[str, str], when: str) -> Outcome:
    """Run a command in the sandbox, with qcode's own Python first, as checks have it.

    As that may take minutes, a person is told on stderr: `when` says which of several runs it is.

    Raises:
        SandboxError: there is no sandbox here.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', '')}"
    own = {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    home = Path(environ.get("HOME") or Path.home())
    print(f"running {clip(command)} {when} …", file=sys.stderr)
    policy = Policy(Level.WORKSPACE_WRITE, (folder,), home, limits=Limits())
    places = Places(paths.config_dir(), paths.state_dir(), paths.cache_dir())
    sandbox = Sandbox(policy, places, {**environ, **own})
    try:
        with tempfile.TemporaryDirectory(prefix="qcode-spill-") as spill:
            outcomes = asyncio.run(
                verify(
                    [command], cwd=folder, launcher=sandbox, spill_dir=Path(spill), timeout_s=TRY_S
                )
            )
    finally:
        sandbox.close()
    return outcomes[0]


def compare(command: str, before: Outcome, after: Outcome, *, is_pytest: bool) -> Found:
    """Return which tests the answer mends, and the command that judges by them.

    Raises:
        UsageError: they pass before, or do not pass after.
    """
    was = {case.name: case.status for case in before.cases}
    now = {case.name: case.status for case in after.cases}
    if before.passed:
        raise UsageError("its tests pass before the change already, so they show nothing")
    if after.exit_code is None:
        raise UsageError(f"its tests do not end within {TRY_S:.0f} s")
    mended = [name for name, s in now.items() if s == "passed" and was.get(name) != "passed"]
    kept = [name for name, s in now.items() if s == "passed" and was.get(name) == "passed"]
    if not after.passed:
        failing = [name for name, s in now.items() if s in ("failed", "error")]
        others = [name for name in failing if "::" in name]
        # Tests that fail with the answer as well are left out, where they can be named.
        if not is_pytest or not mended or len(others) != len(failing) or not others:
            raise UsageError(
                f"its tests fail with the change as well: {_why(after)}",
                hint="name the command that passes: --check COMMAND",
            )
        command = " ".join([command, *(f"--deselect={shlex.quote(name)}" for name in others)])
    if now and not mended:
        raise UsageError("no test fails before the change and passes with it")
    return Found(command, tuple(mended), tuple(kept), after.duration_s)


def check_of(found: Found, overlay: Mapping[str, Content]) -> Check:
    """Return the check that a task gets."""
    limit = max(_LEAST_S, round(found.duration_s * _SLACK))
    more = {"fail_to_pass": list(found.fail_to_pass), "pass_to_pass": list(found.pass_to_pass)}
    # Others' names are not read from an output again: of these the exit code judges.
    counts = found.fail_to_pass and all("::" in name for names in more.values() for name in names)
    return Check(found.command, float(limit), overlay, more=more if counts else {})


def prove(line: str, answer: Mapping[str, Content], out: Path, environ: Mapping[str, str]) -> None:
    """Lay a written task out as `qcode eval` does, and see that it fails, and passes when solved.

    Raises:
        UsageError: it does not.
    """
    from qcode.evals.harness.judging import judge
    from qcode.evals.harness.placing import place, write_files

    task = kit.parse(json.loads(line), "the task", folder=out.parent)

    async def proved(top: Path) -> None:
        placed = await place(task, top / "task", environ)
        for name, also in (("before", {}), ("with", answer)):
            write_files(placed.repo, also)
            print(f"judging {name} the change, laid out anew …", file=sys.stderr)
            verdict = await judge(task, placed, environ, answer=top / "no-words")
            if verdict.reason == "error":
                raise UsageError(f"laid out anew, its check cannot be judged: {verdict.detail}")
            if verdict.passed == (name == "before"):
                how = "passes before" if verdict.passed else f"fails ({verdict.detail}) with"
                raise UsageError(f"laid out anew, its check {how} the change")

    with room() as top:
        asyncio.run(proved(top))


def check_free(task_id: str, out: Path) -> None:
    """See that a file of tasks, if it is there, has none of that name.

    Raises:
        UsageError: it has one, or is none of tasks; or the name is none.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", task_id):
        raise UsageError(f"{task_id!r} is no id of a task", hint="take letters, digits, . _ -")
    if out.exists() and any(task.id == task_id for task in kit.load(out)):
        raise UsageError(f"{out} has a task {task_id} already", hint="name another: --id NAME")


def append(line: str, task_id: str, out: Path) -> None:
    """Add a task to a file, whole or not at all.

    Raises:
        UsageError: the file has a task of that name, or is none of tasks.
        QcodeError: it cannot be written.
    """
    check_free(task_id, out)
    before = ""
    if out.exists():
        before = out.read_text(encoding="utf-8")
        before += "" if before.endswith("\n") or not before else "\n"
    fresh = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        fresh.write_text(f"{before}{line}\n", encoding="utf-8")
        fresh.replace(out)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise QcodeError(f"{out} cannot be written: {error.strerror}") from error


def pytest_command(tests: Sequence[str]) -> str:
    """Return the command that runs some test files by pytest and names each test."""
    return " ".join(["python -m pytest -rA -p no:cacheprovider", *map(shlex.quote, sorted(tests))])


def is_pytest_file(path: str) -> bool:
    """Whether pytest collects tests from a file by its name."""
    name = path.rpartition("/")[2]
    return re.fullmatch(r"test_.*\.py|.*_test\.py", name) is not None


def slug(text: str) -> str:
    """Return a text as a part of a task's id."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-")


def _why(outcome: Outcome) -> str:
    if outcome.exit_code is None:
        return "it did not end in time"
    failing = next((case for case in outcome.cases if case.status in ("failed", "error")), None)
    if failing is not None:
        return f"{failing.name} {failing.message}".strip()
    lines = [line for line in outcome.output.splitlines() if line.strip()]
    return f"exit code {outcome.exit_code}, {lines[-1].strip() if lines else 'nothing printed'}"
