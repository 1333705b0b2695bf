"""A session killed at some of the points that `make faults` goes through."""

from __future__ import annotations

import errno
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import crash
import crash_session
import pytest
from scripted_server import ScriptedServer
from thorough import many, parts

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="a killed process's children are found in /proc"
)

_POINTS = many(13, 3)
"""In each place, spread over the session."""

_places: dict[str, crash.Place] = {}


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    crash.preload()
    with ScriptedServer(crash_session.reply, keep_bodies=False) as server:
        yield server.base_url


def points(place: crash.Place) -> list[crash.Point]:
    """Return some points: evenly spread, and some of each kind that is special."""
    kind, moments = place.kind, place.sight.moments
    step = len(moments) // _POINTS
    some = [
        crash.Point(kind, step // 2 + step * turn, resumed=turn == 7) for turn in range(_POINTS)
    ]
    gits = crash.started(moments, "git")
    some += [
        crash.Point(kind, number, children=0.001) for number in gits[:: max(1, len(gits) // 2)]
    ]
    (shell, *_) = crash.started(moments, "/")
    some += [crash.Point(kind, shell, children, after_s=0.004) for children in (-1.0, 0.0)]
    undoing = [number for number, _ in crash.travelling(moments)]
    some += [crash.Point(kind, undoing[len(undoing) // 2], again=again) for again in (11, 40)]
    return some


def run(point: crash.Point) -> crash.Outcome:
    return crash.run_point(_places[point.place], point)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["repository", "folder"])
def test_nothing_is_lost_or_half_written_wherever_a_session_is_killed(
    kind: str, base_url: str, tmp_path: Path
) -> None:
    place = _places[kind] = crash.Place(tmp_path, kind, base_url)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        outcomes = list(pool.map(run, points(place)))
    for folder in tmp_path.iterdir():
        crash.remove(folder)
    assert [str(outcome) for outcome in outcomes if outcome.problems] == []
    assert sum(bool(outcome.moment) for outcome in outcomes) >= len(outcomes) - 1


def test_the_session_goes_through_every_kind_of_effect(base_url: str, tmp_path: Path) -> None:
    place = crash.Place(tmp_path, "repository", base_url)
    crash.remove(tmp_path / "repository-template")
    kinds = {moment.split()[1] for moment in place.sight.moments}
    assert kinds >= {
        *("open", "write", "replace", "link", "symlink", "unlink", "mkdir", "rmdir", "chmod"),
        *("fchmod", "utime", "fsync", "fdatasync", "start"),
    }
    assert len(place.sight.moments) > 2000
    assert len(place.sight.states) >= 10


def fail(failure: crash.Failure) -> crash.Outcome:
    return crash.run_failure(_places[failure.place], failure)


@pytest.mark.slow
@pytest.mark.parametrize(
    "about", parts(["checkpoints", "journal", "files"], "checkpoints", "files")
)
def test_a_session_goes_on_after_an_error_of_the_disk(
    about: str, base_url: str, tmp_path: Path
) -> None:
    place = _places["folder"] = crash.Place(tmp_path, "folder", base_url)
    step = crash.failures(place, about) // 3
    codes = (errno.EIO, errno.EACCES, errno.ENOSPC)
    todo = [
        crash.Failure("folder", about, 1 + step // 2 + step * turn, code, lasting=turn == 2)
        for turn, code in enumerate(codes)
    ]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        outcomes = list(pool.map(fail, todo))
    for folder in tmp_path.iterdir():
        crash.remove(folder)
    assert [str(outcome) for outcome in outcomes if outcome.problems] == []
    assert all(outcome.moment for outcome in outcomes)
