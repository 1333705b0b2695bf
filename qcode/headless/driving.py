"""What a program says that drives a session: one JSON object a line, on stdin.

The format is that of Claude Code's and Qwen Code's `--input-format stream-json`, as their
libraries write it (claude-agent-sdk 0.2.189, @qwen-code/sdk 0.1.7):

```
{"type":"user","message":{"role":"user","content":"…" or [{"type":"text","text":"…"}, …]}}
{"type":"control_request","request_id":"1","request":{"subtype":"interrupt"}}
```

A user message is a turn. One that comes during a turn waits for its end, as those libraries
have it: a driver counts on a result for each message. Control requests are heard at once.
The end of the input ends the session after the turns that wait.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeAlias

from qcode.errors import UsageError
from qcode.messages import JsonObject
from qcode.record import Record

LONGEST_LINE = 16 << 20
"""Bytes; of a longer line nothing is kept."""

CHUNK = 1 << 16

_OF_NO_CONCERN = frozenset({"control_response", "control_cancel_request", "keep_alive"})
"""Answers to what qcode never asks, and signs of life."""


class UserSaid(Record):
    """A message: what the next turn is about."""

    text: str
    uuid: str = ""
    """What the driver calls it; empty: nothing."""


class Interrupt(Record):
    """The turn under way is to end."""

    request_id: str


class Control(Record):
    """Any other request to the session itself."""

    request_id: str
    subtype: str
    request: JsonObject


class Malformed(Record):
    """A line that is no message, or none that can be taken."""

    line: int
    """From 1."""
    why: str


Heard: TypeAlias = Interrupt | Control | Malformed
Message: TypeAlias = UserSaid | Heard


class Driver:
    """Reads messages while turns go on."""

    def __init__(
        self, descriptor: int, hear: Callable[[Heard], None], *, longest: int = LONGEST_LINE
    ) -> None:
        """`hear` is called for all but user messages, in the loop, at the moment they come.

        A pipe, a socket, a terminal or a file may be behind the descriptor.
        """
        self._descriptor = descriptor
        self._hear = hear
        self._lines = Lines(longest)
        self._waiting: deque[UserSaid | UsageError | None] = deque()
        self._arrived = asyncio.Event()
        self._is_first = True

    async def turns(self) -> AsyncIterator[UserSaid]:
        """Yield user messages in their order, until the input has ended.

        Raises:
            UsageError: there is no input, or its very first line is no message, so that nobody
                is there who speaks this.
        """
        loop = asyncio.get_running_loop()
        # Nobody waits for this thread: a pipe may stay open and silent for ever. So it has a
        # descriptor of its own, whose number means nothing else before it is done.
        try:
            own = os.dup(self._descriptor)
        except OSError as error:
            raise UsageError(f"cannot read stdin: {error.strerror}") from error
        threading.Thread(target=self._read, args=(own, loop), name="driver", daemon=True).start()
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            said = self._waiting.popleft()
            if said is None:
                return
            if isinstance(said, UsageError):
                raise said
            yield said

    def _read(self, descriptor: int, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while data := _some_of(descriptor):
                loop.call_soon_threadsafe(self._take, data)
            loop.call_soon_threadsafe(self._take, b"")
        except RuntimeError:
            pass  # the loop is closed
        finally:
            os.close(descriptor)

    def _take(self, data: bytes) -> None:
        for number, line in self._lines.feed(data) if data else self._lines.end():
            message = read_line(number, line)
            if message is None:
                continue
            if isinstance(message, Malformed) and self._is_first:
                self._say(
                    UsageError(
                        f"stdin, line {message.line}: {message.why}",
                        hint="--input-format stream-json takes one JSON object a line",
                    )
                )
                return
            self._is_first = False
            if isinstance(message, UserSaid):
                self._say(message)
            else:
                self._hear(message)
        if not data:
            self._say(None)

    def _say(self, said: UserSaid | UsageError | None) -> None:
        self._waiting.append(said)
        self._arrived.set()


def _some_of(descriptor: int) -> bytes:
    """Return what comes next; nothing at the end, or where it cannot be read."""
    while True:
        try:
            return os.read(descriptor, CHUNK)
        except BlockingIOError:  # whoever made the pipe set it so
            select.select([descriptor], [], [])
        except OSError:
            return b""


class Lines:
    """Bytes in pieces to whole lines, each with its number from 1."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._parts: list[bytes] = []
        self._size = 0
        self._number = 1

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes | None]]:
        """Take a piece, yield the lines that it ends; None for one that is too long."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._keep(data[start:end])
            yield self._whole()
            start = end + 1
        self._keep(data[start:])

    def end(self) -> Iterator[tuple[int, bytes | None]]:
        """Yield the last line, if nothing ended it."""
        if self._size:
            yield self._whole()

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._longest:
            self._parts.clear()
        elif data:
            self._parts.append(data)

    def _whole(self) -> tuple[int, bytes | None]:
        line = b"".join(self._parts) if self._size <= self._longest else None
        number = self._number
        self._parts, self._size, self._number = [], 0, number + 1
        return number, line


def read_line(number: int, line: bytes | None) -> Message | None:
    """Return what a line says; None if it is empty or of no concern."""
    try:
        return _message(number, line)
    except _NoMessage as error:
        return Malformed(number, str(error))


class _NoMessage(Exception):
    """Why a line cannot be taken, in a few words for a person."""


def _message(number: int, line: bytes | None) -> Message | None:
    if line is None:
        raise _NoMessage("the line is too long; name a file in the text instead of its content")
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
    except UnicodeDecodeError:
        raise _NoMessage("this is not UTF-8") from None
    if not text:
        return None
    try:
        said = json.loads(text)
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:]
        raise _NoMessage(f"this is no JSON: column {error.colno}: {what}") from None
    except (ValueError, RecursionError):
        raise _NoMessage("this is no JSON that can be read") from None
    kind = said.get("type") if isinstance(said, dict) else None
    if kind == "user":
        return _user(said)
    if kind == "control_request":
        return _control(said)
    if kind in _OF_NO_CONCERN:
        return None
    if isinstance(kind, str):
        raise _NoMessage(f"there is no message of type `{kind[:40]}` (`user`, `control_request`)")
    raise _NoMessage("this is no object with a `type`")


def _user(said: JsonObject) -> UserSaid:
    message = said.get("message")
    if not isinstance(message, dict) or message.get("role", "user") != "user":
        raise _NoMessage('a user message needs `"message": {"role": "user", "content": …}`')
    content = message.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(blocks, list):
        raise _NoMessage("`content` has to be a text or a list of blocks")
    text = "\n\n".join(filter(str.strip, map(_text, blocks)))
    if not text:
        raise _NoMessage("the message is empty")
    uuid = said.get("uuid")
    text = text.encode("utf-8", "replace").decode()  # JSON can hold half a pair of surrogates
    return UserSaid(text, uuid if isinstance(uuid, str) else "")


def _text(block: object) -> str:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "text" and isinstance(block, dict) and isinstance(block.get("text"), str):
        return str(block["text"])
    if kind == "image":
        raise _NoMessage("pictures are not taken here; put it into a file and say `@file`")
    raise _NoMessage("`content` takes blocks of text alone")


def _control(said: JsonObject) -> Interrupt | Control:
    request_id, request = said.get("request_id"), said.get("request")
    subtype = request.get("subtype") if isinstance(request, dict) else None
    if not isinstance(request_id, str) or not isinstance(subtype, str):
        raise _NoMessage("a control request needs `request_id` and `request` with its `subtype`")
    if subtype == "interrupt":
        return Interrupt(request_id)
    assert isinstance(request, dict)
    return Control(request_id, subtype, request)
