"""Confinement on macOS, by the system's own program for it."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Mapping, Sequence

from qcode.sandbox.bubblewrap_handing import resolved
from qcode.sandbox.plain import PlainChild
from qcode.sandbox.policy import Confinement, Limits, Network
from qcode.sandbox.seatbelt_profile import profile
from qcode.sandbox.unavailable import Unavailable

SYSTEM = "/usr/bin/sandbox-exec"
_BASH = ("/bin/bash", "--noprofile", "--norc", "-p", "-c")
# Ends a group when the other end of its stdin is closed, in whatever way that happened.
# There is no `--` before the number, since not every shell's kill takes one.
_LIFELINE = 'read -r _; kill -KILL "-$1"'


class Seatbelt:
    """Starts commands, each with a profile of its own.

    There is no network of its own here: without `Network.ON` not even the loopback is
    there, and with a proxy it is the machine's, of which one port can be reached.
    """

    def __init__(self, program: str = SYSTEM) -> None:
        """Look whether it is there; whether it confines is the canary's affair.

        Raises:
            Unavailable: it is not.
        """
        if not os.access(program, os.X_OK):
            raise Unavailable(f"{program} is missing: this system has no Seatbelt")
        self._program = program
        self._proxy_port = 0

    def listen(self, port: int) -> socket.socket:
        """Return a socket for the proxy to listen on; commands reach the last one made.

        Raises:
            OSError: the port is taken.
        """
        listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self._proxy_port = listener.getsockname()[1]
        return listener

    def close(self) -> None:
        """Do nothing: commands share nothing."""

    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        confinement: Confinement,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
    ) -> SeatbeltChild:
        """Start a program.

        Raises:
            OSError: there is no such program or directory, or too much was handed over.
            Unavailable: the proxy does not listen yet.
        """
        if confinement.network is Network.PROXY and not self._proxy_port:
            raise Unavailable("the proxy does not listen yet")
        if not stat.S_ISDIR(os.stat(cwd).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), cwd)
        command = [resolved(argv[0], cwd, env), *argv[1:]]
        told = profile(confinement, proxy_port=self._proxy_port).arguments()
        limited = [*_BASH, limiting(confinement.limits), "qcode", *command]
        process = subprocess.Popen(
            [self._program, *told, "--", *limited],
            cwd=cwd,
            env=dict(env),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        return SeatbeltChild(process)


def limiting(limits: Limits) -> str:
    """Return the script that sets the limits on itself and becomes a command."""
    # Of processes all of the user's are counted, so there has to be room for those.
    return (
        "ulimit -c 0"
        f"; ulimit -n {limits.open_files:d}"
        f"; ulimit -f {limits.file_bytes // 1024:d}"
        f"; ulimit -u {limits.processes + 1024:d}"
        '; exec "$@"'
    )


class SeatbeltChild(PlainChild):
    """See `qcode.sandbox.child.Child`.

    What leaves the group of its command and outlives its parent is not found again; it
    stays confined.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(process)
        self._lifeline = subprocess.Popen(
            ["/bin/sh", "-c", _LIFELINE, "qcode", str(process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            start_new_session=True,
        )

    def poll(self) -> int | None:
        """See `Child`."""
        code = super().poll()
        if code is not None and self._lifeline.returncode is None:
            # The number of the group may be another's from now on.
            self._lifeline.kill()
            self._lifeline.wait()
        return code

    def kill(self) -> None:
        """See `Child`."""
        if self.returncode is None:
            below = descendants(self.pid)
            super().kill()
            for pid in below:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """See `Child`."""
        super().close()
        if self._lifeline.stdin is not None:
            self._lifeline.stdin.close()


def descendants(pid: int) -> list[int]:
    """Return the processes that a process and those below it started, as far as parents live."""
    try:
        listed = subprocess.run(
            ["/bin/ps", "-A", "-o", "pid=", "-o", "ppid="],
            capture_output=True,
            check=False,
            timeout=5.0,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    children: dict[int, list[int]] = {}
    for line in listed.stdout.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found = []
    pending = [pid]
    while pending:
        inner = children.get(pending.pop(), [])
        found += inner
        pending += inner
    return found
