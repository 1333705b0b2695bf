"""The map of a large tree, and how fast it is searched, beside bare ripgrep.

    make bench ARGS="--only map"
    python evals/bench_map.py --tree 2000     # alone, on a smaller tree

The map is made by a process of its own each time, so that its start and its imports
count: with nothing kept, with all kept, and after one file changed. Memory is that of the
process and all it starts. The tools run as a session runs them, without a sandbox, in turn
with `rg`, which for `glob` lists the same files in the same order. docs/benchmarks.md says
what the figures mean.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from qcode.evals.bench_map_tree import make
from qcode.evals.bench_process import Probe, run
from qcode.evals.bench_report import COLUMNS, Section, table
from qcode.sandbox.policy import Level, Policy
from qcode.sandbox.sandbox import Places, Sandbox
from qcode.tools import all_tools
from qcode.tools.base import Context
from qcode.tools.jobs import Jobs
from qcode.tools.ripgrep import find_ripgrep
from qcode.tools.schema import parse
from qcode.workspace import Workspace

FILES = 10_000
_ROUNDS = 7
_REQUEST = "The ledger cursor is wrong after flush_ticket_17; see part3 and the PacketRoute."
_MAP = """
import sys
from pathlib import Path
from qcode.repomap import render_map
assert render_map(Path(sys.argv[1]), 2000, sys.argv[2])
"""
_PATTERNS = ("flush_ticket_17", "class .*Ledger", "no such text")
_GLOBS = ("**/*.py", "**/load_*.ts")


def measure(files: int = FILES, rounds: int = _ROUNDS) -> Section:
    """Return seconds and MB of the map, and milliseconds of the tools beside ripgrep's."""
    with tempfile.TemporaryDirectory(prefix="qcode-map-", ignore_cleanup_errors=True) as place:
        root = Path(place).resolve() / "tree"
        lines = make(root, files)
        time.sleep(0.1)  # a file that has just changed is looked at twice
        section: Section = {f"map of {files:,} files": _map(root, Path(place), rounds, lines)}
        program = find_ripgrep(os.environ.get("PATH", ""), root)
        if program is not None:
            section |= asyncio.run(_tools(root, Path(place), program, rounds))
        return section


def _map(root: Path, place: Path, rounds: int, lines: int) -> dict[str, list[float]]:
    cold_s, cold_mb = _once(root, place)
    warm = [_once(root, place) for _ in range(rounds)]
    changed = []
    some = sorted(root.rglob("*.py"))
    for number in range(rounds):
        with some[number % len(some)].open("a") as file:
            file.write(f"\n\ndef changed_{number}() -> int:\n    return {number}\n")
        changed.append(_once(root, place))
    return {
        "lines": [lines],
        "cold_s": [cold_s],
        "warm_s": [seconds for seconds, _ in warm],
        "changed_s": [seconds for seconds, _ in changed],
        "peak_mb": [max(cold_mb, *(mb for _, mb in (*warm, *changed)))],
    }


def _once(root: Path, place: Path) -> tuple[float, float]:
    """Return the seconds and MB that one process takes for the map."""
    probe = Probe()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            probe.memory()

    watching = threading.Thread(target=watch)

    def started(pid: int) -> None:
        probe.pid = pid
        watching.start()

    environment = {**os.environ, "XDG_CACHE_HOME": str(place / "cache")}
    argv = (sys.executable, "-P", "-c", _MAP, str(root), _REQUEST)
    try:
        done = run(argv, environment=environment, cwd=place, limit_s=600, started=started)
    finally:
        ended.set()
        watching.join()
    if done.code:
        raise RuntimeError(done.output)
    return done.wall_s, max(probe.peak_mb or 0.0, done.maxrss_mb)


async def _tools(root: Path, place: Path, program: str, rounds: int) -> Section:
    policy = Policy(Level.OFF, (root,), home=Path.home())
    sandbox = Sandbox(policy, Places(place, place, place), os.environ)
    context = Context(
        workspace=Workspace.at(root),
        seen={},
        spill_dir=place / "spill",
        jobs=Jobs(),
        launcher=sandbox,
    )
    tools: dict[str, Any] = {tool.name: tool for tool in all_tools()}
    section: Section = {}
    try:
        for name, patterns in (("grep_search", _PATTERNS), ("glob", _GLOBS)):
            for pattern in patterns:
                tool = tools[name]
                params = parse(tool, json.dumps({"pattern": pattern}))
                words = (
                    ("-n", "-e", pattern, "./")
                    if name == "grep_search"
                    else ("--files", "--sortr=modified", "-g", pattern)
                )
                own, bare = [], []
                for number in range(rounds + 1):
                    begin = time.perf_counter()
                    await tool.run(params, context)
                    middle = time.perf_counter()
                    rg = _ms(lambda words=words: _run(program, words, root))  # type: ignore[misc]
                    if number:  # the first one fills caches
                        own.append((middle - begin) * 1e3)
                        bare.append(rg)
                section[f"{name} {pattern}"] = {
                    "tool_ms": own,
                    "rg_ms": bare,
                    "times": [mine / its for mine, its in zip(own, bare, strict=True)],
                }
    finally:
        sandbox.close()
    return section


def _run(program: str, words: Sequence[str], root: Path) -> None:
    subprocess.run((program, *words), cwd=root, capture_output=True)


def _ms(act: Callable[[], None]) -> float:
    begin = time.perf_counter()
    act()
    return (time.perf_counter() - begin) * 1e3


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, return the exit code."""
    parser = argparse.ArgumentParser(prog="bench_map.py", description=__doc__)
    parser.add_argument("--tree", type=int, default=FILES, help="files (%(default)s)")
    parser.add_argument("-n", dest="rounds", type=int, default=_ROUNDS, help="rounds (%(default)s)")
    options = parser.parse_args(argv)
    print(table(measure(options.tree, options.rounds), COLUMNS["map"]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
