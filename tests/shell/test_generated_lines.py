"""10,000 lines made by chance: what the analysis calls reading is run, and watched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import pytest
from effort import unit_s
from shell_lines import lines, workspace
from thorough import many

from qcode.rules import Rules, rules_of
from qcode.shell.destructive import destruction
from qcode.shell.propose import proposals
from qcode.shell.readonly import Place, doubt
from qcode.shell.words import Unknown, read

COUNT = many(10_000, 2_500)
SEED = 20_240
PATH = "/usr/local/bin:/usr/bin:/bin"
TRACED = many(500, 200)
"""So many lines are run under strace, which is slow."""

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def place(work: Path) -> Place:
    def unreadable(real: str) -> str:
        return "" if real == str(work) or real.startswith(f"{work}/") else "outside"

    return Place(
        str(work), unreadable, tuple(PATH.split(":")), lambda folder: not unreadable(folder)
    )


@lru_cache
def generated() -> tuple[str, ...]:
    return tuple(lines(COUNT, SEED))


def called_reading(work: Path) -> list[str]:
    where = place(work)
    return [line for line in dict.fromkeys(generated()) if not doubt(line, where)]


def analysis(work: Path, rules: Rules) -> Callable[[str], object]:
    where = place(work)

    def analyse(line: str) -> object:
        parts = read(line)
        return (
            doubt(line, where),
            destruction(line, str(work)),
            rules.on_command(line, str(work), str(work)),
            () if isinstance(parts, Unknown) else proposals(parts),
        )

    return analyse


def test_no_line_is_too_much_for_the_analysis(tmp_path: Path) -> None:
    work = workspace(tmp_path)
    rules, _ = rules_of(deny=("shell(git push *)", "edit(migrations/**)"), ask=("shell(npm *)",))
    analyse = analysis(work, rules)
    slow = []
    for line in generated():
        taken = _cpu_s(analyse, line)
        # The collector may have come in between: what is slow is slow again. The longest lines,
        # of 3,500 characters, take a fourth of a unit; what grew by the square would take many.
        if taken > unit_s() and min(_cpu_s(analyse, line) for _ in range(3)) > unit_s():
            slow.append((taken, line[:60]))

    assert slow == []


def _cpu_s(analyse: Callable[[str], object], line: str) -> float:
    begin = time.thread_time()
    analyse(line)
    return time.thread_time() - begin


def test_enough_lines_are_called_reading_to_say_something(tmp_path: Path) -> None:
    found = called_reading(workspace(tmp_path))

    assert len(found) > 0.08 * COUNT
    assert len({line.split()[0] for line in found}) > 30


@pytest.mark.slow
def test_what_is_called_reading_leaves_all_files_as_they_are(tmp_path: Path) -> None:
    work = workspace(tmp_path)
    found = called_reading(work)
    before = tree(tmp_path)

    script = tmp_path.parent / f"{tmp_path.name}.sh"
    script.write_text("".join(f"(\n{line}\n) </dev/null >/dev/null 2>&1\n" for line in found))
    run(["bash", str(script)], work)

    if tree(tmp_path) != before:
        pytest.fail(f"one of these changed something: {_changing(found, work, tmp_path)}")


def _changing(found: Sequence[str], work: Path, top: Path) -> list[str]:
    guilty = []
    for line in found:
        before = tree(top)
        run(["bash", "-c", line], work)
        if tree(top) != before:
            guilty.append(line)
    return guilty


@needs_strace
@pytest.mark.slow
def test_what_is_called_reading_neither_writes_nor_connects_nor_starts_others(
    tmp_path: Path,
) -> None:
    work = workspace(tmp_path)
    found = called_reading(work)
    step = max(1, len(found) // TRACED)
    script = tmp_path.parent / f"{tmp_path.name}.sh"
    script.write_text(
        "".join(f"(\n{line}\n) </dev/null >/dev/null 2>&1\n" for line in found[::step])
    )
    log = tmp_path.parent / f"{tmp_path.name}.strace"
    run(["strace", "-f", "-qq", "-e", f"trace={CALLS}", "-o", str(log), "bash", str(script)], work)

    calls = log.read_text(errors="replace").splitlines()

    assert len(calls) > TRACED
    assert [call for call in calls if forbidden(call)] == []


CALLS = (
    "execve,open,openat,creat,connect,bind,sendto,sendmsg,unlink,unlinkat,rename,renameat,"
    "renameat2,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,chmod,fchmod,fchmodat,chown,"
    "fchown,fchownat,truncate,ftruncate,utimensat,mknod,mknodat,setxattr,kill,ptrace,"
    "clock_settime,settimeofday"
)
_OWN = re.compile(r'"(?:/dev/null|/dev/tty|/dev/urandom)"')
_SCRIPTS = {"sh", "dash", "bash", "ls", "which.debianutils"}
"""What starts others: some of the programs are scripts."""


def forbidden(call: str) -> bool:
    """Whether a line of strace is an effect."""
    if " = -1 " in call or "resumed>" in call or call.endswith("+++"):
        return False
    match = re.match(r"\d+\s+(\w+)\((.*)", call)
    if match is None:
        return False
    name, arguments = match.groups()
    if name in ("open", "openat"):
        return bool(re.search(r"O_(?:WRONLY|RDWR|CREAT|TRUNC)", arguments)) and not _OWN.search(
            arguments
        )
    if name == "execve":
        from qcode.shell.table import TABLE

        program = arguments.split('"')[1].rsplit("/", 1)[-1]
        return program not in {*TABLE, "find", "rg", "sed", *_SCRIPTS}
    if name in ("connect", "sendto", "sendmsg"):
        return "nscd" not in arguments
    return True


def run(argv: Sequence[str], work: Path) -> None:
    environment = {"PATH": PATH, "HOME": str(work.parent / "out"), "LC_ALL": "C.UTF-8"}
    subprocess.run(
        argv, cwd=work, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=300
    )


def tree(top: Path) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for folder, folders, files in os.walk(top):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            found.append((path, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ino))
    return sorted(found, key=str)
