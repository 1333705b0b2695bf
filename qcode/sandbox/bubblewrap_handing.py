"""What is handed to bubblewrap when it is started, and what it tells until a command runs."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import IO

from qcode.sandbox import bubblewrap_arguments as arguments
from qcode.sandbox.bubblewrap_arguments import MovedError
from qcode.sandbox.unavailable import Unavailable

SYSTEM_PATH = "/usr/bin:/bin:/usr/local/bin:/usr/sbin:/sbin:/run/current-system/sw/bin"
PATIENCE = 30.0
"""How long the sandbox may take to be set up on a busy machine, in seconds."""
_LIMITING_S = 5.0
_LIMIT = 'echo "$1" >/proc/sys/kernel/pid_max'
_MOVED = re.compile("Race condition|Can't bind|Can't mkdir|Can't create|Can't find source")
_READY = re.compile(rb"^\+$", re.MULTILINE)
_NOT_FOUND = re.compile(rb"^\?$", re.MULTILINE)


def resolved(name: str, cwd: str, env: Mapping[str, str]) -> str:
    """Return the program that a name means, as an absolute path."""
    found = shutil.which(os.path.join(cwd, name) if "/" in name else name, path=_path(cwd, env))
    if found:
        return found
    place = os.path.join(cwd, name)
    code = errno.EACCES if "/" in name and os.path.exists(place) else errno.ENOENT
    raise OSError(code, os.strerror(code), name)


def _path(cwd: str, env: Mapping[str, str]) -> str:
    return ":".join(os.path.join(cwd, place) for place in env.get("PATH", SYSTEM_PATH).split(":"))


def stderr_of(wanted: int, stack: ExitStack) -> tuple[IO[bytes] | None, int | None]:
    """Return what is read from stderr here, and the command's descriptor; None for its stdout.

    It has to be above those that bubblewrap gets as its own.
    """
    if wanted == subprocess.STDOUT:
        return None, None
    if wanted == subprocess.PIPE:
        ours, theirs = os.pipe()
        stack.callback(os.close, theirs)
        return os.fdopen(ours, "rb"), theirs
    if wanted == subprocess.DEVNULL:
        theirs = os.open(os.devnull, os.O_RDWR)
    else:
        theirs = os.dup(wanted)
    stack.callback(os.close, theirs)
    return None, theirs


def in_memory(content: bytes, stack: ExitStack) -> int:
    """Return a descriptor from which a process reads some bytes."""
    descriptor = os.memfd_create("qcode")
    stack.callback(os.close, descriptor)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def check_mounts(init: int, points: set[str], parents: arguments.Opened) -> None:
    """Make sure that everything is mounted where it should be.

    Where a link leads out of what bubblewrap makes a new root of, it mounts without a fault,
    but nothing comes of it.
    """
    try:
        missing = arguments.not_mounted(points, init)
        others = arguments.other_parents(parents, init)
    except OSError as error:
        raise Unavailable(f"bubblewrap ended at once: {error}") from error
    if missing:
        raise MovedError(f"not mounted: {', '.join(sorted(missing))}")
    if others:
        raise MovedError(f"moved: {', '.join(sorted(others))}")


def limit_processes(init: int, most: int) -> None:
    """Limit the processes of root's command, for whom the kernel counts none otherwise.

    From Linux 6.14 on each namespace of processes has a highest number; 301 is the least.
    Where that does not work there still is the watch.
    """
    enter = shutil.which("nsenter", path=SYSTEM_PATH)
    if enter is None:
        return
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            [
                enter,
                f"--pid=/proc/{init}/ns/pid",
                "/bin/sh",
                "-c",
                _LIMIT,
                "sh",
                str(max(301, most)),
            ],
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_LIMITING_S,
        )


def await_ready(status: socket.socket, program: str) -> None:
    """Wait until the shell inside says that all is ready and it waits to run the command.

    What it says later is not believed: the command may say it in its stead.
    """
    status.settimeout(PATIENCE)
    said = b""
    while True:
        try:
            more = status.recv(4096)
        except TimeoutError:
            raise Unavailable("bubblewrap did not start the command in time") from None
        said += more
        if _READY.search(said):
            return
        if _NOT_FOUND.search(said):
            raise FileNotFoundError(errno.ENOENT, "It cannot be seen in the sandbox", program)
        if not more:
            break
    words = said.decode(errors="replace").strip() or "it ended at once"
    if _MOVED.search(words):
        raise MovedError(words)
    if words.endswith(os.strerror(errno.E2BIG)):
        raise OSError(errno.E2BIG, os.strerror(errno.E2BIG), program)
    raise Unavailable(f"bubblewrap failed: {words}")


def child_pid(info: int) -> int:
    """Return the number of the first process in the sandbox, as bubblewrap tells it."""
    found = re.search(rb'"child-pid": *(\d+)', os.read(info, 4096))
    if found is None:
        raise Unavailable("bubblewrap does not tell the number of its process")
    return int(found[1])


def discard(process: subprocess.Popen[bytes]) -> None:
    """End a process whose start failed."""
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    process.wait()
