"""Fixtures over the stand-ins of `local_doubles`."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from local_doubles import Answer, FakeServer, Hub, Index, Reply, Watcher, Web, write_gguf

from qcode import local


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Web]]:
    with contextlib.ExitStack() as stack:

        def start(answer: Answer) -> Web:
            web = Web(answer)
            stack.callback(web.close)
            return web

        yield start


@pytest.fixture
def start(serve: Callable[[Answer], Web], monkeypatch: pytest.MonkeyPatch) -> Callable[[Hub], Hub]:
    def run(hub: Hub) -> Hub:
        monkeypatch.setenv("HF_ENDPOINT", serve(hub.answer).url + "/")
        return hub

    return run


@pytest.fixture
def serve_json(serve: Callable[[Answer], Web]) -> Callable[[dict[str, object]], Web]:
    """Serve a table of path to JSON value; bytes are sent as they are, what is not there is 404."""

    def start(table: dict[str, object]) -> Web:
        def answer(request: http.server.BaseHTTPRequestHandler, body: bytes) -> Reply:
            if request.path not in table:
                return 404, {}, b"{}"
            value = table[request.path]
            return 200, {}, value if isinstance(value, bytes) else json.dumps(value).encode()

        return serve(answer)

    return start


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def make_gguf(tmp_path: Path) -> Callable[..., Path]:
    return lambda name="tiny-q8_0.gguf", **facts: write_gguf(tmp_path / name, **facts)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    whole = write_gguf(tmp_path / "whole.gguf").read_bytes()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return Index(tmp_path / "index", whole, parts=2)


@pytest.fixture
def fake_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., FakeServer]]:
    def make(**behaviour: object) -> FakeServer:
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        return FakeServer(tmp_path / "bin", **behaviour)  # type: ignore[arg-type]

    yield make
    local.down()
