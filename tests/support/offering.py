"""Running the offering server beside a test, and being the person who logs in to it."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OFFERING = str(Path(__file__).with_name("offering_server.py"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def listening(kind: str, *more: str) -> Iterator[int]:
    """Run the server; yield its port once it answers."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, OFFERING, kind, str(port), *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


class Person:
    """Logs in wherever they are asked to."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def log_in(self, _name: str, url: str) -> None:
        self.asked.append(url)
        # Not waited for: the answer comes by the redirect that a browser follows.
        self._task = asyncio.ensure_future(asyncio.to_thread(_open, url))


def _open(url: str) -> None:
    with urllib.request.urlopen(url) as page:
        page.read()
