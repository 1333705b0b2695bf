"""What it costs to run a command in the sandbox, by each means that works here.

    make bench ARGS="--only sandbox"
    python evals/bench_sandbox.py -n 100      # alone

Each command is started as a session starts it: with the whole policy, looking at what is
protected before and after. In between the same command is run by Python alone, so that
what disturbs the machine disturbs both. docs/benchmarks.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from qcode import paths
from qcode.errors import SandboxError
from qcode.evals.bench_report import COLUMNS, Section, table
from qcode.sandbox.choose import LINUX
from qcode.sandbox.policy import Level, Limits, Policy, Tier
from qcode.sandbox.sandbox import Places, Sandbox

_ROUNDS = 60
_COMMAND = ("/bin/bash", "--noprofile", "--norc", "-c", "true")
_BALLAST_MB = 300
_PROTECTED = (".vscode", ".idea", ".husky", ".qcode")


def measure(rounds: int = _ROUNDS) -> Section:
    """Return milliseconds that each tier adds to a plain process; what does not work is left out.

    `large_ms`: the same from a process that holds 300 MB.
    """
    section: Section = {}
    folder = paths.cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="bench-", dir=folder))
    try:
        _workspace(root)
        for tier in LINUX:
            sandbox = _sandbox(root, tier)
            try:
                figures = _tier(sandbox, root, rounds)
            except SandboxError:
                continue
            finally:
                sandbox.close()
            section[tier] = figures
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return section


def _workspace(root: Path) -> None:
    for name in _PROTECTED:
        (root / name).mkdir()
    (root / ".env").write_text("KEY=value\n")
    for words in (("init", "-q"), ("config", "user.name", "bench")):
        subprocess.run(("git", *words), cwd=root, check=True)


def _sandbox(root: Path, tier: Tier) -> Sandbox:
    policy = Policy(
        Level.WORKSPACE_WRITE, (root.resolve(),), Path.home(), limits=Limits(memory_bytes=1 << 33)
    )
    places = Places(paths.config_dir(), paths.state_dir(), paths.cache_dir())
    return Sandbox(policy, places, os.environ, wanted=tier)


def _tier(sandbox: Sandbox, root: Path, rounds: int) -> dict[str, list[float]]:
    def confined() -> None:
        child = sandbox.start(_COMMAND, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert child.stdout is not None
        child.stdout.read()
        child.wait()
        child.close()

    def plain() -> None:
        subprocess.run(
            _COMMAND,
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    first = _ms(confined)  # with the trial
    small = _pairs(plain, confined, rounds)
    ballast = bytearray(os.urandom(1 << 20)) * _BALLAST_MB
    large = _pairs(plain, confined, rounds)
    del ballast
    return {
        "first_ms": [first],
        "plain_ms": small[0],
        "added_ms": small[1],
        "large_ms": large[1],
        "growth": [statistics.median(large[1]) / statistics.median(small[1])],
    }


def _pairs(
    plain: Callable[[], None], confined: Callable[[], None], rounds: int
) -> tuple[list[float], list[float]]:
    """Return the times of the plain command, and how much longer the confined one took."""
    bare, added = [], []
    for _ in range(rounds):
        base = _ms(plain)
        bare.append(base)
        added.append(_ms(confined) - base)
    return bare, added


def _ms(act: Callable[[], None]) -> float:
    begin = time.perf_counter()
    act()
    return (time.perf_counter() - begin) * 1e3


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, return the exit code."""
    parser = argparse.ArgumentParser(prog="bench_sandbox.py", description=__doc__)
    parser.add_argument("-n", dest="rounds", type=int, default=_ROUNDS, help="rounds (%(default)s)")
    options = parser.parse_args(argv)
    print(table(measure(options.rounds), COLUMNS["sandbox"]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
