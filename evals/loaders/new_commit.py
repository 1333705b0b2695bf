"""A task from a commit of a person's own repository: what it did is to be done again.

The parent's files are laid out, the commit's tests are hidden and judge, its message is the
draft of the prompt. Which tests it mends is found by running them before and after.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from qcode.errors import QcodeError, UsageError
from qcode.evals.harness.task import Content, Task
from qcode.evals.loaders import bundles, new, source, swe_place
from qcode.evals.loaders.base import as_content, tree
from qcode.evals.loaders.new import Known
from qcode.protection.roles import role_at
from qcode.record import Record
from qcode.verification.detecting import detect

_TRAILER = re.compile(r"^[A-Z][\w-]+(?:-by|-By)?: \S.*$|^\(cherry picked from .*\)$")
_REFERENCE = re.compile(r"\s*\(#\d+\)\Z")
RULES = (
    "Change the sources only: tests that you cannot see will be run, and those that are there "
    "may be replaced by others."
)
_TESTS = ("test", "data", "conftest")


class Change(Record):
    """A commit, told apart."""

    repository: Path
    commit: str
    parent: str
    message: str
    tests: tuple[str, ...]
    sources: tuple[str, ...]


def read(repository: Path, revision: str) -> Change:
    """Return what a commit changed.

    Raises:
        UsageError: it is no commit with one parent, or changes no tests, or nothing but tests.
    """
    try:
        top = Path(source.git("rev-parse", "--show-toplevel", folder=repository).decode().strip())
    except QcodeError as error:
        raise UsageError(f"{repository} is in no git repository") from error
    if revision.startswith("-"):
        raise UsageError(f"{revision!r} is no git revision")
    try:
        said = source.git("rev-list", "--parents", "-1", revision, "--", folder=top)
    except QcodeError as error:
        raise UsageError(f"{top} has no commit {revision}") from error
    commit, *parents = said.decode().split()
    if len(parents) != 1:
        what = "has no parent" if not parents else "is a merge"
        raise UsageError(f"{revision} {what}", hint="name a commit with one parent")
    listed = source.git("diff", "--name-only", "--no-renames", "-z", parents[0], commit, folder=top)
    names = [name for name in listed.decode("utf-8", "surrogateescape").split("\0") if name]
    tests = tuple(name for name in names if role_at(name) in _TESTS)
    sources = tuple(name for name in names if name not in tests)
    short = commit[:10]
    if not any(role_at(name) == "test" for name in tests):
        raise UsageError(f"{short} changes no tests", hint="they are what judges a task")
    if not sources:
        raise UsageError(f"{short} changes nothing but tests")
    message = source.git("log", "-1", "--format=%B", commit, folder=top).decode("utf-8", "replace")
    return Change(top, commit, parents[0], message, tests, sources)


def make(
    change: Change,
    out: Path,
    environ: Mapping[str, str],
    *,
    name: str = "",
    suite: str = "own",
    check: str = "",
    prompt: str = "",
    in_bundle: bool = False,
) -> Known:
    """Return the task and its answer; a bundle, where there is one, is written beside `out`.

    Raises:
        UsageError: the tests pass before or fail after, or no command for them is known.
        SandboxError: there is no sandbox to run them in.
    """
    task_id = name or f"{suite}-{new.slug(change.repository.name)}-{change.commit[:10]}"
    new.check_free(task_id, out)
    with new.room() as top:
        before, after = top / "before", top / "after"
        before.mkdir()
        after.mkdir()
        swe_place.check_out(change.repository, change.parent, before)
        swe_place.check_out(change.repository, change.commit, after)
        files = {path: held for path, held in tree(before, most_bytes=256 << 20).items()
                 if not new.SECRET.search(path)}  # fmt: skip
        overlay = _held(change.tests, after)
        answer = _held(change.sources, after)
        collected = [path for path in change.tests
                     if new.is_pytest_file(path) and overlay[path] is not None]  # fmt: skip
        command = check or _command(collected, change, after)
        new.lay_out(overlay, before)
        found = new.compare(
            command,
            new.run(command, before, environ, "before the change"),
            new.run(command, after, environ, "with the change"),
            is_pytest="pytest" in command,
        )
    more: dict[str, object] = {"commit": change.commit}
    size = sum(len(str(held)) for held in files.values())
    if in_bundle or size > new.MOST_INLINE:
        made = bundles.write(change.repository, change.parent, out.with_name(f"{task_id}.bundle"))
        more["bundle"] = {
            "file": made.file.name, "sha256": made.sha256, "commit": made.commit,
        }  # fmt: skip
        files = {}
    task = Task(
        id=task_id,
        suite=suite,
        prompt=prompt or draft(change.message),
        check=new.check_of(found, overlay),
        files=files,
        category="commit",
        source=f"{change.repository.name} {change.commit}",
        more=more,
    )
    return Known(task, answer)


def draft(message: str) -> str:
    """Return a commit's message as a prompt: without trailers and numbers of pull requests."""
    lines = [line.rstrip() for line in message.strip().splitlines()]
    lines = [line for line in lines if not _TRAILER.match(line)]
    if lines:
        lines[0] = _REFERENCE.sub("", lines[0])
    said = "\n".join(lines).strip()
    return f"{said}\n\n{RULES}" if said else RULES


def _held(names: Sequence[str], folder: Path) -> dict[str, Content]:
    """Return files as they are in a folder; None for those that are not there."""
    found: dict[str, Content] = {}
    for name in names:
        path = folder / name
        if path.is_file() and not path.is_symlink():
            runs = bool(path.stat().st_mode & 0o100)
            found[name] = as_content(path.read_bytes(), runs=runs)
        else:
            found[name] = None
    return found


def _command(collected: Sequence[str], change: Change, folder: Path) -> str:
    code = [path for path in change.tests if role_at(path) == "test"]
    if collected and all(path.endswith(".py") for path in code):
        return new.pytest_command(collected)
    try:
        return detect(folder).command
    except UsageError as error:
        raise UsageError(
            f"no command that runs the tests of {change.repository.name} is known",
            hint="name it: --check COMMAND",
        ) from error
