"""What it costs to keep the state of a repository's files, small and large.

    make bench ARGS="--only checkpoints"
    python evals/bench_checkpoints.py --files 5000,100000      # alone

Times are wall times, processes of git included. docs/benchmarks.md says what the
figures mean.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import ParamSpec

from qcode.checkpoints.restore import restore
from qcode.checkpoints.scan import Files
from qcode.checkpoints.states import State, difference
from qcode.checkpoints.store import Store
from qcode.evals.bench_report import COLUMNS, Section, table

P = ParamSpec("P")

SIZES = (1_000, 10_000, 100_000)
"""Files in the repository."""

_IN_A_DIRECTORY = 20
_IN_A_PACKAGE = 400
_ROUNDS = 15
_SETTLING_S = 0.25
"""After so long nobody takes a file for one that may have been written again unseen."""


def measure(sizes: Sequence[int] = SIZES, rounds: int = _ROUNDS) -> Section:
    """Return the figures of repositories of so many clean files."""
    section: Section = {}
    smallest: dict[str, float] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="qcode-bench-") as folder:
            figures = _one(Path(folder, "work"), size, rounds)
        for name in ("clean", "changed"):
            middle = statistics.median(figures[f"{name}_ms"])
            figures[f"{name}_growth"] = [middle / smallest.setdefault(name, middle)]
        section[f"{size:,} files"] = figures
    return section


def _one(root: Path, size: int, rounds: int) -> dict[str, list[float]]:
    paths = _repository(root, size)
    with closing(Store.at(root, root / "none")) as store, closing(Files(root, store)) as files:
        figures = {"first_ms": [_ms(files.take)]}
        for _ in range(2):  # the second look begins to watch, where it is worth it
            files.take()
        figures["clean_ms"] = [_ms(files.take) for _ in range(rounds)]
        figures["thorough_ms"] = [_ms(files.take, thorough=True) for _ in range(3)]
        tip: str | None = None
        for number in range(rounds):
            before = files.take()
            paths[number * 37 % size].write_text(f"value = {number}\n")
            figures.setdefault("changed_ms", []).append(_ms(files.take))
            after = files.take()
            figures.setdefault("kept_ms", []).append(_ms(_keep, store, after, tip))
            tip = store.ref("refs/qcode/bench")
            figures.setdefault("undo_ms", []).append(_ms(_go, root, store, after, before))
    return figures


def _repository(root: Path, size: int) -> list[Path]:
    paths = []
    for number in range(size):
        package, module = number // _IN_A_PACKAGE, number // _IN_A_DIRECTORY
        path = root / f"package{package}/part{module}/module{number}.py"
        if number % _IN_A_DIRECTORY == 0:
            path.parent.mkdir(parents=True)
        path.write_text(f"def answer() -> int:\n    return {number}\n" * 10)
        paths.append(path)
    who = ("-c", "user.name=Bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0")
    commit = (*who, "-c", "commit.gpgsign=false", "commit", "-q", "-m", "Start")
    for words in (("init", "-q"), ("add", "."), commit, ("repack", "-adq")):
        subprocess.run(("git", *words), cwd=root, check=True)
    time.sleep(_SETTLING_S)
    subprocess.run(("git", "status"), cwd=root, check=True, stdout=subprocess.DEVNULL)
    return paths


def _keep(store: Store, state: State, tip: str | None) -> None:
    parent = f"parent {tip}\n" if tip else ""
    who = "bench <bench@localhost> 0 +0000"
    text = f"tree {state.tree}\n{parent}author {who}\ncommitter {who}\n\nstate\n"
    store.set_ref("refs/qcode/bench", store.put("commit", text.encode()), tip)


def _go(root: Path, store: Store, present: State, wanted: State) -> None:
    changes = difference(store, present, wanted)
    restore(root, store, {path: after for path, (_, after) in changes.items()})


def _ms(act: Callable[P, object], *given: P.args, **named: P.kwargs) -> float:
    begin = time.perf_counter()
    act(*given, **named)
    return (time.perf_counter() - begin) * 1e3


def sizes(text: str) -> tuple[int, ...]:
    """Read numbers of files from an argument.

    Raises:
        ValueError: they are none.
    """
    out = tuple(int(number) for number in text.split(","))
    if min(out) < 1:
        raise ValueError
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, return the exit code."""
    parser = argparse.ArgumentParser(prog="bench_checkpoints.py", description=__doc__)
    add = parser.add_argument
    add("--files", type=sizes, default=SIZES, metavar="N,N", help="in the repositories")
    add("-n", dest="rounds", type=int, default=_ROUNDS, help="rounds (%(default)s)")
    options = parser.parse_args(argv)
    print(table(measure(options.files, options.rounds), COLUMNS["checkpoints"]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
