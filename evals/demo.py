"""`make demo`: the embedded model repairs a small repository whose test fails.

The repository is a copy of `demo/` beside this file, in a temporary folder. The
prompt does not say where the fault is. What counts is judged here and not by the
agent: the tests pass, and their files are as they were.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parent / "demo"
TESTS = ("python", "-m", "unittest", "-q")
PROMPT = "fix the failing test"
QCODE = (sys.executable, "-P", "-m", "qcode")
ARGUMENTS = ("run", "-y", "--local", "--verify", " ".join(TESTS), PROMPT)
LIMIT_S = 1800
"""A model on a slow machine takes minutes; past this something hangs."""
SIGN_OF_LIFE_S = 20
"""Between lines of output where there is no terminal for qcode's own progress."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run, as judged from outside."""

    passed: bool
    tests_unchanged: bool
    exit_code: int | None
    """None: stopped after `LIMIT_S`."""
    seconds: float
    diff: str

    @property
    def good(self) -> bool:
        """Whether the demonstration worked."""
        return self.passed and self.tests_unchanged

    def __str__(self) -> str:
        tests = "pass" if self.passed else "FAIL"
        if not self.tests_unchanged:
            tests += ", files of tests CHANGED"
        code = "stopped" if self.exit_code is None else f"exit {self.exit_code}"
        return f"tests {tests}; {code}; {self.seconds:.1f} s"


def main() -> int:
    """Run the demonstration once and show it, or several times and count."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="count successes over N")
    parser.add_argument("--keep", action="store_true", help="leave the repository's copy there")
    args = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a real stream
    folder = Path(tempfile.mkdtemp(prefix="qcode-demo-"))
    served_before = local("status") == 0
    try:
        good = show(folder / "wordstats") if args.runs == 1 else count(folder, args.runs)
        return 0 if good else 1
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    finally:
        if not served_before:
            local("down")
        if args.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def show(repository: Path) -> bool:
    """Run once, showing each stage; return whether it worked."""
    prepare(repository)
    say(f"a repository with a failing test: {repository}")
    command(*TESTS)
    print(run_tests(repository).stderr)

    command("qcode", *ARGUMENTS)
    outcome = attempt(repository, live=True)

    say("what changed")
    command("git", "diff")
    print(outcome.diff or "(nothing)")
    say("the tests now, run from outside")
    command(*TESTS)
    print(run_tests(repository).stderr)
    print(f"{'repaired' if outcome.good else 'NOT repaired'}: {outcome}")
    return outcome.good


def count(folder: Path, runs: int) -> bool:
    """Run several times and print a table; return whether all worked."""
    outcomes = []
    for number in range(1, runs + 1):
        repository = folder / f"run-{number}"
        prepare(repository)
        outcomes.append(attempt(repository, live=False))
        print(f"{number:>4}  {outcomes[-1]}")
    good = sum(outcome.good for outcome in outcomes)
    times = sorted(outcome.seconds for outcome in outcomes)
    print(f"{good} of {runs} repaired; {times[len(times) // 2]:.1f} s in the middle", end="")
    print(f", {times[0]:.1f} to {times[-1]:.1f} s")
    return good == runs


def prepare(repository: Path) -> None:
    """Make a git repository from the template."""
    shutil.copytree(TEMPLATE, repository, ignore=shutil.ignore_patterns("__pycache__"))
    git(repository, "init", "--quiet")
    (repository / ".git/info").mkdir(exist_ok=True)
    (repository / ".git/info/exclude").write_text("__pycache__/\n", encoding="utf-8")
    git(repository, "add", ".")
    who = ("-c", "user.name=Demo", "-c", "user.email=demo@localhost")
    git(repository, *who, "-c", "commit.gpgsign=false", "commit", "--quiet", "-m", "Start")


def attempt(repository: Path, *, live: bool) -> Outcome:
    """Let qcode work on the repository and judge what it did."""
    started = time.monotonic()
    sink = None if live else subprocess.DEVNULL
    with subprocess.Popen(
        (*QCODE, *ARGUMENTS),
        cwd=repository,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=sink,
        stderr=sink,
    ) as process:
        code = wait(process, chatty=live and not sys.stderr.isatty())
    seconds = time.monotonic() - started
    return Outcome(
        passed=run_tests(repository).returncode == 0,
        tests_unchanged=files(repository / "tests") == files(TEMPLATE / "tests"),
        exit_code=code,
        seconds=seconds,
        diff=git(repository, "diff", "HEAD"),
    )


def wait(process: subprocess.Popen[bytes], *, chatty: bool) -> int | None:
    """Return the exit code, or None after ending a process that took too long."""
    for waited in range(SIGN_OF_LIFE_S, LIMIT_S + 1, SIGN_OF_LIFE_S):
        try:
            return process.wait(SIGN_OF_LIFE_S)
        except subprocess.TimeoutExpired:
            if chatty:
                print(f"… {waited} s")
    process.kill()
    return None


def local(action: str) -> int:
    """Run `qcode local` and return its exit code."""
    return subprocess.run(
        (*QCODE, "local", action), stdin=subprocess.DEVNULL, capture_output=True
    ).returncode


def run_tests(repository: Path) -> subprocess.CompletedProcess[str]:
    """Run the repository's tests."""
    return subprocess.run(
        (sys.executable, *TESTS[1:]),
        cwd=repository,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def files(folder: Path) -> dict[str, bytes]:
    """Return the content of each file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def environment() -> dict[str, str]:
    """Return the environment in which `python` is this interpreter and leaves no files."""
    here = str(Path(sys.executable).parent)
    path = os.pathsep.join([here, os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def git(repository: Path, *arguments: str) -> str:
    """Run git and return what it prints."""
    return subprocess.run(
        ("git", *arguments), cwd=repository, check=True, capture_output=True, text=True
    ).stdout


def say(text: str) -> None:
    """Print a heading."""
    print(f"\n== {text}\n")


def command(*words: str) -> None:
    """Print a command as a person would type it."""
    shown = " ".join(f'"{word}"' if " " in word else word for word in words)
    print(f"$ {shown}")


if __name__ == "__main__":
    sys.exit(main())
