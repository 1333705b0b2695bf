"""Counting what passes through a client of httpx (or httpx2, which is alike), whoever made it.

Not by a transport of our own: with one given, such a client does not look for proxies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qcode.network import ledger, purpose


def counting(name: Callable[[Any], str]) -> dict[str, list[Any]]:
    """Return the event hooks of a client that have its exchanges written down.

    `name` says of a request what it is for. Counted are the bytes of HTTP, before TLS.
    """

    async def answered(response: Any) -> None:
        request, url = response.request, response.request.url
        what = name(request)
        body = request.headers.get("content-length", "")
        sent = _head(request.headers) + len(request.method) + len(url.raw_path)
        sent += int(body) if body.isdecimal() else 0
        head = _head(response.headers)
        stream = response.stream
        close = stream.aclose

        async def closed() -> None:
            stream.aclose = close  # once is enough
            try:
                await close()
            finally:
                received = head + response.num_bytes_downloaded
                port = url.port or (443 if url.scheme == "https" else 80)
                with purpose.meant_for(what):
                    ledger.add(url.host, port, what, sent=sent, received=received)

        stream.aclose = closed

    return {"response": [answered]}


def _head(headers: Any) -> int:
    """Return how many bytes a head takes, with its first line but for method and path."""
    return sum(len(name) + len(value) + 4 for name, value in headers.raw) + 13
