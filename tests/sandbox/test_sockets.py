from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from outside_temp import outside_temp

from qcode.sandbox.hidden import sockets

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/net/unix"), reason="the system does not list its sockets"
)


@pytest.fixture
def place() -> Iterator[Path]:
    # Not where every session has a directory of its own anyway.
    with tempfile.TemporaryDirectory(dir=outside_temp()) as folder:
        yield Path(os.path.realpath(folder))


def test_a_socket_of_the_system_is_found(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place / "s"))

        assert str(place / "s") in sockets(lambda _path: False)
        assert str(place / "s") not in sockets(lambda path: path.startswith(str(place)))

    (place / "s").unlink()
    assert str(place / "s") not in sockets(lambda _path: False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_one_where_a_command_cannot_get_is_left_alone(place: Path) -> None:
    inner = place / "private"
    inner.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(inner / "s"))
        assert str(inner / "s") in sockets(lambda _path: False)

        os.chown(inner, 65534, 65534)

        assert str(inner / "s") not in sockets(lambda _path: False)
