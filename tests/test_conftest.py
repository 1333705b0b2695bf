from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path

import pytest


def test_addresses_beyond_loopback_are_blocked() -> None:
    with pytest.raises(RuntimeError, match=r"reached for 192\.0\.2\.1"):
        socket.create_connection(("192.0.2.1", 80), timeout=0.1)
    with pytest.raises(RuntimeError, match="reached for example"):
        socket.getaddrinfo("example.org", 80)


def test_asyncio_is_guarded_too() -> None:
    with pytest.raises(RuntimeError, match=r"reached for 192\.0\.2\.1"):
        asyncio.run(asyncio.open_connection("192.0.2.1", 80))


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_home_is_empty_and_time_is_utc() -> None:
    assert list(Path.home().iterdir()) == []
    ours = [name for name in os.environ if name.startswith(("QCODE_", "OPENAI_"))]
    assert ours == ["QCODE_SURROUNDINGS"]
    assert time.strftime("%Z") == "UTC"
