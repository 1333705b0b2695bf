"""What llama.cpp's server has besides Chat Completions: who it is, and its slots' states.

A slot is the memory of one conversation; qcode's own server has one. Format: the
server's README, "POST /slots/{id_slot}?action=save" and the like.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from qcode.providers.connection import HttpError, parse_origin
from qcode.providers.http import HttpClient
from qcode.record import replace

_PROMPTLY_S = 2.0
"""For questions that no server thinks about; one that reads a prompt answers after its batch."""
_MOST_BYTES = 4 << 20


class LlamaServer:
    """A server that may be llama.cpp's; every method tells by its result what did not work."""

    def __init__(self, base_url: str, environ: Mapping[str, str] | None = None) -> None:
        """`base_url` as for Chat Completions, with its `/v1`.

        Raises:
            UsageError: it is no URL.
        """
        origin = parse_origin(base_url)
        self.is_loopback = origin.is_loopback
        root = origin.path.rstrip("/").removesuffix("/v1")
        self._client = HttpClient(
            replace(origin, path=root), connect_timeout_s=_PROMPTLY_S, environ=environ
        )

    async def close(self) -> None:
        """Give up the kept connection."""
        await self._client.close()

    async def is_one(self) -> bool:
        """Return whether it is llama.cpp's, answers, and asks for no key."""
        server, value = await self._ask("GET", "/props", None, _PROMPTLY_S)
        return server.startswith("llama.cpp") and "default_generation_settings" in value

    async def slots(self) -> int:
        """Return how many conversations it holds at once; 0: it does not tell."""
        _, value = await self._ask("GET", "/props", None, _PROMPTLY_S)
        count = value.get("total_slots")
        return count if isinstance(count, int) and count > 0 else 0

    async def is_fresh(self) -> bool:
        """Return whether no prompt was read since it started, so that its slot is empty."""
        slots = await self._slots()
        return bool(slots) and not any(
            slot.get("is_processing")
            or slot.get("n_prompt_tokens")
            or slot.get("id_task", -1) != -1  # older servers do not tell the tokens
            for slot in slots
        )

    async def is_busy(self) -> bool:
        """Return whether all slots answer somebody, as far as it tells."""
        slots = await self._slots()
        return bool(slots) and all(slot.get("is_processing") for slot in slots)

    async def _slots(self) -> list[dict[str, Any]]:
        _, value = await self._ask("GET", "/slots", None, _PROMPTLY_S)
        slots = value.get("")
        return [one for one in slots if isinstance(one, dict)] if isinstance(slots, list) else []

    async def move(self, action: str, name: str, timeout_s: float) -> int:
        """`save` the slot to a file of that name or `restore` it; return the tokens moved."""
        _, value = await self._ask(
            "POST", f"/slots/0?action={action}", {"filename": name}, timeout_s
        )
        count = value.get("n_saved" if action == "save" else "n_restored")
        return count if isinstance(count, int) else 0

    async def _ask(
        self, method: str, path: str, body: object, timeout_s: float
    ) -> tuple[str, dict[str, Any]]:
        """Return the Server header and the object of a good answer, a list as its value `""`."""
        headers = (("Content-Type", "application/json"),) if body is not None else ()
        sent = json.dumps(body).encode() if body is not None else b""
        try:
            exchange = await self._client.start(method, path, headers, sent)
        except HttpError:
            return "", {}
        data = bytearray()
        try:
            while (piece := await exchange.receive(timeout_s)) is not None:
                data += piece
                if len(data) > _MOST_BYTES:
                    return "", {}
            head = exchange.head
            if head is None or head.status != 200:
                return "", {}
            value = json.loads(data)
            value = value if isinstance(value, dict) else {"": value}
            return head.headers.get("server", ""), value
        except (HttpError, TimeoutError, ValueError, RecursionError):
            return "", {}
        finally:
            exchange.close()
