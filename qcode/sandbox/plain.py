"""Processes that nothing confines, ended with their children where those stay in the group."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from qcode.sandbox.blocked import Block
from qcode.sandbox.child import Child
from qcode.sandbox.launching import Purpose
from qcode.sandbox.policy import Confinement, Grant

MOMENT_S = 0.1
"""What is left of a command has so long to end by itself."""
_TICK_S = 0.005


class Start(Protocol):
    """What starts a program; a launcher's `start` is one, and so is the one here."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | str,
        env: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
        purpose: Purpose = Purpose.COMMAND,
    ) -> Child:
        """Start it.

        Raises:
            OSError: there is no such program or directory, or the system is out of something.
        """
        ...


def start(
    argv: Sequence[str],
    *,
    cwd: Path | str,
    env: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    purpose: Purpose = Purpose.COMMAND,  # noqa: ARG001 - as whatever confines takes it
) -> Child:
    """Start a program in a session of its own; what it is for makes no difference.

    Raises:
        OSError: there is no such program or directory, or the system is out of something.
    """
    process = subprocess.Popen(
        argv, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
    )
    return PlainChild(process)


def feed(argv: Sequence[str], data: bytes, *, env: Mapping[str, str], timeout_s: float) -> bool:
    """Hand data to a program of the person's and return whether it took it.

    What it leaves in the background goes on: a clipboard is held by whoever filled it.
    """
    try:
        done = subprocess.run(
            argv,
            cwd="/",
            env=env,
            input=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            start_new_session=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def taken(
    argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float, most: int
) -> bytes | None:
    """Return what a program of the person's prints; None if it fails or prints more than `most`."""
    try:
        with subprocess.Popen(
            argv,
            cwd="/",
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            timer = threading.Timer(timeout_s, process.kill)
            timer.start()
            try:
                assert process.stdout is not None
                data = process.stdout.read(most + 1)
                if len(data) > most:
                    process.kill()
            finally:
                timer.cancel()
    except OSError:
        return None
    return data if process.returncode == 0 and len(data) <= most else None


class PlainChild:
    """A process that leads a group; what left the group is not found again.

    Not for what runs long: when qcode is killed, it goes on.
    """

    exceeded = ""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid
        self.stdin: IO[bytes] | None = process.stdin
        self.stdout: IO[bytes] | None = process.stdout
        self.stderr: IO[bytes] | None = process.stderr
        self.returncode: int | None = None
        self.left = 0
        self._until: float | None = None
        self._descriptor = -1
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """A descriptor that becomes readable when the process has ended."""
        if self._descriptor < 0:
            try:
                # Missing on macOS. Of a process that was waited for there is none.
                self._descriptor = os.pidfd_open(self.pid)  # type: ignore[attr-defined, unused-ignore]
            except (AttributeError, OSError):
                self._descriptor, end = os.pipe()
                threading.Thread(target=self._tell, args=(end,), daemon=True).start()
        return self._descriptor

    def _tell(self, end: int) -> None:
        self._process.wait()
        os.close(end)

    def poll(self) -> int | None:
        """Return how it ended, None while it or its group runs; never waits."""
        with self._lock:
            if self.returncode is None and (code := self._process.poll()) is not None:
                if self._has_group():
                    now = time.monotonic()
                    self._until = self._until or now + MOMENT_S
                    if now < self._until:
                        return None
                    self.left = _members(self.pid)
                    self._signal(signal.SIGKILL)
                self.returncode = code
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end.

        Raises:
            subprocess.TimeoutExpired: it takes longer.
        """
        end = None if timeout is None else time.monotonic() + timeout
        self._process.wait(timeout)
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(self._process.args, timeout or 0.0)
            time.sleep(_TICK_S)
        return code

    def terminate(self) -> None:
        """Ask all its processes to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End all its processes at once."""
        self._signal(signal.SIGKILL)

    def close(self) -> None:
        """Kill what still runs, and give up the descriptors."""
        if self.poll() is None:
            self.kill()
            self.wait()
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was not written has nobody to read it
                    stream.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _has_group(self) -> bool:
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # somebody else's by now, or one that changed its user
        return True

    def _signal(self, number: signal.Signals) -> None:
        # Once it has ended, the number may be another's.
        if self.returncode is None:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, number)


def _members(group: int) -> int:
    """Return how many processes a group has, 1 where that cannot be seen."""
    count = 0
    try:
        numbers = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return 1
    for number in numbers:
        with contextlib.suppress(OSError, ValueError):
            with open(f"/proc/{number}/stat", "rb") as file:
                state, _, its_group = file.read().rpartition(b")")[2].split()[:3]
            count += int(its_group) == group and state != b"Z"
    return max(count, 1)


class Plain:
    """Starts programs that nothing confines; where no better launcher is at hand."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self.environment: Mapping[str, str] = os.environ if environment is None else environment

    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | str,
        env: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
        purpose: Purpose = Purpose.COMMAND,
        grant: Grant | None = None,
        confinement: Confinement | None = None,
    ) -> Child:
        """Start a program.

        Raises:
            OSError: there is no such program or directory, or the system is out of something.
        """
        env = self.environment if env is None else env
        return start(
            argv, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr, purpose=purpose
        )

    def blocked(self, child: Child, printed: str) -> tuple[Block, ...]:
        """Nothing is kept from anything."""
        return ()

    def listen(self, port: int) -> socket.socket:
        """Return a socket on the machine's own loopback.

        Raises:
            OSError: the port is taken.
        """
        return socket.create_server(("127.0.0.1", port))

    def close(self) -> None:
        """Nothing is held."""
