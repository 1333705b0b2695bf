"""An evaluation that is killed goes on with no trial lost or run twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import trying
from thorough import many

from qcode.errors import QcodeError, UsageError
from qcode.evals.harness.schedule import Bounds
from qcode.evals.harness.store import RESULTS, TASKS, Store, read

DRIVER = Path(trying.__file__)
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="processes are looked for in /proc"
)


def belonging(folder: Path) -> list[str]:
    """Return the processes that an evaluation in a folder has started and not ended."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environ, command = (entry / "environ").read_bytes(), (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if f"{folder}/work/".encode() in environ:
            found.append(f"{entry.name} {command!r}")
    return found


@pytest.mark.slow
@needs_proc
def test_a_killed_evaluation_loses_no_trial_and_runs_none_twice(tmp_path: Path) -> None:
    folder, log = tmp_path / "results", tmp_path / "log"
    kills = 0
    moments = many(40, 14)
    for moment in range(moments):
        process = subprocess.Popen([sys.executable, str(DRIVER), str(folder), str(log)])
        # Into the imports, the placing, the work, the judging, the writing down; the soonest
        # first, as a fast machine is done after few of the late ones.
        deadline = time.monotonic() + 0.2 + 0.8 * moment / moments
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    last = subprocess.run([sys.executable, str(DRIVER), str(folder), str(log)])

    assert last.returncode == 0
    assert kills >= 5
    held = read(folder)
    wanted = {(each.id, "shell@1", trying.MODEL, n) for each in trying.TASKS for n in (0, 1)}
    assert Counter(trial.key for trial in held.trials) == dict.fromkeys(wanted, 1)
    assert all(trial.passed for trial in held.trials)
    assert all((folder / trial.artefacts / "changes.diff").exists() for trial in held.trials)
    assert belonging(folder) == []
    assert not (folder / "work").exists()
    ended = Counter(line for line in log.read_text().splitlines() if line.startswith("end"))
    assert len(ended) == len(wanted)


@needs_proc
def test_what_a_killed_evaluation_left_running_is_ended_when_it_goes_on(tmp_path: Path) -> None:
    folder, log = tmp_path / "results", tmp_path / "log"
    code = (
        "import asyncio, sys, trying; from pathlib import Path; f = Path(sys.argv[1])\n"
        "agent = trying.Shell('sleep 300 & exec sleep 300', Path(sys.argv[2]))\n"
        "store = trying.begun(f, trying.TASKS)\n"
        "asyncio.run(trying.evaluation(store, trying.TASKS, agent).run())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder), str(log)],
        env={**os.environ, "PYTHONPATH": str(DRIVER.parent)},
    )
    until = time.monotonic() + 30
    while not (log.exists() and belonging(folder)) and time.monotonic() < until:
        time.sleep(0.02)
    process.kill()
    process.wait()
    left = belonging(folder)

    with Store.reopen(folder) as store:
        assert store.trials == []

    assert left
    assert belonging(folder) == []


def test_a_torn_last_line_is_cut_off_wherever_it_was_torn(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    trying.tried(folder, trying.TASKS[:2], trying.Shell())
    whole = (folder / RESULTS).read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in range(len(lines[0]), len(whole) + 1, 7):
        (folder / RESULTS).write_bytes(whole[:cut])
        with Store.reopen(folder) as store:
            count = len(store.trials)
        data = (folder / RESULTS).read_bytes()
        assert data == b"".join(lines[: 1 + count])
        assert whole[:cut].count(b"\n") == 1 + count


def test_going_on_runs_what_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    with trying.begun(folder, trying.TASKS) as store:
        first = trying.Shell()
        asyncio.run(trying.evaluation(store, trying.TASKS, first, Bounds(cost_usd=0.5)).run())
    with Store.reopen(folder) as store:
        second = trying.Shell()
        ended = asyncio.run(trying.evaluation(store, trying.TASKS, second).run())

    assert ended == "done"
    assert [work.task.id for work in (*first.works, *second.works)] == [
        each.id for each in trying.TASKS
    ]
    assert len(first.works) == 2


def test_two_processes_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with trying.begun(tmp_path / "results", trying.TASKS):
        with pytest.raises(UsageError, match="another process works on"):
            Store.reopen(tmp_path / "results")


def test_results_are_not_begun_over_others(tmp_path: Path) -> None:
    trying.begun(tmp_path, trying.TASKS).close()

    with pytest.raises(UsageError, match="there are results"):
        trying.begun(tmp_path, trying.TASKS)


def test_other_tasks_than_it_was_begun_with_are_refused(tmp_path: Path) -> None:
    trying.begun(tmp_path, trying.TASKS).close()
    lines = (tmp_path / TASKS).read_text().splitlines()
    changed = json.loads(lines[0]) | {"prompt": "something easier"}
    (tmp_path / TASKS).write_text("\n".join([json.dumps(changed), *lines[1:]]) + "\n")

    with pytest.raises(QcodeError, match="not those it began with"):
        Store.reopen(tmp_path)


def test_trials_that_are_dropped_are_run_again_and_the_lock_holds(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    with trying.begun(folder, trying.TASKS) as store:
        asyncio.run(trying.evaluation(store, trying.TASKS, trying.Shell()).run())
        gone = store.trials[1].key
        store.drop([gone])
        with pytest.raises(UsageError, match="another process works on"):
            Store.reopen(folder)
        again = trying.Shell()
        asyncio.run(trying.evaluation(store, trying.TASKS, again).run())

    assert [work.task.id for work in again.works] == [gone[0]]
    assert len(read(folder).trials) == len(trying.TASKS)


@pytest.mark.parametrize("what", ["nothing", "not-json", "other-record"])
def test_what_holds_no_results_is_said_in_one_line(what: str, tmp_path: Path) -> None:
    if what != "nothing":
        text = "{no\n" if what == "not-json" else '{"id": "x"}\n'
        (tmp_path / RESULTS).write_text(text)

    with pytest.raises(QcodeError) as caught:
        read(tmp_path)

    assert str(tmp_path) in str(caught.value) or "header" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "file, text",
    [
        (TASKS, b"garbage\n"),
        (TASKS, b"\xff\xfe\n"),
        (
            RESULTS,
            b'{"id": "x", "suites": [], "agents": [], "models": [], "trials": "y", "seed": 0}\n',
        ),
    ],
)
def test_a_damaged_folder_is_said_in_one_line(file: str, text: bytes, tmp_path: Path) -> None:
    trying.tried(tmp_path / "r", trying.TASKS[:1], trying.Shell())
    (tmp_path / "r" / file).write_bytes(text)

    with pytest.raises(QcodeError) as caught:
        Store.reopen(tmp_path / "r")

    assert "\n" not in str(caught.value)
