"""A session driven by another program, line by line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from program import Program, repository
from schemas import faults

DRIVEN = ("run", "-y", "-o", "stream-json", "--input-format", "stream-json")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return repository(folder, {"a.txt": "one\n"})


class Driver:
    """Writes to the program and reads what it says."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.said: list[Any] = []

    def say(self, message: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def user(self, text: str) -> None:
        self.say({"type": "user", "message": {"role": "user", "content": text}})

    def ask(self, **request: object) -> None:
        self.say({"type": "control_request", "request_id": "r1", "request": request})

    def until(self, kind: str) -> Any:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            self.said.append(message)
            assert faults("stream", message) == []
            if message["type"] == kind:
                return message
        raise AssertionError(f"it ended without {kind}: {self.said}")

    def end(self) -> tuple[int, str]:
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err.decode()


@pytest.fixture
def drivers() -> Iterator[list[Driver]]:
    made: list[Driver] = []
    yield made
    for driver in made:
        driver.process.kill()
        driver.process.communicate()


def start(drivers: list[Driver], work: Path, server: scripted.ScriptedServer, *args: str) -> Driver:
    process = Program(work, server.base_url).start(*DRIVEN, *args, stdin=subprocess.PIPE)
    drivers.append(Driver(process))
    return drivers[-1]


def test_each_message_is_a_turn_with_a_result(work: Path, drivers: list[Driver]) -> None:
    script = [
        scripted.text("First."),
        scripted.call("edit", file_path="a.txt", old_string="one", new_string="two"),
        scripted.text("Second."),
    ]
    with scripted.ScriptedServer(script) as server:
        driver = start(drivers, work, server)
        driver.ask(subtype="initialize")
        assert driver.until("control_response")["response"]["subtype"] == "success"
        driver.user("say something")
        first = driver.until("result")
        driver.user("make it two")
        second = driver.until("result")
        code, err = driver.end()
        history = server.requests[-1].json["messages"]

    assert (code, err) == (0, "")
    assert [m["type"] for m in driver.said].count("result") == 2
    assert (first["result"], second["result"]) == ("First.", "Second.")
    assert second["files_changed"] == ["a.txt"]
    assert first["session_id"] == second["session_id"]
    assert "say something" in json.dumps(history)
    assert [m["subtype"] for m in driver.said if m["type"] == "system"] == ["init"]


def test_an_interrupt_ends_the_turn_and_not_the_session(work: Path, drivers: list[Driver]) -> None:
    script = [scripted.stall(scripted.text("never whole"), 2), scripted.text("Here.")]
    with scripted.ScriptedServer(script) as server:
        driver = start(drivers, work, server)
        driver.user("think for ever")
        while not server.requests:
            pass
        driver.ask(subtype="interrupt")
        assert driver.until("control_response")["response"]["subtype"] == "success"
        ended = driver.until("result")
        driver.user("and now?")
        after = driver.until("result")
        code, _ = driver.end()

    assert (ended["is_error"], ended["subtype"]) == (True, "error_during_execution")
    assert (after["result"], code) == ("Here.", 0)


def test_what_is_no_message_is_said_and_passed_over(work: Path, drivers: list[Driver]) -> None:
    with scripted.ScriptedServer([scripted.text("Hm."), scripted.text("Yes.")]) as server:
        driver = start(drivers, work, server)
        driver.user("one")
        driver.until("result")
        assert driver.process.stdin is not None
        driver.process.stdin.write(b"{broken\n")
        driver.user("two")
        driver.until("result")
        code, _ = driver.end()

    assert code == 0
    assert [m["line"] for m in driver.said if m.get("subtype") == "input_error"] == [2]


def test_verification_counts_in_each_turn(work: Path, drivers: list[Driver]) -> None:
    script = [
        *[scripted.text("No.")] * 4,
        scripted.call("edit", file_path="a.txt", old_string="one", new_string="two"),
        scripted.text("Done."),
    ]
    with scripted.ScriptedServer(script) as server:
        driver = start(drivers, work, server, "--verify", "grep -q two a.txt")
        driver.user("try")
        assert driver.until("result")["exit_code"] == 1
        driver.user("try harder")
        assert driver.until("result")["exit_code"] == 0
        assert driver.end()[0] == 0


@pytest.mark.parametrize("data", [b"", b"hello\n", b'{"type":"assistant"}\n'])
def test_stdin_that_says_nothing_is_an_error(work: Path, data: bytes) -> None:
    with scripted.ScriptedServer([]) as server:
        ended = Program(work, server.base_url).run(*DRIVEN, stdin=data)

    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_it_goes_with_a_stream_alone(work: Path) -> None:
    ended = Program(work).run("run", "--input-format", "stream-json", "x")

    assert ended.code == 2
    assert "-o stream-json" in ended.error
