"""`@https://…`: a page that a person points at, fetched and made text."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from qcode.errors import OfflineError, ToolError
from qcode.network import purpose
from qcode.network.guard import offline_in
from qcode.network.watching import counting

if TYPE_CHECKING:
    import httpx

BYTES = 1024 * 1024
"""Of a page that are read."""
CHARACTERS = 24_000
"""Of its text that are told: as many as of a file."""
TIMEOUT_S = 20.0
"""For all of it."""
PURPOSE = "fetch"
HOPS = 5
"""Redirections that are followed."""
_TEXT = re.compile(r"text/|application/(?:.*\+)?(?:json|xml|yaml|toml|javascript)|application/x-sh")

Refusal = Callable[[str, int], str]
"""Why a host and port are not to be reached, or nothing."""


async def page(url: str, refusal: Refusal = lambda _host, _port: "") -> str:
    """Return the text of a page.

    Raises:
        ToolError: it cannot be had; the text says why.
    """
    import httpx  # loaded when the first page is asked for

    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            httpx.AsyncClient(
                timeout=TIMEOUT_S,
                follow_redirects=False,
                event_hooks=counting(lambda _request: PURPOSE),
            ) as client,
        ):
            with purpose.meant_for(PURPOSE):
                return await _page(client, url, refusal)
    except TimeoutError:
        raise ToolError(f"it did not come within {TIMEOUT_S:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OfflineError) as error:
        if (refused := offline_in(error)) is not None:
            raise ToolError(refused.message) from error
        raise ToolError(f"it cannot be fetched: {str(error) or type(error).__name__}") from error


async def _page(client: httpx.AsyncClient, url: str, refusal: Refusal) -> str:
    first = urlsplit(url).hostname
    for hop in range(HOPS + 1):
        parts = urlsplit(url)
        await _check(url, refusal, is_public=hop > 0 and parts.hostname != first)
        headers = {"accept": "text/html, text/plain, */*;q=0.5", "user-agent": "qcode"}
        async with client.stream("GET", url, headers=headers) as answer:
            if answer.is_redirect:
                url = urljoin(url, answer.headers.get("location", ""))
                continue
            if answer.status_code != 200:
                raise ToolError(f"the server answers {answer.status_code}")
            kind = (
                answer.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
            )
            if not _TEXT.match(kind):
                raise ToolError(f"it is {kind or 'of no kind'}, and no text")
            data = bytearray()
            async for piece in answer.aiter_bytes():
                data += piece
                if len(data) >= BYTES:
                    break
            coding = answer.charset_encoding or "utf-8"
        text = _decoded(bytes(data[:BYTES]), coding)
        if kind in ("text/html", "application/xhtml+xml"):
            # What somebody else wrote may take long to read.
            text = await asyncio.to_thread(text_of, text)
        if len(text) > CHARACTERS:
            text = f"{text[:CHARACTERS]}\n[cut here; {len(text) - CHARACTERS:,} more characters]"
        return text.strip() or "(nothing is written there)"
    raise ToolError(f"it leads on more than {HOPS} times")


def _decoded(data: bytes, coding: str) -> str:
    try:
        return data.decode(coding, "replace")
    except LookupError:
        return data.decode("utf-8", "replace")


async def _check(url: str, refusal: Refusal, *, is_public: bool) -> None:
    """Check one address; with `is_public`, that it is none of this machine's own network.

    Raises:
        ToolError: it must not be reached.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    if parts.scheme not in ("http", "https") or not host:
        raise ToolError("it leads to what is no page")
    if parts.username or parts.password:
        raise ToolError("a password in an address is not sent")
    if why := refusal(host, port):
        raise ToolError(why)
    if is_public:
        from qcode.sandbox.hosts import address_refused

        found = await asyncio.get_running_loop().getaddrinfo(host, port)
        for address in {str(entry[4][0]) for entry in found}:
            if why := address_refused(address, "", port, ()):
                raise ToolError(f"it leads on to {host}: {why}")


_LEFT_OUT = frozenset({"script", "style", "noscript", "template", "svg", "head", "nav", "iframe"})
_BLOCKS = frozenset(
    {
        "p", "div", "section", "article", "header", "footer", "main", "aside", "table", "tr", "ul",
        "ol", "li", "dl", "dt", "dd", "blockquote", "figure", "h1", "h2", "h3", "h4", "h5", "h6",
        "pre", "br", "hr", "form", "details", "summary",
    }
)  # fmt: skip


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.title = ""
        self._left_out = 0
        self._in_title = False
        self._pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            self._left_out = 0  # the end of `head` may be left out
        if tag in _LEFT_OUT:
            self._left_out += 1
        self._in_title = tag == "title"
        if tag in _BLOCKS:
            self.parts.append("\n")
        if re.fullmatch("h[1-6]", tag):
            self.parts.append(f"\n{'#' * int(tag[1])} ")
        elif tag == "li":
            self.parts.append("- ")
        elif tag == "pre":
            self._pre += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in _LEFT_OUT:
            self._left_out = max(0, self._left_out - 1)
        self._in_title = False
        if tag == "pre":
            self._pre = max(0, self._pre - 1)
        if tag in _BLOCKS:
            self.parts.append("\n")
        elif tag in ("td", "th"):
            self.parts.append(" | ")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        elif not self._left_out:
            self.parts.append(data if self._pre else re.sub(r"\s+", " ", data))


def text_of(html: str) -> str:
    """Return what a person would read of a page, in lines."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    title = " ".join(reader.title.split())
    lines = [line.rstrip() for line in "".join(reader.parts).splitlines()]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
    return f"{title}\n\n{text}" if title else text
