"""A network of their own that several sandboxes share, and sockets that listen in it.

One process in bubblewrap keeps a user and a network namespace alive. Commands are then
started by `nsenter` in both, and bubblewrap puts each of them into a further user namespace
without any capability: over the network they have no more power than in one of their own.
The holder runs none of what the model wants, and starts only when something is to be shared.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from qcode.sandbox import held
from qcode.sandbox.unavailable import Unavailable

_SYSTEM = ("/usr/bin/nsenter", "/bin/nsenter", "/usr/sbin/nsenter")
_PATIENCE = 20.0
_INSIDE = "import sys; sys.path.append(sys.argv[1]); from qcode.sandbox import held; held.serve()"


class Starting(Protocol):
    """How bubblewrap is started."""

    def __call__(
        self, words: Sequence[str], *, stdin: int, stdout: int, stderr: int
    ) -> subprocess.Popen[bytes]:
        """Start it without environment, from a thread that lives as long as the holder."""
        ...


class Holder:
    """A network namespace with nothing but a loopback, kept for as long as this is not closed."""

    def __init__(self, program: str, start: Starting) -> None:
        """Start it.

        Args:
            program: bubblewrap.
            start: What starts it.

        Raises:
            Unavailable: namespaces cannot be made or entered here.
        """
        self._nsenter = next((path for path in _SYSTEM if os.access(path, os.X_OK)), "")
        if not self._nsenter:
            raise Unavailable("nsenter (of util-linux) is needed to share a network: install it")
        self._user = self._network = -1
        self._asking = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(_PATIENCE)
        package = str(Path(__file__).resolve().parents[2])
        arguments = [program, "--unshare-user", "--unshare-net", "--unshare-pid", "--unshare-ipc"]
        arguments += ["--die-with-parent", "--cap-drop", "ALL", "--ro-bind", "/", "/"]
        arguments += ["--proc", "/proc", "--chdir", "/", "--"]
        arguments += [sys.executable, "-I", "-S", "-E", "-c", _INSIDE, package]
        with theirs:
            self._process = start(
                arguments,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        try:
            self._user, self._network = self._ask(held.NAMESPACES)
        except (OSError, ValueError) as error:
            self._process.kill()
            said = self._process.communicate()[1].decode(errors="replace").strip()
            self.close()
            raise Unavailable(f"a network cannot be shared: {said or error}") from error

    def _ask(self, request: bytes) -> list[int]:
        with self._asking:
            self._socket.send(request)
            answer, descriptors, _, _ = socket.recv_fds(self._socket, held.LONGEST, 2)
        if not descriptors:
            raise OSError(answer.decode(errors="replace") or "its process has ended")
        return descriptors

    @property
    def alive(self) -> bool:
        """Whether its process still runs."""
        return self._process.poll() is None

    @property
    def descriptors(self) -> tuple[int, int]:
        """The namespaces of users and network, to be inherited by what `entering` starts."""
        return self._user, self._network

    @property
    def entering(self) -> list[str]:
        """The command, to be followed by another, that enters the two namespaces."""
        user, network = (f"/proc/self/fd/{number}" for number in self.descriptors)
        return [
            self._nsenter,
            "--preserve-credentials",
            f"--user={user}",
            f"--net={network}",
            "--",
        ]

    def listen(self, port: int) -> socket.socket:
        """Return a socket that listens on a port of the shared loopback; 0 for any port.

        Raises:
            OSError: the port is taken, or the holder has ended.
        """
        (descriptor,) = self._ask(b"%d" % port)
        return socket.socket(fileno=descriptor)

    def close(self) -> None:
        """End it; commands that still run keep their network among themselves."""
        self._socket.close()
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=_PATIENCE)
        for descriptor in (self._user, self._network):
            if descriptor >= 0:
                os.close(descriptor)
        self._user = self._network = -1
