"""A program in a process group of its own, ended with all its children.

The program is started synchronously: measured, that costs a millisecond and is
faster than asyncio's own subprocesses, needs no thread, and no cancellation can
fall between the start and the moment when somebody is responsible for ending it.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from qcode.tools.output import Output, clean

GRACE_S = 2.0
"""Between asking a group to end and ending it."""
_DRAIN_S = 0.1
"""How long after a program's end its output is still waited for, if a child holds it open."""
_BATCH_S = 0.05
_BATCH_BYTES = 8192

_SECRET_ENDS = (
    "_KEY", "_APIKEY", "_TOKEN", "_SECRET", "_PASSWORD", "_PASSWD", "_PASSPHRASE", "_CREDENTIALS",
)  # fmt: skip
_SECRET_STARTS = (
    "AWS_", "AZURE_", "OPENAI_", "ANTHROPIC_", "DASHSCOPE_", "GEMINI_", "MISTRAL_", "OPENROUTER_",
    "LITELLM_",
)  # fmt: skip
_SECRET_NAMES = frozenset({"TOKEN", "SECRET", "PASSWORD", "PGPASSWORD", "QCODE_BASE_URL"})
_LOGIN_IN_URL = re.compile(r"[A-Za-z0-9+.-]://[^\s/:@]*:[^\s/]+@")
_SHORTEST_SECRET = 6
"""Characters; a shorter value is no key and stands in too much by chance."""
_SET = {
    "TERM": "dumb",
    "NO_COLOR": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_EDITOR": "true",  # with stdin closed an editor would hang or fail
    "PYTHONUNBUFFERED": "1",
}
_DROPPED = frozenset({"FORCE_COLOR", "CLICOLOR_FORCE", "LS_COLORS", "RIPGREP_CONFIG_PATH"})


def child_environment(
    environ: Mapping[str, str],
    keep: Collection[str] = (),
    *,
    drop: Collection[str] = (),
    secrets: Collection[str] = (),
) -> dict[str, str]:
    """Return the environment for child processes: no secrets, no colours, no pagers.

    `keep` names variables a person wants handed on although they look secret,
    `drop` those to leave out in any case; a variable with one of `secrets` in
    its value is left out too, whatever it is called. So is one with a URL that
    has a password. CI is not set: it makes warnings errors and snapshots
    unwritable, so that a command does something else here than in the person's
    terminal.
    """
    hidden = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]

    def is_wanted(name: str, value: str) -> bool:
        if name in drop or any(secret in value for secret in hidden):
            return False
        if name in keep:
            return True
        return not (name in _DROPPED or _is_secret(name.upper()) or _LOGIN_IN_URL.search(value))

    return {name: value for name, value in environ.items() if is_wanted(name, value)} | _SET


def _is_secret(name: str) -> bool:
    return name in _SECRET_NAMES or name.endswith(_SECRET_ENDS) or name.startswith(_SECRET_STARTS)


class Process:
    """A running program; its output goes to `output` as it comes.

    Whoever made it sees to it that `end` or `finished` is awaited.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        output: Output,
        live: Callable[[str], None] | None = None,
    ) -> None:
        """Start it.

        Raises:
            OSError: there is no such program, or the system is out of something.
        """
        self.output = output
        self._loop = asyncio.get_running_loop()
        self._live = _Live(self._loop, live) if live else None
        self._exited = asyncio.Event()
        self._closed = asyncio.Event()
        reading, writing = os.pipe()
        try:
            self._popen = subprocess.Popen(
                argv,
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self.pid = self._popen.pid
        """Of the program; also its process group's and session's number."""
        os.set_blocking(reading, False)
        self._reading = reading
        self._loop.add_reader(reading, self._read)
        self._watch()

    @property
    def returncode(self) -> int | None:
        """The exit code, the negative number of the signal that ended it, None while it runs."""
        return self._popen.returncode

    async def finished(self) -> int | None:
        """Wait for its end and all its output; return the exit code.

        Children that live on may hold the output open. They are not waited
        for; what they print still goes to `output` (see `group_lives`).
        """
        await self._exited.wait()
        if not self._closed.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN_S):
                    await self._closed.wait()
        if self._live:
            self._live.flush()
            self._live = None
        return self._reap()

    @property
    def has_exited(self) -> bool:
        """Whether the program itself has ended."""
        return self._exited.is_set()

    def settle(self) -> int | None:
        """Return the exit code if the program has ended, without waiting."""
        return self._reap() if self._exited.is_set() else None

    def group_lives(self) -> bool:
        """Return whether children go on after the program's end."""
        if self.returncode is None:
            return True
        if not self._signal_group(0):
            return False
        members = _group_members(self.pid)
        # While a process of the group lives its number is not given away again, so
        # a process that has that very number is a new one and the group is gone.
        return members is None or (bool(members) and self.pid not in members)

    async def leaves_children(self) -> bool:
        """Return whether children go on, giving those that are about to end a moment."""
        for _ in range(5):
            if not self.group_lives():
                return False
            await asyncio.sleep(0.01)
        return self.group_lives()

    async def end(self, grace_s: float = GRACE_S) -> None:
        """End the program and its whole group: asked first, forced after the grace.

        Cancelled, it forces at once; afterwards nothing is left running.
        """
        try:
            if self.group_lives():
                self._signal_group(signal.SIGTERM)
                async with asyncio.timeout(grace_s):
                    await self._exited.wait()
                    self._reap()
                    # Nothing tells of the end of children that are not ours.
                    while self.group_lives():  # noqa: ASYNC110
                        await asyncio.sleep(0.02)
        except TimeoutError:
            pass
        finally:
            if self.group_lives():
                self._signal_group(signal.SIGKILL)
            self._reap()
            self.close()

    def close(self) -> None:
        """Stop reading the output."""
        if not self._closed.is_set():
            self._read_all()
            self._stop_reading()
        if self._live:
            self._live.flush()
            self._live = None
        self.output.close()

    def _signal_group(self, number: int) -> bool:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def _watch(self) -> None:
        """Have `_exited` set when the program ends, without reaping it where possible."""
        if hasattr(os, "pidfd_open"):
            try:
                descriptor = os.pidfd_open(self.pid)
            except OSError:  # an old kernel, or a sandbox that forbids it
                pass
            else:

                def ended() -> None:
                    self._loop.remove_reader(descriptor)
                    os.close(descriptor)
                    self._exited.set()

                self._loop.add_reader(descriptor, ended)
                return

        async def wait() -> None:
            await asyncio.to_thread(self._popen.wait)
            self._exited.set()

        self._watcher = self._loop.create_task(wait())

    def _reap(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            # It has ended or was killed; only one stuck in the kernel takes longer.
            self._popen.wait(5.0)
        self._exited.set()
        return self._popen.returncode

    def _read(self) -> None:
        try:
            data = os.read(self._reading, 256 * 1024)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._stop_reading()
            return
        self.output.add(data)
        if self._live:
            self._live.add(data)

    def _read_all(self) -> None:
        """Take what is in the pipe already; a flood from a child is not waited out."""
        for _ in range(16):
            try:
                data = os.read(self._reading, 256 * 1024)
            except OSError:
                return
            if not data:
                return
            self.output.add(data)

    def _stop_reading(self) -> None:
        self._loop.remove_reader(self._reading)
        os.close(self._reading)
        self._closed.set()


def _group_members(group: int) -> set[int] | None:
    """Return the live processes of a group; None where the system has no list to look at.

    Zombies do not count: in a container whose first process reaps nothing they stay.
    """
    if not os.path.exists("/proc/self/stat"):
        return None
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    # pid (name, which may hold anything) state ppid pgrp …
                    state, _, number = file.read().rpartition(b")")[2].split()[:3]
            except OSError:
                continue
            if int(number) == group and state not in (b"Z", b"X"):
                found.add(int(name))
    return found


class _Live:
    """Hands output on to a person in batches; of a flood only the end of each."""

    def __init__(self, loop: asyncio.AbstractEventLoop, show: Callable[[str], None]) -> None:
        self._loop = loop
        self._show = show
        self._waiting = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._timer: asyncio.TimerHandle | None = None

    def add(self, data: bytes) -> None:
        self._waiting += data[-_BATCH_BYTES:]
        if self._timer is None:
            self._timer = self._loop.call_later(_BATCH_S, self.flush)

    def flush(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            text = self._decoder.decode(bytes(self._waiting[-_BATCH_BYTES:]))
            self._waiting.clear()
            if shown := clean(text.encode()):
                self._show(shown)
