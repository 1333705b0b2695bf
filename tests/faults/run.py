"""Kills a session at its effects, one point after the other: `make faults`.

Every moment of the session is a point (before and after each effect on the disk
or process started, and after half of each write), in a repository and in a plain
folder; `--every 3` takes each third one. Besides: points at which all children are
killed as well, points while a command is running, points at which what makes a cut
undo good is killed, too, and errors (a full disk, say) in place of effects. Ends
with `N passed, M failed`; exits with 1 if any failed.
"""

from __future__ import annotations

import argparse
import errno
import itertools
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

# Run as a script in a checkout.
sys.path.append(str(Path(__file__).resolve().parents[2]))
sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

import crash
import crash_session
import scripted_server

_places: dict[str, crash.Place] = {}


def points(place: crash.Place, every: int) -> Iterator[crash.Point]:
    """Return the points of a place."""
    kind, moments = place.kind, place.sight.moments
    chosen = range(1 + len(kind) % every, len(moments) + 1, every)
    for turn, number in enumerate(chosen):
        yield crash.Point(kind, number, resumed=turn % 20 == 0)
    for turn, number in enumerate(crash.started(moments, "git")[::every]):
        yield crash.Point(kind, number, children=turn % 5 / 1000, resumed=turn % 20 == 0)
    for number in crash.started(moments, "/"):
        for delay in range(0, 12, 2):
            for children in (-1.0, 0.0):
                yield crash.Point(kind, number, children, after_s=delay / 1000)
    for number, moment in crash.travelling(moments):
        if moment.startswith("after") and number % every == 0:
            for again in range(3, 60, 4 * every):
                yield crash.Point(kind, number, again=again)


def failures(place: crash.Place, every: int) -> Iterator[crash.Failure]:
    """Return the errors of a place."""
    codes = itertools.cycle((errno.ENOSPC, errno.EIO, errno.EACCES))
    for about in crash.PLACES:
        for number in range(1, crash.failures(place, about) + 1, 2 * every):
            yield crash.Failure(place.kind, about, number, next(codes), lasting=number % 3 == 0)


def work(point: crash.Point | crash.Failure) -> crash.Outcome:
    """Run a point in a process of the pool."""
    if isinstance(point, crash.Failure):
        return crash.run_failure(_places[point.place], point)
    return crash.run_point(_places[point.place], point)


def main() -> int:
    """Run the points; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--every", type=int, default=5, help="take each n-th moment")
    parser.add_argument("--place", choices=["repository", "folder"], action="append")
    parser.add_argument("--number", type=int, action="append", help="only these moments")
    parser.add_argument("--only", choices=["kills", "failures"])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    start = time.perf_counter()
    crash.preload()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    failed = passed = late = 0
    with (
        tempfile.TemporaryDirectory(prefix="qcode-faults-", dir=memory) as folder,
        scripted_server.ScriptedServer(crash_session.reply, keep_bodies=False) as server,
    ):
        os.environ.update(crash_session.environment(Path(folder), server.base_url))
        todo: list[crash.Point | crash.Failure] = []
        for kind in options.place or ("repository", "folder"):
            _places[kind] = crash.Place(Path(folder), kind, server.base_url)
            print(f"{kind}: {len(_places[kind].sight.moments)} moments", flush=True)
            if options.number:
                todo += [crash.Point(kind, number, resumed=True) for number in options.number]
                continue
            if options.only != "failures":
                todo += points(_places[kind], options.every)
            if options.only != "kills":
                todo += failures(_places[kind], options.every)
        forking = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(options.jobs, mp_context=forking) as pool:
            for done in as_completed([pool.submit(work, point) for point in todo]):
                outcome = done.result()
                late += not outcome.moment
                if outcome.problems:
                    failed += 1
                    print(f"FAILED {outcome}", flush=True)
                else:
                    passed += 1
        for path in Path(folder).iterdir():
            crash.remove(path)
    seconds = time.perf_counter() - start
    each = seconds * options.jobs / max(1, len(todo))
    print(f"{len(todo)} points in {seconds:.0f} s ({each:.2f} s each, {options.jobs} at a time); "
          f"{late} came after the session's end")  # fmt: skip
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
