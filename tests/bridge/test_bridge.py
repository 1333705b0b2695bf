"""The bridge: real sockets, a client that we wrote and clients that behave badly."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from qcode.bridge import peers, place
from qcode.bridge.client import Client
from qcode.bridge.protocol import (
    LINE_BYTES,
    SELECTION_BYTES,
    Malformed,
    Prompt,
    context_to_json,
    read,
)
from qcode.bridge.server import MALFORMED, Bridge
from qcode.errors import QcodeError

CONTEXT: dict[str, Any] = {
    "file": "/w/app.py",
    "line": 10,
    "selection": {"text": "x = 1\n", "first": 10, "last": 11},
    "diagnostics": [
        {"file": "/w/app.py", "line": 3, "column": 1, "severity": "warning", "message": "unused"}
    ],
}

CHANGED = asyncio.Event()


@pytest.fixture(autouse=True)
def fresh_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "CHANGED", asyncio.Event())


@asynccontextmanager
async def bridge(folder: Path, prompts: list[Prompt]) -> AsyncIterator[Bridge]:
    async def take(prompt: Prompt) -> None:
        if prompt.text == "bad":
            raise QcodeError("not now")
        prompts.append(prompt)

    # Clients of these tests are threads of the session's own process.
    made = Bridge(
        folder / "run",
        folder,
        prompt=take,
        key="k1",
        changed=CHANGED.set,
        refusal=lambda _one: "",
    )
    await made.start("s1")
    try:
        yield made
    finally:
        await made.close()


def held(folder: Path, body: Callable[[Bridge, place.Listening], Awaitable[None]]) -> list[Prompt]:
    prompts: list[Prompt] = []

    async def hold() -> None:
        async with bridge(folder, prompts) as made:
            (found,) = place.listening(folder / "run")
            await body(made, found)

    asyncio.run(hold())
    return prompts


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await CHANGED.wait()
        CHANGED.clear()


async def said(found: place.Listening, *lines: bytes) -> list[dict[str, Any]]:
    """Return the answers to lines, until the bridge hangs up or all are answered."""
    reader, writer = await asyncio.open_unix_connection(found.socket)
    out = []
    try:
        for line in lines:
            writer.write(line)
            await writer.drain()
            answer = await reader.readline()
            if not answer:
                break
            out.append(json.loads(answer))
    except ConnectionError:
        pass
    writer.close()
    return out


def hello(token: str) -> bytes:
    return json.dumps({"type": "hello", "token": token, "client": "nvim", "id": 1}).encode() + b"\n"


def line(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def test_an_editor_hands_over_and_is_told(tmp_path: Path) -> None:
    async def body(made: Bridge, found: place.Listening) -> None:
        def talk() -> None:
            with Client(found, "hx") as client:
                client.ask("ping")
                client.ask("subscribe", events=["changed"])
                client.ask("context", **CONTEXT)
                context = made.handed.context
                assert context is not None
                assert made.handed.hint == "hx: app.py:10-11"
                assert read(line(type="context", **context_to_json(context)))[0] == context
                client.ask("context", file="/w/b.py", line=2)
                assert made.handed.hint == "hx: b.py:2"
                assert made.handed.context is not None
                assert made.handed.context.diagnostics == context.diagnostics
                client.ask("prompt", text="why?", submit=True)
                with pytest.raises(QcodeError, match="refused: not now"):
                    client.ask("prompt", text="bad")
                with pytest.raises(QcodeError, match="no `colour`"):
                    client.ask("context", colour="red")
                loop.call_soon_threadsafe(lambda: made.tell("changed", files=["/w/b.py"]))
                assert client.next() == {"type": "changed", "files": ["/w/b.py"]}

        loop = asyncio.get_running_loop()
        await asyncio.to_thread(talk)
        await until(lambda: not made.handed.client)
        assert made.handed.context is None
        assert (found.session, found.key, found.cwd) == ("s1", "k1", os.path.realpath(tmp_path))

    assert held(tmp_path, body) == [Prompt("why?", submit=True)]
    assert list((tmp_path / "run").iterdir()) == []


def test_what_a_command_hands_over_is_kept_until_an_editor_says_more(tmp_path: Path) -> None:
    async def body(made: Bridge, found: place.Listening) -> None:
        kept = line(type="context", file="/w/a.py", line=3, keep=True)
        assert [one["type"] for one in await said(found, hello(found.token), kept)] == ["ok", "ok"]
        await until(lambda: not made.handed._present)
        assert made.handed.hint == "nvim: a.py:3"

    held(tmp_path, body)


def test_nobody_is_heard_without_the_token(tmp_path: Path) -> None:
    async def body(made: Bridge, found: place.Listening) -> None:
        assert await said(found, hello("guess"), line(type="ping")) == [
            {"type": "error", "id": 1, "message": "the token is another one"}
        ]
        (answer,) = await said(found, line(type="prompt", text="x"), line(type="ping"))
        assert answer["type"] == "error"
        (answer,) = await said(found, b"GET / HTTP/1.1\r\n", b"\r\n")
        assert "no JSON" in answer["message"]

    assert held(tmp_path, body) == []
    run = tmp_path / "run"
    assert run.stat().st_mode & 0o777 == 0o700


def test_no_client_harms_the_session_or_another_client(tmp_path: Path) -> None:
    async def body(made: Bridge, found: place.Listening) -> None:
        _, idle = await asyncio.open_unix_connection(found.socket)  # says nothing at all
        _, half = await asyncio.open_unix_connection(found.socket)
        half.write(hello(found.token) + b'{"type":"pi')
        half.transport.abort()
        long = b'{"type":"prompt","text":"' + b"x" * (2 * LINE_BYTES)
        assert len(await said(found, hello(found.token), long)) == 1
        bad = [line(type="nonsense")] * (MALFORMED + 5)
        assert len(await said(found, hello(found.token), *bad)) == 1 + MALFORMED
        flood, flooding = await asyncio.open_unix_connection(found.socket)
        flooding.write(hello(found.token) + line(type="ping") * 2000)
        # Of another client every message is answered meanwhile.
        assert len(await said(found, hello(found.token), *[line(type="ping")] * 20)) == 21
        deaf, silent = await asyncio.open_unix_connection(found.socket)
        silent.write(hello(found.token) + line(type="subscribe", events=["changed"]))
        await until(lambda: made.hears("changed"))
        for _ in range(100):
            made.tell("changed", files=["/w/" + "x" * 50_000])
        await until(lambda: not made.hears("changed"))
        for writer in (idle, half, flooding, silent):
            writer.close()
        del flood, deaf

    held(tmp_path, body)


@pytest.mark.parametrize(
    "message",
    [
        b"[]",
        b"{}",
        b'{"type":"ping","id":{}}',
        b'{"type":"ping","id":true}',
        b'{"type":"ping","more":1}',
        b'{"type":"context","file":"relative.py"}',
        b'{"type":"context","file":"/a\\u0000"}',
        b'{"type":"context","line":-1}',
        b'{"type":"context","line":1.5}',
        b'{"type":"context","line":true}',
        b'{"type":"context","selection":{"text":"x","first":3,"last":2}}',
        b'{"type":"context","selection":{"text":"x"},"colour":1}',
        b'{"type":"context","open_files":[1]}',
        b'{"type":"context","diagnostics":[{"severity":"fatal","message":""}]}',
        b'{"type":"context","diagnostics":{}}',
        b'{"type":"subscribe","events":["everything"]}',
        b'{"type":"prompt"}',
        b'{"type":"hello","token":"x","version":2}',
        b"\xff",
        b"[" * 100_000,
        json.dumps({"type": "context", "selection": {"text": "é" * SELECTION_BYTES}}).encode(),
    ],
)
def test_what_is_no_message_is_refused(message: bytes) -> None:
    with pytest.raises(Malformed):
        read(message)


def test_the_nearest_session_is_found_and_dead_ones_are_forgotten(tmp_path: Path) -> None:
    run = place.private(tmp_path / "run")

    def here(pid: int, cwd: str, started: float = 0.0) -> place.Listening:
        one = place.Listening("s", pid, str(tmp_path / cwd), str(run / f"{pid}.sock"), "t", started)
        place.announce(run, one)
        return one

    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead = here(gone.pid, "a/b")
    Path(dead.socket).touch()
    top, deep = here(os.getpid(), "a", 1.0), here(os.getppid(), "a/b", 0.0)
    (run / "odd.json").write_text("[]")

    every = list(place.listening(run))

    assert every == [top, deep]
    assert not Path(dead.socket).exists()
    assert place.of_place(every, tmp_path / "a/b/c.py") == deep
    assert place.of_place(every, tmp_path / "a/x") == top
    assert place.of_place(every, tmp_path / "ab") is None
    run.chmod(0o755)
    assert list(place.listening(run)) == []
    with pytest.raises(QcodeError, match="not yours alone"):
        place.private(run)


def test_a_socket_has_a_place_however_long_the_path_is(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    made = place.socket_in(folder)
    assert len(str(made)) < 108
    place.withdraw(folder / "1.json", str(made))
    assert not made.parent.exists()


def test_what_the_session_started_does_not_speak_for_the_person() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peers.credentials(ours)[0] == os.getuid()
        assert peers.refusal(ours) == "a process that this session started"
    assert not peers._is_below(os.getppid(), os.getpid())
