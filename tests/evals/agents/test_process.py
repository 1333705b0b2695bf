from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from qcode.errors import UsageError
from qcode.evals.agents import process
from qcode.evals.agents.process import Ended

PLAIN = {"PATH": os.environ["PATH"]}


def python(tmp_path: Path, code: str, **options: Any) -> Ended:
    return asyncio.run(started(tmp_path, code, **options))


async def started(tmp_path: Path, code: str, **options: Any) -> Ended:
    given: dict[str, Any] = {"time_s": 60.0, "environ": PLAIN, "cwd": tmp_path, **options}
    return await process.run(
        (sys.executable, "-I", "-S", "-c", code),
        stdout=tmp_path / "out",
        stderr=tmp_path / "err",
        **given,
    )


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_for_output(path: Path) -> None:
    while not path.exists() or not path.read_text():
        time.sleep(0.02)


def test_output_goes_to_files_and_the_exit_code_is_told(tmp_path: Path) -> None:
    ended = python(tmp_path, "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")

    assert (ended.exit_code, ended.why) == (3, "exited")
    assert (tmp_path / "out").read_text() == "out\n"
    assert (tmp_path / "err").read_text() == "err\n"


def test_stdin_is_a_file_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("given")
    code = "import sys; print(repr(sys.stdin.read()))"

    python(tmp_path, code)
    python(tmp_path, code, stdin=tmp_path / "in")

    assert (tmp_path / "out").read_text() == "''\n'given'\n"


def test_the_environment_is_what_was_given(tmp_path: Path) -> None:
    python(tmp_path, "import os; print(sorted(os.environ))", environ={"ONE": "1"})

    # LC_CTYPE is Python's own, where the locale is C.
    assert (tmp_path / "out").read_text() in (
        "['ONE', 'QCODE_EVAL_RUN']\n",
        "['LC_CTYPE', 'ONE', 'QCODE_EVAL_RUN']\n",
    )


def test_it_is_ended_at_the_time_limit(tmp_path: Path) -> None:
    began = time.monotonic()

    ended = python(tmp_path, "import time; time.sleep(600)", time_s=0.3)

    assert (ended.exit_code, ended.why) == (None, "time")
    assert time.monotonic() - began < 30


def test_one_that_does_not_hear_sigterm_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)\n"

    ended = python(tmp_path, code + "time.sleep(600)", time_s=1.0)

    assert (ended.exit_code, ended.why) == (None, "time")


def test_it_may_write_its_last_words_at_the_time_limit(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(15, lambda *_: (print('last words'), sys.exit(0)))\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )

    python(tmp_path, code, time_s=2.0)

    assert (tmp_path / "out").read_text() == "ready\nlast words\n"


CHILD = "import os, subprocess, sys; p = subprocess.Popen(['sleep', '600']{}); print(p.pid)"


@pytest.mark.skipif(sys.platform != "linux", reason="found by /proc")
@pytest.mark.parametrize("apart", ["", ", start_new_session=True"])
def test_nothing_that_it_started_is_left(tmp_path: Path, apart: str) -> None:
    ended = python(tmp_path, CHILD.format(apart))

    assert ended.exit_code == 0
    assert not is_running(int((tmp_path / "out").read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="found by /proc")
def test_cancelled_it_ends_all_that_it_started(tmp_path: Path) -> None:
    code = CHILD.format(", start_new_session=True") + "\nsys.stdout.flush()\nimport time\n"

    async def run() -> None:
        task = asyncio.create_task(started(tmp_path, code + "time.sleep(600)"))
        await asyncio.to_thread(wait_for_output, tmp_path / "out")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())

    assert not is_running(int((tmp_path / "out").read_text()))


def test_told_to_stop_it_has_a_while_to_end_by_itself(tmp_path: Path) -> None:
    async def run(grace_s: float) -> Ended:
        stop = asyncio.Event()
        stop.set()
        code = "import time; time.sleep(1.2)"
        return await started(tmp_path, code, stop=stop, grace_s=grace_s)

    assert asyncio.run(run(30.0)).why == "exited"
    assert asyncio.run(run(0.0)).why == "stopped"


def test_one_that_writes_without_end_is_ended(tmp_path: Path) -> None:
    code = "import sys\nwhile True: sys.stdout.write('x' * 1000); sys.stdout.flush()"

    assert python(tmp_path, code, max_output_bytes=1 << 16).why == "output"


def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    async def run() -> None:
        await process.run(
            ("/nowhere/agent",),
            cwd=tmp_path,
            environ={},
            stdout=tmp_path / "out",
            stderr=tmp_path / "err",
            time_s=5.0,
        )

    with pytest.raises(UsageError, match="`/nowhere/agent` cannot be started: no such file"):
        asyncio.run(run())


@pytest.mark.skipif(sys.platform != "linux", reason="found by /proc")
def test_what_a_killed_evaluation_left_is_ended_by_its_record(tmp_path: Path) -> None:
    record = tmp_path / "record"
    code = CHILD.format("") + "; sys.stdout.flush(); import time; time.sleep(600)"
    runner = (
        "import asyncio, sys; from pathlib import Path; from qcode.evals.agents import process\n"
        "at = Path(sys.argv[1])\n"
        "asyncio.run(process.run((sys.executable, '-I', '-c', sys.argv[2]), cwd=at, environ={},"
        " stdout=at / 'out', stderr=at / 'err', time_s=600, record=at / 'record'))"
    )
    killed = subprocess.Popen([sys.executable, "-c", runner, str(tmp_path), code])
    wait_for_output(tmp_path / "out")
    killed.kill()
    killed.wait()
    left = int((tmp_path / "out").read_text())
    assert is_running(left)

    assert process.kill_recorded(record) >= 1

    assert not is_running(left)
    assert process.kill_recorded(record) == 0


def test_a_run_that_ended_leaves_no_record(tmp_path: Path) -> None:
    python(tmp_path, "pass", record=tmp_path / "record")

    assert not (tmp_path / "record").exists()
