from __future__ import annotations

import concurrent.futures
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from local_doubles import FakeServer, Watcher

from qcode import local
from qcode.errors import QcodeError, UsageError
from qcode.local import state
from qcode.local.process import memory_bytes, start_time, stop
from qcode.local.server import healthy
from qcode.paths import state_dir

MakeServer = Callable[..., FakeServer]
MakeGguf = Callable[..., Path]


def state_file() -> Path:
    return state_dir() / "local" / "server.json"


def port_of(running: local.Running) -> int:
    return int(running.base_url.split(":")[2].split("/")[0])


def test_up_serves_status_tells_and_down_stops(
    fake_server: MakeServer, make_gguf: MakeGguf, watcher: Watcher
) -> None:
    fake = fake_server()
    path = make_gguf()

    running = local.up(str(path), context=2048, progress=watcher)

    assert (running.model, running.context_window) == ("tiny", 2048)
    assert running.base_url == f"http://127.0.0.1:{port_of(running)}/v1"
    assert local.status() == running
    assert healthy(port_of(running))
    assert memory_bytes(running.pid)
    assert fake.starts[0][:2] == ["-m", str(path)]
    size = path.stat().st_size
    assert watcher.updates[-1] == ("loading the model", size, size)
    assert local.down() == running
    assert start_time(running.pid) is None
    assert (local.status(), local.down()) == (None, None)
    assert not state_file().exists()


def test_up_again_returns_what_runs(
    fake_server: MakeServer, make_gguf: MakeGguf, watcher: Watcher
) -> None:
    fake = fake_server()
    path = make_gguf()

    first = local.up(str(path), progress=watcher)
    again = local.up(os.path.relpath(path), port=port_of(first), progress=watcher)

    assert again == first
    assert len(fake.starts) == 1


def test_another_model_replaces_the_one_that_runs(
    fake_server: MakeServer, make_gguf: MakeGguf, watcher: Watcher
) -> None:
    fake_server()
    first = local.up(str(make_gguf("first.gguf")), progress=watcher)

    second = local.up(str(make_gguf("second.gguf")), progress=watcher)

    assert local.status() == second
    assert start_time(first.pid) is None
    assert "stopping first, which was running" in watcher.notes


def test_a_source_that_is_wrong_leaves_the_running_server_alone(
    fake_server: MakeServer, make_gguf: MakeGguf, watcher: Watcher
) -> None:
    fake_server()
    running = local.up(str(make_gguf()), progress=watcher)

    with pytest.raises(UsageError):
        local.up("nonsense", progress=watcher)

    assert local.status() == running


def test_context_is_cut_to_what_the_model_was_trained_for(
    fake_server: MakeServer, make_gguf: MakeGguf, watcher: Watcher
) -> None:
    fake = fake_server()

    running = local.up(str(make_gguf()), context=100_000, progress=watcher)

    assert running.context_window == 4096
    assert fake.starts[0][fake.starts[0].index("-c") + 1] == "4096"


def test_qwen_coder_is_served_with_our_template(
    fake_server: MakeServer, make_gguf: MakeGguf, watcher: Watcher
) -> None:
    fake = fake_server()
    path = make_gguf(general_architecture="qwen2", general_name="Qwen2.5 Coder 1.5B Instruct")

    local.up(str(path), progress=watcher)

    start = fake.starts[0]
    template = Path(start[start.index("--chat-template-file") + 1])
    assert "```json" in template.read_text()


def test_asking_for_the_status_leaves_no_trace() -> None:
    assert local.status() is None
    assert not state_dir().exists()


def test_two_ups_at_once_start_one_server(
    fake_server: MakeServer, make_gguf: MakeGguf, watcher: Watcher
) -> None:
    fake = fake_server()
    source = str(make_gguf())

    with concurrent.futures.ThreadPoolExecutor() as pool:
        calls = [pool.submit(local.up, source, progress=watcher) for _ in range(3)]
    first, *others = [call.result() for call in calls]

    assert others == [first, first]
    assert len(fake.starts) == 1


def test_down_does_not_wait_for_an_up(watcher: Watcher) -> None:
    with state.locked(watcher), pytest.raises(QcodeError, match="another qcode is starting"):
        local.down()


def test_a_server_that_dies_is_told_with_its_last_words(
    fake_server: MakeServer, make_gguf: MakeGguf, watcher: Watcher
) -> None:
    fake_server(dies=True)

    with pytest.raises(QcodeError) as failure:
        local.up(str(make_gguf()), progress=watcher)

    assert failure.value.message == (
        "the local server ended while starting: error: failed to load the model"
    )
    assert "server.log" in failure.value.hint
    assert local.status() is None


def test_a_port_in_use_is_one_clear_error(
    fake_server: MakeServer, make_gguf: MakeGguf, watcher: Watcher
) -> None:
    fake_server()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(QcodeError, match=f"port {port} of 127.0.0.1 cannot be used"):
            local.up(str(make_gguf()), port=port, progress=watcher)

    assert local.status() is None


@pytest.mark.parametrize("port, context", [(0, 10), (-1, 4096), (70_000, 4096)])
def test_impossible_options_are_usage_errors(port: int, context: int, watcher: Watcher) -> None:
    with pytest.raises(UsageError):
        local.up("0.5b", port=port, context=context, progress=watcher)


def test_a_server_that_was_killed_is_forgotten_and_started_anew(
    fake_server: MakeServer, make_gguf: MakeGguf, watcher: Watcher
) -> None:
    fake_server()
    path = make_gguf()
    first = local.up(str(path), progress=watcher)
    started = start_time(first.pid)
    assert started
    stop(first.pid, started)

    assert local.status() is None
    second = local.up(str(path), progress=watcher)

    assert second.pid != first.pid


def test_a_process_that_got_the_same_id_later_is_left_alone(
    fake_server: MakeServer, make_gguf: MakeGguf, watcher: Watcher
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        running = local.Running(stranger.pid, "http://127.0.0.1:1/v1", "m", 4096, Path("log"))
        state.save(state.Record(running, "long ago", 1, "m", 4096))

        assert local.down() is None

        assert stranger.poll() is None
        assert not state_file().exists()
        stranger.communicate(b"\n")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 99}', '{"version": 1}'])
def test_a_damaged_state_file_counts_as_none(text: str) -> None:
    state.folder()
    state_file().write_text(text)

    assert local.status() is None


@pytest.mark.parametrize("pid", [-1, 0, 1, "7", None])
def test_a_state_file_never_aims_at_everybody(pid: object, watcher: Watcher) -> None:
    running = local.Running(os.getpid(), "http://127.0.0.1:1/v1", "m", 4096, Path("log"))
    state.save(state.Record(running, start_time(os.getpid()) or "", 1, "m", 4096))
    content = json.loads(state_file().read_text())
    content["running"]["pid"] = pid
    state_file().write_text(json.dumps(content))

    assert local.down() is None


def test_an_up_that_was_cut_off_is_taken_over(
    fake_server: MakeServer, make_gguf: MakeGguf, watcher: Watcher
) -> None:
    fake = fake_server()
    path = make_gguf()
    line = [sys.executable, "-c", UP, str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    subprocess.run(line, check=True, env=environment)
    running = local.up(str(path), progress=watcher)

    assert len(fake.starts) == 1
    assert healthy(port_of(running))


UP = """
import os, sys
from qcode import local

class Killed:
    def update(self, label, done, total):
        os._exit(0)  # as if killed while the server loads
    def note(self, text):
        pass

local.up(sys.argv[1], progress=Killed())
"""
