"""Starting qcode again and again without importing it each time.

A short run of qcode spends half its time on imports. Here one interpreter (the nest) has imported
what every run imports, in the state in which `python -P -m qcode` would be then; each program is a
fork of it, with arguments, an environment, a folder and streams of its own. To whoever started it
it is a process like any other: its parent, by `CLONE_PARENT`, is the test's process, which waits
for it and sends signals to it.

What this does not show, how an interpreter comes up and in which order things are imported, is for
tests that start `program.COMMAND`; QCODE_THOROUGH=1 has all of them start that.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import inspect
import io
import json
import locale
import os
import pkgutil
import platform
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

_CLONE = {"x86_64": 56, "aarch64": 220}.get(platform.machine())
_CLONE_PARENT = 0x8000
CAN_FORK = sys.platform == "linux" and _CLONE is not None
PLAIN = (sys.executable, "-m", "qcode")
# The controlling terminal is the first one that a session leader opens.
_IN_TERMINAL = 'exec "$@" <"$0" >"$0" 2>&1'
_FIXED = ("PYTHON", "LC_", "LANG", "MALLOC_", "LD_", "GLIBC_")
"""How variables begin that an interpreter reads when it comes up, and never again."""
_RUN = (
    *("qcode.cli.run", "qcode.cli.foreground", "qcode.cli.staffing", "qcode.cli.land"),
    *("qcode.checkpoints.keeper", "qcode.checkpoints.graft", "qcode.checkpoints.prune"),
    *("qcode.providers.chat", "qcode.providers.protocol", "qcode.providers.retry"),
    *("qcode.sandbox.confinement", "qcode.sandbox.fork_server", "qcode.sandbox.bubblewrap"),
    *("qcode.sandbox.native.confine", "qcode.sandbox.toolchains", "qcode.sandbox.watch"),
    *("qcode.landing.own", "qcode.manifests", "qcode.surroundings", "qcode.verification.comparing"),
    *("qcode.tools.*", "qcode.editing.*", "qcode.syntax.*", "qcode.calls.*"),
    *("concurrent.futures.thread", "gc", "platform", "queue", "resource", "uuid"),
)
_TERMINAL = (
    *("qcode.cli.interactive", "qcode.cli.conversation", "qcode.cli.obeying", "qcode.cli.marks"),
    *("qcode.cli.in_editor", "qcode.cli.asides", "qcode.by_hand", "qcode.daemon", "qcode.warming"),
    *("qcode.ui.prompt", "qcode.ui.terminal", "qcode.ui.approve", "qcode.ui.recap"),
    *("qcode.bridge.server", "qcode.mentions.complete", "qcode.mentions.in_editor"),
    *("prompt_toolkit.shortcuts", "xml.dom.minidom"),
)
_MCP = ("mcp", "qcode.mcp.*")
LOADED: Mapping[str, Sequence[str]] = {
    "run": _RUN,
    "terminal": (*_RUN, *_TERMINAL),
    "mcp": (*_RUN, *_MCP),
}
"""By what kind of session it is: modules that one of a few steps loads, with what they import."""


class Forked(subprocess.Popen[bytes]):
    """qcode with these arguments, forked; otherwise what `subprocess.Popen` is.

    `kind` is one of `LOADED`. With the path of a `terminal` the program leads a session whose
    controlling terminal that is, and its streams are there.
    """

    def __init__(
        self, command: Sequence[str], *, kind: str = "run", terminal: str = "", **options: Any
    ) -> None:
        self._kind, self._terminal = kind, terminal
        super().__init__(command, **options)

    def _execute_child(self, *positional: Any) -> None:
        signature = inspect.signature(subprocess.Popen._execute_child)  # type: ignore[attr-defined]
        given = signature.bind(self, *positional).arguments
        ends = [given[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        try:
            wanted = {
                "arguments": given["args"][given["args"].index("qcode") + 1 :],
                "folder": os.fspath(given["cwd"] or os.getcwd()),
                "terminal": self._terminal,
                "environment": dict(os.environ if given["env"] is None else given["env"]),
            }
            streams = [number if end == -1 else end for number, end in enumerate(ends)]
            self.pid = _nest(self._kind).fork(wanted, streams)
            self._child_created = True
        finally:
            self._close_pipe_fds(  # type: ignore[attr-defined]
                *(given[end] for end in ("p2cread", "p2cwrite", "c2pread", "c2pwrite")),
                *(given[end] for end in ("errread", "errwrite")),
            )


def can_fork(options: Mapping[str, Any]) -> bool:
    """Whether a fork would be the same as a program started with these options of `Popen`."""
    streams = {"stdin", "stdout", "stderr", "cwd", "env"}
    return (
        CAN_FORK
        and os.environ.get("QCODE_THOROUGH") != "1"
        and set(options) <= streams
        and _fixed(options["env"]) == _fixed(os.environ)
    )


def in_terminal(
    terminal: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a program as the leader of a session in the terminal with that path.

    It is forked if the command is `python -m qcode`, and started in all other cases.
    """
    plain: dict[str, Any] = {"cwd": folder, "env": environment}
    if tuple(command[:3]) == PLAIN and can_fork(plain):
        return Forked(command, kind="terminal", terminal=terminal, **plain)
    return subprocess.Popen(
        ["/bin/sh", "-c", _IN_TERMINAL, terminal, *command], start_new_session=True, **plain
    )


def _fixed(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_FIXED)}


class Nest:
    """The interpreter that forks, from outside."""

    def __init__(self, kind: str) -> None:
        self._lock = threading.Lock()
        self._ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", __file__, kind, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def fork(self, wanted: Mapping[str, Any], streams: Sequence[int]) -> int:
        """Fork a program; return its process's id."""
        data = json.dumps(wanted).encode("utf-8", "surrogatepass")
        with self._lock:
            socket.send_fds(self._ours, [struct.pack("!Q", len(data))], list(streams))
            self._ours.sendall(data)
            (pid,) = struct.unpack("!q", _exactly(self._ours, 8))
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        return int(pid)

    def close(self) -> None:
        self._ours.close()
        self.process.wait()


@cache
def _nest(kind: str) -> Nest:
    nest = Nest(kind)
    atexit.register(nest.close)
    return nest


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


# ------------------------------------------------------------------ inside the nest


def serve(kind: str, number: int) -> None:
    """Fork a program for each request until the other end is closed."""
    for name in LOADED[kind]:
        package = importlib.import_module(name.removesuffix(".*"))
        if name.endswith(".*"):
            for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
                importlib.import_module(found.name)
    importlib.import_module("qcode.calls.scanner")._signs()  # 30 ms in the first request
    gc.collect()
    gc.freeze()  # or the first collection in each program would copy all of this
    libc = ctypes.PyDLL(None)  # which keeps the interpreter's lock: nothing runs in between
    connection = socket.socket(fileno=number)
    while True:
        head, streams, _, _ = socket.recv_fds(connection, 8, 3)
        if not head:
            return
        try:
            head += _exactly(connection, 8 - len(head)) if len(head) < 8 else b""
            wanted = json.loads(_exactly(connection, *struct.unpack("!Q", head)))
        except EOFError:
            return
        pid = libc.syscall(_CLONE, _CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
        if pid == 0:
            connection.close()
            _be_the_program(wanted, streams)
        connection.sendall(struct.pack("!q", pid))
        for each in streams:
            os.close(each)


def _be_the_program(wanted: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Run qcode as if the interpreter had just come up; does not return."""
    ends = list(streams)
    if wanted["terminal"]:
        os.setsid()  # the first terminal that its leader opens becomes the session's
        ends = [os.open(wanted["terminal"], os.O_RDWR)] * 3
    for target, end in enumerate(ends):
        os.dup2(end, target)
    for end in {*streams, *ends}:
        os.close(end)
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    time.tzset()
    locale.setlocale(locale.LC_CTYPE, "")
    random.seed()
    sys.stdin = sys.__stdin__ = _stream(0, sys.stdin)  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _stream(1, sys.stdout)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _stream(2, sys.stderr)  # type: ignore[misc]

    from qcode import __main__ as program

    sys.argv = [str(program.__file__), *wanted["arguments"]]
    sys.modules["__main__"] = program
    program.program()


def _stream(number: int, like: Any) -> io.TextIOWrapper:
    """Open a standard stream as the interpreter does."""
    unbuffered = number > 0 and like.write_through  # PYTHONUNBUFFERED; for stderr, too
    raw = io.FileIO(number, "w" if number else "r", closefd=False)
    binary: Any = raw
    if not unbuffered:
        binary = io.BufferedWriter(raw) if number else io.BufferedReader(raw)
    return io.TextIOWrapper(
        binary,
        encoding=like.encoding,
        errors=like.errors,
        newline="\n" if number else None,
        line_buffering=number == 2 or raw.isatty(),
        write_through=unbuffered,
    )


if __name__ == "__main__":
    # As a module of its own, so that nothing of `__main__` is left to the programs.
    sys.path.append(str(Path(__file__).parent))
    serving = importlib.import_module("forking")
    sys.path.pop()
    serving.serve(sys.argv[1], int(sys.argv[2]))
