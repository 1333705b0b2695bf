"""The session's end of the bridge: it listens, takes what editors say, and tells them things.

Whatever a client does, floods, half lines, silence, a sudden death, costs that client its
connection at most.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from qcode.bridge import peers, place
from qcode.bridge.handed import Handed
from qcode.bridge.protocol import (
    LINE_BYTES,
    VERSION,
    Context,
    Happening,
    Hello,
    Malformed,
    Ping,
    Prompt,
    Subscribe,
    read,
    write,
)
from qcode.errors import QcodeError
from qcode.record import replace

log = logging.getLogger(__name__)

CLIENTS = 16
HELLO_WITHIN_S = 10.0
BURST = 100
"""Messages of a client that are taken at once."""
PER_SECOND = 50
"""Of those after them."""
MALFORMED = 20
"""Of one client, before it is hung up on."""
UNREAD_BYTES = 1024 * 1024
"""That a client may leave unread before it is hung up on."""


class Bridge:
    """Listens for editors as long as a session is held."""

    def __init__(
        self,
        folder: Path,
        cwd: Path,
        *,
        prompt: Callable[[Prompt], Awaitable[None]],
        changed: Callable[[], None] = lambda: None,
        key: str = "",
        refusal: Callable[[socket.socket], str] = peers.refusal,
    ) -> None:
        """`prompt` takes what is to be written or sent; `changed` is told of any new context.

        `prompt` may raise a QcodeError, which the editor is told. `refusal` says why who
        connected is not to be heard.
        """
        self.handed = Handed()
        self._folder = folder
        self._cwd = os.path.realpath(cwd)
        self._prompt = prompt
        self._changed = changed
        self._key = key
        self._refusal = refusal
        self._server: asyncio.Server | None = None
        self._file: Path | None = None
        self._here: place.Listening | None = None
        self._clients: dict[int, _Client] = {}
        self._numbers = 0

    async def start(self, session: str) -> None:
        """Begin to listen.

        Raises:
            QcodeError: that is not possible here.
        """
        folder = place.private(self._folder)
        for _stale in place.listening(folder):
            pass  # looking takes away what others left
        path = place.socket_in(folder)
        try:
            path.unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                listener.bind(str(path))
                path.chmod(0o600)
            except OSError:
                listener.close()
                raise
            self._server = await asyncio.start_unix_server(
                self._connected, sock=listener, limit=LINE_BYTES
            )
            self._here = place.Listening(
                session, os.getpid(), self._cwd, str(path), secrets.token_urlsafe(24),
                time.time(), self._key,
            )  # fmt: skip
            self._file = place.announce(folder, self._here)
        except OSError as error:
            await self.close()
            raise QcodeError(f"cannot listen for editors: {error.strerror}") from error

    def is_now(self, session: str) -> None:
        """Say that another session is held from now on."""
        if self._here is not None:
            self._here = replace(self._here, session=session)
            try:
                place.announce(self._folder, self._here)
            except OSError as error:
                log.info("the bridge could not be announced anew: %s", error)

    def tell(self, happening: Happening, **fields: object) -> int:
        """Tell who subscribed to it; return how many were told."""
        line = write(happening, **fields)
        told = [client for client in self._clients.values() if happening in client.events]
        for client in told:
            client.send(line)
        return len(told)

    def hears(self, happening: Happening) -> bool:
        """Return whether anybody subscribed to it."""
        return any(happening in client.events for client in self._clients.values())

    async def close(self) -> None:
        """Hang up, and leave nothing behind."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for client in [*self._clients.values()]:
            client.task.cancel()
        await asyncio.gather(
            *(client.task for client in self._clients.values()), return_exceptions=True
        )
        if self._file is not None and self._here is not None:
            place.withdraw(self._file, self._here.socket)
            self._file = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        peer = writer.get_extra_info("socket")
        why = self._refusal(peer) or ("too many editors" if len(self._clients) >= CLIENTS else "")
        self._numbers += 1
        client = _Client(self._numbers, writer, task)
        try:
            if why:
                log.info("the bridge refused a connection: %s", why)
                client.send(write("error", message=f"not heard: {why}"))
                return
            self._clients[client.number] = client
            await self._listen(client, reader)
        except (OSError, asyncio.CancelledError):
            pass  # it died, or the session ends
        finally:
            self._clients.pop(client.number, None)
            self.handed.left(client.number)
            self._changed()
            writer.close()

    async def _listen(self, client: _Client, reader: asyncio.StreamReader) -> None:
        try:
            first = await asyncio.wait_for(_line(reader), HELLO_WITHIN_S)
        except TimeoutError:
            client.send(write("error", message="no `hello` came"))
            return
        if first is None or not self._greet(client, first):
            return
        allowed, then = float(BURST), time.monotonic()
        while (line := await _line(reader)) is not None:
            now = time.monotonic()
            allowed, then = min(BURST, allowed + (now - then) * PER_SECOND), now
            allowed -= 1
            if allowed < 0:
                await asyncio.sleep(-allowed / PER_SECOND)  # it is not read meanwhile
            if not await self._take(client, line):
                return
            await client.writer.drain()

    def _greet(self, client: _Client, line: bytes) -> bool:
        try:
            hello, number = read(line)
        except Malformed as error:
            client.send(write("error", message=str(error)))
            return False
        assert self._here is not None
        if not isinstance(hello, Hello) or not hmac.compare_digest(
            hello.token.encode("utf-8", "replace"), self._here.token.encode()
        ):
            client.send(write("error", id=number, message="the token is another one"))
            return False
        client.name = "".join(each for each in hello.client if each.isprintable()).strip()
        client.name = client.name or "editor"
        self.handed.arrived(client.number, client.name)
        self._changed()
        client.send(
            write("ok", id=number, version=VERSION, session=self._here.session, cwd=self._cwd)
        )
        return True

    async def _take(self, client: _Client, line: bytes) -> bool:
        """Do what a message says; return whether to listen on."""
        number: str | int | None = None
        try:
            message, number = read(line)
            match message:
                case Context():
                    self.handed.take(client.number, client.name, message)
                    self._changed()
                case Prompt():
                    await self._prompt(message)
                case Subscribe(events):
                    client.events = events
                    self._changed()
                case Ping():
                    pass
                case Hello():
                    raise Malformed("`hello` was said before")
        except (Malformed, QcodeError) as error:
            client.send(write("error", id=number, message=str(error)))
            client.faults += isinstance(error, Malformed)
            return client.faults < MALFORMED
        client.send(write("ok", id=number))
        return True


class _Client:
    """One connection."""

    def __init__(self, number: int, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        self.number = number
        self.writer = writer
        self.task = task
        self.name = ""
        self.events: frozenset[Happening] = frozenset()
        self.faults = 0

    def send(self, line: bytes) -> None:
        """Have a line sent; one who does not read is hung up on."""
        if self.writer.is_closing():
            return
        self.writer.write(line)
        transport = self.writer.transport
        if transport.get_write_buffer_size() > UNREAD_BYTES:
            transport.abort()


async def _line(reader: asyncio.StreamReader) -> bytes | None:
    """Return the next line; None: it ended, or the line is too long or has no end."""
    try:
        return await reader.readuntil(b"\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
