"""A server as a child process: one JSON message a line, in bounds that the server cannot exceed.

The library's own transport takes a line of any length into memory and starts processes by
itself; here the session's launcher does, so that a server can be held in the sandbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from qcode.sandbox.launching import Launcher, Purpose

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

    from qcode.sandbox.child import Child

LONGEST_LINE = 32 << 20
"""Bytes of one message."""
GARBAGE = 200
"""Lines in a row that are no messages; then it is no server."""
GRACE_S = 2.0
"""Between closing its input and ending it."""
LONGEST_LOG = 1 << 20
"""Bytes of what a server prints on stderr that are kept."""
_TAIL = 4096
"""Bytes of what it printed last on stderr, for whoever wonders why it ended."""


class Printed:
    """What a server prints on stderr: its end, and in a file all of it, in bounds."""

    def __init__(self, file: Path | None = None) -> None:
        """`file` is written anew, for its owner alone; without it nothing is kept."""
        self._tail = b""
        self._room = LONGEST_LOG
        self._log = -1
        if file is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            with contextlib.suppress(OSError):  # the server matters, what it prints does not
                file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._log = os.open(file, flags, 0o600)

    def add(self, data: bytes) -> None:
        """Take some more."""
        self._tail = (self._tail + data)[-_TAIL:]
        if self._log >= 0 and self._room > 0:
            with contextlib.suppress(OSError):
                os.write(self._log, data[: self._room])
            self._room -= len(data)

    @property
    def text(self) -> str:
        """The last lines."""
        return self._tail.decode("utf-8", "replace").strip()

    def close(self) -> None:
        """Give up the file."""
        if self._log >= 0:
            os.close(self._log)
            self._log = -1


@asynccontextmanager
async def child_streams(
    launcher: Launcher,
    argv: tuple[str, ...],
    *,
    cwd: Path,
    env: Mapping[str, str],
    printed: Printed,
) -> AsyncIterator[TransportStreams]:
    """Start a server and yield the streams to and from it; it has ended when this does.

    Raises:
        OSError, SandboxError: it cannot be started.
    """
    pipe = subprocess.PIPE
    child = launcher.start(
        argv, cwd=cwd, env=env, stdin=pipe, stdout=pipe, stderr=pipe, purpose=Purpose.JOB
    )
    hear, heard = anyio.create_memory_object_stream[SessionMessage | Exception](16)
    said, say = anyio.create_memory_object_stream[SessionMessage](16)
    tasks: list[asyncio.Task[None]] = []
    pipes = _Pipes(child)
    try:
        await pipes.open()
        tasks += [
            asyncio.ensure_future(_listen(pipes.out, hear)),
            asyncio.ensure_future(_keep(pipes.err, printed)),
            asyncio.ensure_future(_speak(pipes, say)),
        ]
        yield heard, said
    finally:
        ending = asyncio.ensure_future(_end(child, pipes, tasks))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await asyncio.wait([ending])
            raise
        finally:
            for stream in (hear, heard, said, say):
                stream.close()


def tied(argv: tuple[str, ...], cwd: Path, env: Mapping[str, str]) -> tuple[str, ...]:
    """Return a command line whose program ends with qcode, also where that is killed.

    Servers see the end of their input then, but not all of them look.
    """
    guard = shutil.which("setpriv") if sys.platform == "linux" else None
    program = shutil.which(argv[0] if "/" not in argv[0] else cwd / argv[0], path=env.get("PATH"))
    # What cannot be started says so by itself.
    return (guard, "--pdeathsig", "KILL", "--", *argv) if guard and program else argv


class _Pipes:
    """The three pipes of a child, read and written without ever blocking the loop."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._loop = asyncio.get_running_loop()
        self.out = asyncio.StreamReader(LONGEST_LINE)
        self.err = asyncio.StreamReader()
        self._transports: list[asyncio.BaseTransport] = []
        self.input: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        for reader, pipe in ((self.out, self._child.stdout), (self.err, self._child.stderr)):
            protocol = asyncio.StreamReaderProtocol(reader)
            transport, _ = await self._loop.connect_read_pipe(partial(_same, protocol), pipe)
            self._transports.append(transport)
        flow = asyncio.streams.FlowControlMixin()
        written, _ = await self._loop.connect_write_pipe(partial(_same, flow), self._child.stdin)
        self.input = asyncio.StreamWriter(written, flow, None, self._loop)

    def close_input(self) -> None:
        """Let the server see the end of its input; what it does not read is given up."""
        if self.input is not None:
            if not self.input.transport.is_closing():
                self.input.transport.abort()
        elif self._child.stdin is not None:
            self._child.stdin.close()

    def close(self) -> None:
        for transport in self._transports:
            transport.close()


T = TypeVar("T")


def _same(one: T) -> T:
    return one


async def _listen(
    out: asyncio.StreamReader, hear: MemoryObjectSendStream[SessionMessage | Exception]
) -> None:
    strange = 0
    async with hear:
        while strange <= GARBAGE:
            try:
                line = await out.readuntil(b"\n")
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
                return  # it has ended, or says more at once than anybody can mean
            if not line.strip():
                continue
            try:
                message = jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                # Programs print greetings where only messages belong; they are passed over.
                strange += 1
                continue
            strange = 0
            try:
                await hear.send(SessionMessage(message))
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return


async def _keep(err: asyncio.StreamReader, printed: Printed) -> None:
    while data := await err.read(4096):
        printed.add(data)


async def _speak(pipes: _Pipes, say: MemoryObjectReceiveStream[SessionMessage]) -> None:
    assert pipes.input is not None
    async with say:
        async for message in say:
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            try:
                pipes.input.write(f"{text}\n".encode())
                await pipes.input.drain()
            except OSError:
                return  # it does not listen any more; what it still says is heard


async def _end(child: Child, pipes: _Pipes, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Close its input, wait a moment, and end what does not end by itself."""
    pipes.close_input()
    gave_up = any(task.done() for task in tasks[:1]) and child.poll() is None
    try:
        if gave_up:  # nobody listens to it any more, for a reason
            child.kill()
        await asyncio.to_thread(child.wait, GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    pipes.close()
    await asyncio.sleep(0)  # the loop gives up the pipes in its next round
    await asyncio.to_thread(child.close)
