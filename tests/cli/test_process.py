"""What holds for commands as processes: a closed stdout, an interrupt at a bad moment."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import Program
from scripted_server import ScriptedServer

from qcode.cli.process import run_to_end

INTERRUPTED_WHILE_THE_LOOP_IS_MADE = """
import asyncio.events, signal, sys
make = asyncio.events.new_event_loop

def interrupted():
    signal.raise_signal(signal.SIGINT)
    return make()

asyncio.events.new_event_loop = interrupted
from qcode.__main__ import program
program()
"""


@pytest.fixture
def default_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("command", ["doctor", "doctor --json", "sessions list", "sessions"])
def test_a_closed_stdout_is_told_in_one_line(tmp_path: Path, command: str) -> None:
    with ScriptedServer() as server:
        ended = subprocess.run(
            ["sh", "-c", f'"$0" -P -m qcode {command} >&-', sys.executable],
            cwd=tmp_path,
            env=Program(tmp_path, server.base_url).environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    assert ended.returncode == 2
    assert ended.stderr.startswith("qcode: stdout is closed, so ")
    assert ended.stderr.count("\n") == 1
    assert server.others == []


def test_a_protocol_is_not_spoken_over_files(tmp_path: Path) -> None:
    said = tmp_path / "said"

    with said.open("w") as out:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "qcode", "acp"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "stdout is a file, so the Agent Client Protocol cannot be spoken" in done.stderr


@pytest.mark.parametrize("command", [["run", "hello"], ["doctor"]])
def test_an_interrupt_while_the_loop_is_made_is_one_line(
    tmp_path: Path, command: list[str]
) -> None:
    with ScriptedServer() as server:
        program = Program(tmp_path, server.base_url)
        ended = subprocess.run(
            [sys.executable, "-P", "-c", INTERRUPTED_WHILE_THE_LOOP_IS_MADE, *command],
            cwd=tmp_path,
            env=program.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    assert (ended.returncode, ended.stderr.count("\n")) == (130, 1), ended
    assert "interrupted" in ended.stderr
    assert server.requests == []


def test_an_interrupt_cancels_what_runs(default_handler: None) -> None:
    seen = []

    async def work() -> None:
        signal.raise_signal(signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("left whole")

    with pytest.raises(KeyboardInterrupt):
        run_to_end(work)

    assert seen == ["left whole"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_interrupt_does_not_wait(default_handler: None) -> None:
    async def work() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it went on")

    with pytest.raises(KeyboardInterrupt):
        run_to_end(work)


def test_what_runs_may_take_interrupts_itself(default_handler: None) -> None:
    async def work() -> str:
        came = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, came.set)
        signal.raise_signal(signal.SIGINT)
        await came.wait()
        return "went on"

    assert run_to_end(work) == "went on"
