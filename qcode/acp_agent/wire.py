"""JSON-RPC messages, one a line, on stdin and stdout; what is no message is answered, too."""

from __future__ import annotations

import asyncio
import json
from typing import Any

LONGEST = 64 << 20
"""Bytes of a message; pictures are in them."""


class Wire:
    """The library's transport, but for lines that are no messages: those do not end it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = asyncio.Lock()

    async def send(self, message: dict[str, Any]) -> None:
        """Write a message."""
        line = json.dumps(message, ensure_ascii=True, separators=(",", ":"))
        async with self._lock:
            self._writer.write(f"{line}\n".encode())
            await self._writer.drain()

    async def receive(self) -> dict[str, Any] | None:
        """Return the next message; None: there are no more."""
        while True:
            try:
                line = await self._reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return None  # half a line at the end is nobody's message
            except asyncio.LimitOverrunError as error:
                await self._pass_over(error.consumed)
                await self._refuse(-32600, f"a message has more than {LONGEST:,} bytes")
                continue
            if not line.strip():
                continue
            try:
                message = json.loads(line)
            except (ValueError, RecursionError):
                await self._refuse(-32700, "a line is no JSON")
                continue
            if isinstance(message, dict):
                return message
            await self._refuse(-32600, "a message is no object; batches are not taken")

    async def _pass_over(self, consumed: int) -> None:
        """Read to the end of a line that is too long, keeping nothing of it."""
        while True:
            try:
                await self._reader.readexactly(consumed)
                await self._reader.readuntil(b"\n")
            except asyncio.LimitOverrunError as error:
                consumed = error.consumed
            except asyncio.IncompleteReadError:
                return
            else:
                return

    async def _refuse(self, code: int, why: str) -> None:
        await self.send({"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": why}})

    async def close(self) -> None:
        """Leave stdout to the process, which ends with it."""
