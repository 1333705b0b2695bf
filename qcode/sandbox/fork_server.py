"""Confinement from plain Python: a fork server that is asked to start commands.

See `qcode.sandbox.native.server` for what it does. It is started when the first command
is, and again if it was ended from outside.
"""

from __future__ import annotations

import contextlib
import errno
import json
import marshal
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from qcode.sandbox.native.server import receive, send
from qcode.sandbox.policy import Confinement, Limits, Network, Tier
from qcode.sandbox.unavailable import Unavailable

_PATIENCE_S = 30.0
"""How long the server may take to answer on a busy machine."""
_PYTHON = sys.executable
_PACKAGES = str(Path(__file__).resolve().parents[2])
_CODE = (
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "from qcode.sandbox.native.server import main; main()"
)
_ENVIRONMENT = ("QCODE_SANDBOX_DEBUG",)


class ForkServer:
    """Starts commands by a server of one tier: namespaces, Landlock, or unconfined."""

    def __init__(
        self,
        tier: Tier,
        *,
        network: Network,
        temp_bytes: int = Limits().temp_bytes,
        seen: Sequence[str] = (),
    ) -> None:
        """Start the server; whether it confines is the canary's affair.

        `seen` are directories that have to be readable although they lie in /tmp: the roots.

        Raises:
            Unavailable: this machine does not have what the tier needs.
        """
        self.tier = tier
        self.network = network
        self._temp_bytes = temp_bytes
        self._seen = [os.path.realpath(path) for path in seen]
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._begin()

    def _begin(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.settimeout(_PATIENCE_S)
            try:
                self._process = subprocess.Popen(
                    [
                        *(_PYTHON, "-I", "-S", "-E", "-B", "-c", _CODE, _PACKAGES),
                        *(str(theirs.fileno()), self.tier, self.network, str(self._temp_bytes)),
                    ],
                    env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=None if _ENVIRONMENT[0] in os.environ else subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
            except OSError as error:
                ours.close()
                raise Unavailable(f"the server could not be started: {error}") from error
        self._channel = ours
        try:
            told, _ = receive(ours)
        except OSError as error:
            told = {"text": str(error)}
        if told is None or "ok" not in told:
            why = told["text"] if told else "the server ended at once"
            self._end()
            raise Unavailable(_cause(why, self.tier))

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
    ) -> ForkedChild:
        """Start a program.

        Raises:
            OSError: as from `subprocess.Popen`.
            Unavailable: it cannot be confined.
        """
        for word in (*argv, *env, *env.values(), cwd):
            if "\0" in word:
                raise ValueError("embedded null byte")
        plain = self._plain(confinement)
        request = {
            "do": "start",
            "key": marshal.dumps((plain, confinement.identity)),
            "confinement": plain,
            "argv": [os.fsencode(word) for word in argv],
            "cwd": os.fsencode(cwd),
            "env": [(os.fsencode(name), os.fsencode(value)) for name, value in env.items()],
        }
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as undo:
            ends = [_end(stdin, theirs, undo, reads=True), _end(stdout, theirs, undo)]
            if stderr == subprocess.STDOUT:
                ends.append((ends[1][0], None))
            else:
                ends.append(_end(stderr, theirs, undo))
            status, status_w = os.pipe2(os.O_CLOEXEC)
            undo.callback(os.close, status)
            theirs.callback(os.close, status_w)
            control_r, control = os.pipe2(os.O_CLOEXEC)
            theirs.callback(os.close, control_r)
            undo.callback(os.close, control)
            pid, handle = self._ask(request, [*(end[0] for end in ends), status_w, control_r])
            undo.callback(os.close, handle)
            theirs.close()
            _await_start(status, argv[0])
            child = ForkedChild(pid, handle, status, control, [end[1] for end in ends], list(argv))
            undo.pop_all()
            return child

    def _plain(self, confinement: Confinement) -> dict[str, Any]:
        limits = confinement.limits
        confines = self.tier is not Tier.NONE
        return {
            "seen": self._seen,
            "writable": list(confinement.writable),
            "pinned": list(confinement.pinned),
            "protected": list(confinement.protected),
            "hidden": list(confinement.hidden),
            "identity": [tuple(each) for each in confinement.identity],
            "temp": confinement.temp,
            "network": str(confinement.network),
            "limits": {
                "processes": limits.processes,
                "file_bytes": limits.file_bytes,
                "memory_bytes": limits.memory_bytes if confines else None,
                "open_files": limits.open_files,
                "own_count": self.tier is Tier.NAMESPACES,
            },
        }

    def _ask(self, request: dict[str, Any], descriptors: list[int]) -> tuple[int, int]:
        with self._lock:
            told, received = self._told(request, descriptors)
            if told is None:  # it was ended from outside
                self._end()
                told, received = self._told(request, descriptors)
        if told is None:
            raise Unavailable("the server that starts commands was ended")
        if "errno" in told:
            number, text = told["errno"], told["text"]
            if number == errno.ESTALE:
                from qcode.sandbox.bubblewrap_arguments import MovedError

                raise MovedError(text)
            raise Unavailable(text or os.strerror(number))
        return told.get("pid", 0), received[0]

    def _told(
        self, request: dict[str, Any], descriptors: list[int]
    ) -> tuple[dict[str, Any] | None, list[int]]:
        if self._channel is None:
            self._begin()
        assert self._channel is not None
        try:
            send(self._channel, request, descriptors)
            return receive(self._channel)
        except OSError:
            return None, []

    def listen(self, port: int) -> socket.socket:
        """Return a socket that listens on the loopback of what is started here.

        Raises:
            OSError: the port is taken.
            Unavailable: this tier has no loopback of its own.
        """
        if self.tier is not Tier.NAMESPACES:
            raise Unavailable(f"{self.tier} has no loopback of its own")
        _, descriptor = self._ask({"do": "listen", "port": port}, [])
        return socket.socket(fileno=descriptor)

    def close(self) -> None:
        """End the server and all that it started."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            try:
                self._process.wait(2.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def _end(
    wanted: int, theirs: contextlib.ExitStack, undo: contextlib.ExitStack, *, reads: bool = False
) -> tuple[int, IO[bytes] | None]:
    """Return a stream's end for the command, and ours where it is a pipe."""
    if wanted == subprocess.PIPE:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        ours, their = (writing, reading) if reads else (reading, writing)
        theirs.callback(os.close, their)
        # With stdin as `subprocess` has it by default.
        file: IO[bytes] = open(ours, "wb" if reads else "rb", buffering=-1)  # noqa: SIM115
        undo.callback(file.close)
        return their, file
    if wanted == subprocess.DEVNULL:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        theirs.callback(os.close, null)
        return null, None
    return wanted, None


def _await_start(status: int, program: str) -> None:
    """Wait until the command runs.

    Raises:
        OSError: it could not be run.
        Unavailable: it could not be confined.
    """
    told = _next(status, _PATIENCE_S)
    if told is None:
        raise Unavailable("the sandbox ended before the command was run")
    if told[0] == "failed":
        _, number, text, path = told
        raise OSError(number, text, path or program)


def _next(status: int, timeout_s: float | None) -> tuple[Any, ...] | None:
    poll = select.poll()
    poll.register(status, select.POLLIN)
    if not poll.poll(None if timeout_s is None else timeout_s * 1000):
        return None
    # Two may be there at once: each says first how long it is.
    size = int.from_bytes(os.read(status, 4), "little")
    if not size:
        return None
    told: list[Any] = json.loads(os.read(status, size))
    return tuple(told)


class ForkedChild:
    """A command that the server watches over."""

    def __init__(
        self,
        pid: int,
        handle: int,
        status: int,
        control: int,
        streams: list[IO[bytes] | None],
        argv: list[str],
    ) -> None:
        self.pid = pid
        self.stdin, self.stdout, self.stderr = streams
        self.returncode: int | None = None
        self.left = 0
        self.exceeded = ""
        self._handle = handle
        self._status = status
        self._control = control
        self._argv = argv
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """A descriptor that becomes readable when all of it has ended."""
        return self._handle

    def poll(self) -> int | None:
        """Return how it ended, None while it runs; never waits."""
        if self.returncode is None and self._handle >= 0 and self._is_over(0):
            self._finish()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end.

        Raises:
            subprocess.TimeoutExpired: it takes longer.
        """
        if self.returncode is None:
            if not self._is_over(timeout):
                raise subprocess.TimeoutExpired(self._argv, timeout or 0.0)
            self._finish()
        assert self.returncode is not None
        return self.returncode

    def _is_over(self, timeout: float | None) -> bool:
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return bool(poll.poll(None if timeout is None else max(0.0, timeout) * 1000))

    def _finish(self) -> None:
        with self._lock:
            if self.returncode is not None:
                return
            told = _next(self._status, 0.0)
            if told is None:  # whoever would have told was killed
                self.returncode = -signal.SIGKILL
            else:
                self.returncode, self.left, self.exceeded = told

    def terminate(self) -> None:
        """Ask all its processes to end."""
        with self._lock:
            if self._control >= 0:
                with contextlib.suppress(OSError):
                    os.write(self._control, b"T")

    def kill(self) -> None:
        """End all its processes at once."""
        with self._lock:
            if self._control >= 0:
                os.close(self._control)
                self._control = -1

    def close(self) -> None:
        """Kill what still runs, and give up the descriptors."""
        self.kill()
        if self._handle >= 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(_PATIENCE_S)
            os.close(self._handle)
            os.close(self._status)
            self._handle = self._status = -1
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was not written has no reader
                    stream.close()


def _cause(why: str, tier: Tier) -> str:
    """Return why a server could not be set up, with what of it is known."""
    if "uid_map" in why:
        return f"uid map: {why}"
    if "unshare" in why:
        return f"namespaces: {why}"
    if "/proc" in why:
        return f"mounting proc: {why}"
    return why or f"{tier} does not work here"
