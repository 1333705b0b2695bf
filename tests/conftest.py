"""What holds for every test: an empty home, a plain environment, no network but loopback."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from compiled import compile_modules
from spent import Measuring
from thorough import examples

from qcode.sandbox import house
from qcode.sandbox.plain import Plain

# Shared machines stop for a moment now and then; that is no failure.
hypothesis.settings.register_profile("qcode", deadline=None, max_examples=examples(100))
hypothesis.settings.load_profile("qcode")

PRIVATE = re.compile(
    r"""
    (QCODE|OPENAI|ANTHROPIC|LITELLM|HF|XDG|GIT)_.*
    | .*_API_KEY | .*_PROXY | .*_proxy | NO_COLOR | .*COLOR.* | COLUMNS | LINES
    | MAKEFLAGS | MFLAGS | MAKELEVEL
    | TERM_PROGRAM.* | KITTY_.* | VTE_VERSION | WT_SESSION | NVIM | VISUAL | EDITOR
    """,
    re.VERBOSE,
)
"""Names of environment variables that would make a test depend on who runs it."""


class NetworkBlockedError(RuntimeError):
    """A test reached for an address beyond loopback."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--spent", type=int, metavar="N", help="say what the N dearest tests and files took"
    )


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # workers of xdist come after the first process
        compile_modules()
    shown = config.getoption("--spent")
    if shown is not None:
        config.pluginmanager.register(Measuring(shown))


@pytest.fixture(autouse=True)
def plain_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    home = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if PRIVATE.fullmatch(name)]:
        monkeypatch.delenv(name)
    for name, value in {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Test",
        "GIT_AUTHOR_EMAIL": "test@localhost",
        "GIT_COMMITTER_NAME": "Test",
        "GIT_COMMITTER_EMAIL": "test@localhost",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "QCODE_SURROUNDINGS": "0",  # requests would depend on where tests run
        "TERM": "xterm",
        "TZ": "UTC",
    }.items():
        monkeypatch.setenv(name, value)
    time.tzset()

    yield

    monkeypatch.undo()
    time.tzset()


@pytest.fixture(autouse=True)
def own_git_unconfined() -> Iterator[None]:
    """A session that a test opened in this process is not to start another test's git."""
    yield
    house.close()
    house.use(Plain)


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """In this process alone; programs that tests start are handed loopback addresses."""
    if request.node.get_closest_marker("network"):
        return
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    sendto, getaddrinfo = socket.socket.sendto, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _check(self.family, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _check(self.family, address)
        return connect_ex(self, address)

    def guarded_sendto(self: socket.socket, data: Any, *rest: Any) -> int:
        _check(self.family, rest[-1])
        return sendto(self, data, *rest)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host:
            _check_host(host.decode() if isinstance(host, bytes) else host)
        return getaddrinfo(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    monkeypatch.setattr(socket.socket, "sendto", guarded_sendto)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)


def _check(family: int, address: Any) -> None:
    if family in (socket.AF_INET, socket.AF_INET6):
        _check_host(address[0])


def _check_host(host: str) -> None:
    if host == "localhost":
        return
    try:
        loopback = ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise NetworkBlockedError(f"a test reached for {host}; only loopback is allowed")
