"""Completing what is pointed at with `@` in a large repository.

    make bench ARGS="--only complete"
    python evals/bench_complete.py --files 5000     # alone, in a smaller one

The files are empty and tracked by git. They are gathered as a session does it, without the
question to git what changed lately, and then mentions are typed letter by letter. What a
keystroke takes is CPU time, beside a plain look for the same text in each path, one after
the other in Python. docs/benchmarks.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from qcode.evals.bench_report import COLUMNS, Section, table
from qcode.mentions.complete import SHOWN
from qcode.mentions.gather import Gatherer

FILES = 100_000
_WORDS = (
    *("app", "core", "util", "parser", "render", "session", "index", "store", "config", "model"),
    *("view", "widget", "handler", "service", "client", "server", "proxy", "cache", "token"),
    *("stream", "event", "loop", "tool", "prompt", "test", "spec", "data", "query", "table"),
    *("graph", "node", "tree", "edit", "patch", "merge", "build", "deploy"),
)
_TYPED = ("parser_q", "sessionstore", "tokcli", "cli/tok", "q7.go", "wdgt", "srvprx", "zzq")
"""The last finds nothing, which takes the longest."""
_LONG_S = 600.0


def measure(files: int = FILES, rounds: int = 3) -> Section:
    """Return seconds until all is gathered, and milliseconds of a keystroke."""
    with tempfile.TemporaryDirectory(prefix="qcode-complete-") as place:
        root = Path(place).resolve() / "tree"
        _make(root, files)
        gathered_s, key_ms, plain_ms = [], [], []
        for _ in range(rounds):
            begin = time.perf_counter()
            gathered = Gatherer(root, changed_lately=lambda _root: ()).look(_LONG_S)
            gathered_s.append(time.perf_counter() - begin)
            assert gathered is not None
            texts = gathered.paths.texts
            for word in _TYPED:
                for end in range(1, len(word) + 1):
                    typed = word[:end]
                    begin = time.thread_time()
                    gathered.paths.find(typed, SHOWN)
                    middle = time.thread_time()
                    sum(typed in path for path in texts)
                    key_ms.append((middle - begin) * 1e3)
                    plain_ms.append((time.thread_time() - middle) * 1e3)
    ranked = sorted(key_ms)
    return {
        f"{files:,} files": {
            "gathered_s": gathered_s,
            "key_ms": key_ms,
            "slow_ms": [ranked[int(len(ranked) * 0.95)]],
            "plain_ms": plain_ms,
            "times": [sum(key_ms) / sum(plain_ms)],
        }
    }


def _make(root: Path, files: int) -> None:
    rng = random.Random(1)
    known: set[str] = set()
    while len(known) < files:
        folder = "/".join(rng.choices(_WORDS, k=rng.randint(2, 5)))
        name = f"{rng.choice(_WORDS)}_{rng.choice(_WORDS)}{rng.randint(0, 99)}"
        known.add(f"{folder}/{name}.{rng.choice(('py', 'ts', 'go', 'rs'))}")
    folders = {root / path.rpartition("/")[0] for path in known}
    for made in sorted(folders):
        made.mkdir(parents=True, exist_ok=True)
    for path in known:
        (root / path).touch()
    for words in (("init", "-q"), ("add", ".")):
        subprocess.run(("git", *words), cwd=root, check=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, return the exit code."""
    parser = argparse.ArgumentParser(prog="bench_complete.py", description=__doc__)
    parser.add_argument("--files", type=int, default=FILES, help="(%(default)s)")
    options = parser.parse_args(argv)
    print(table(measure(options.files), COLUMNS["complete"]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
