"""What providers do not pass on: other paths than the chat's, and the chat's own field names."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from qcode.doctor.answer import PATIENCE_S, Answer, Gatherer
from qcode.errors import ProviderError, ProviderFault
from qcode.messages import JsonObject
from qcode.providers import Delta, Done, Request
from qcode.providers.chat import PATH
from qcode.providers.chat_body import BodyRenderer, Dialect
from qcode.providers.chat_stream import AnswerReader
from qcode.providers.connection import HttpError, parse_origin
from qcode.providers.endpoint import Endpoint
from qcode.providers.http import HttpClient
from qcode.providers.registry import Target
from qcode.providers.sse import SseParser
from qcode.record import Record, replace

_MAX_BYTES = 8 << 20
_CONNECT_TIMEOUT_S = 10.0

_REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_details")


class Reply(Record):
    """One reply in whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's JSON; None if it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def is_html(self) -> bool:
        """Whether it is a page for people."""
        kind = self.headers.get("content-type", "").lower()
        return "html" in kind or self.body.lstrip()[:1] == b"<"


class Wire:
    """Plain HTTP to the endpoint of a target; close it when done.

    Raises:
        UsageError: the base URL cannot be used.
    """

    def __init__(self, target: Target, base_url: str, environ: Mapping[str, str]) -> None:
        origin = parse_origin(base_url)
        key = (target.api_key or "").strip()
        self.target = target
        self.endpoint = Endpoint(
            origin,
            base_url,
            target.model,
            target.key_source or "",
            has_key=bool(key),
            secrets=(key,) if len(key) >= 8 else (),
        )
        self._headers = [
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
            ("User-Agent", "qcode"),
        ]
        if key:
            self._headers.append(("Authorization", f"Bearer {key}"))
        self._api = HttpClient(origin, connect_timeout_s=_CONNECT_TIMEOUT_S, environ=environ)
        # Servers have their own paths beside `/v1`, not below it.
        root = replace(origin, path=origin.path.removesuffix("/v1"))
        self._root = HttpClient(root, connect_timeout_s=_CONNECT_TIMEOUT_S, environ=environ)

    def take(self, target: Target) -> None:
        """Ask for another model of the same endpoint from now on."""
        self.target = target
        self.endpoint = replace(self.endpoint, model=target.model)

    async def close(self) -> None:
        """Give up the connections."""
        await self._api.close()
        await self._root.close()

    async def models(self, timeout_s: float = 15.0) -> Reply:
        """Return the reply to `GET /models`.

        Raises:
            ProviderError: there was none.
        """
        try:
            return await self._fetch(self._api, "GET", "/models", b"", timeout_s)
        except HttpError as error:
            from qcode.providers.chat_faults import error_below_http

            raise error_below_http(self.endpoint, error, heard=False) from error
        except TimeoutError:
            raise self.endpoint.error(
                ProviderFault.UNREACHABLE,
                f"{self.endpoint.place} takes connections and gave no answer for {timeout_s:g} s",
                hint="is the server stuck, or still loading its model?",
            ) from None

    async def own(self, path: str, body: JsonObject | None = None) -> JsonObject:
        """Return the object that a path of the server's own answers with; {} for anything else."""
        method, data = ("GET", b"") if body is None else ("POST", json.dumps(body).encode())
        try:
            reply = await self._fetch(self._root, method, path, data, 5.0)
        except (HttpError, TimeoutError):
            return {}
        return as_object(reply.json) if reply.status == 200 else {}

    async def _fetch(
        self, client: HttpClient, method: str, path: str, body: bytes, timeout_s: float
    ) -> Reply:
        async with asyncio.timeout(timeout_s):
            exchange = await client.start(method, path, self._headers, body)
            try:
                got = bytearray()
                while (data := await exchange.receive(timeout_s)) is not None:
                    got += data
                    if len(got) > _MAX_BYTES:
                        break
                head = exchange.head
                assert head is not None, "a whole reply has a head"
                return Reply(head.status, head.headers, bytes(got))
            finally:
                exchange.close()

    async def chat(self, request: Request) -> Answer:
        """Ask as `ChatProvider` does, and keep the names and figures that it drops.

        Raises:
            ProviderError: the request failed.
        """
        dialect: Dialect | None = Dialect()
        reply: Answer | Reply = Reply(0, {}, b"")
        while dialect is not None:
            body = BodyRenderer(self.target.model, self.target.extra_body, dialect).render(request)
            try:
                reply = await asyncio.wait_for(self._chat(request, body), PATIENCE_S)
            except HttpError as error:
                from qcode.providers.chat_faults import error_below_http

                raise error_below_http(self.endpoint, error, heard=False) from error
            except TimeoutError:
                minutes = f"{PATIENCE_S / 60:.0f} minutes"
                raise self._broken(f"it did not end its answer within {minutes}") from None
            if isinstance(reply, Answer):
                return reply
            dialect = dialect.after_refusal(reply.body.decode(errors="replace"))
        assert isinstance(reply, Reply)
        raise self.error(reply)

    def error(self, reply: Reply) -> ProviderError:
        """Return what a reply stands for that is no answer."""
        from qcode.providers.chat_faults import error_in_reply

        return error_in_reply(self.endpoint, reply.status, reply.headers, reply.body, time.time())

    def _broken(self, what: str) -> ProviderError:
        cause = f"{self.endpoint.place} cannot be read: {what}"
        return self.endpoint.error(ProviderFault.STREAM_BROKEN, cause)

    async def _chat(self, request: Request, body: bytes) -> Answer | Reply:
        exchange = await self._api.start("POST", PATH, self._headers, body)
        refusal = bytearray()
        reading: _Reading | None = None
        try:
            while (data := await exchange.receive(PATIENCE_S)) is not None:
                head = exchange.head
                if head is None:
                    continue
                if head.status == 200:
                    reading = reading or _Reading(self.endpoint, request, head.headers)
                    reading.feed(data)
                else:
                    refusal += data
                if len(refusal) > _MAX_BYTES:
                    raise self._broken("it is endless")
            head = exchange.head
            assert head is not None, "a whole reply has a head"
            if head.status != 200:
                return Reply(head.status, head.headers, bytes(refusal))
            reading = reading or _Reading(self.endpoint, request, head.headers)
            return reading.answer()
        finally:
            exchange.close()


class _Reading:
    """Reads one answer as the provider does, and beside it what the provider drops."""

    def __init__(self, endpoint: Endpoint, request: Request, headers: Mapping[str, str]) -> None:
        kind = headers.get("content-type", "")
        self._reader = AnswerReader(endpoint, kind)
        self._gatherer = Gatherer(request)
        self._done = Done()
        self._sse = SseParser() if "event-stream" in kind.lower() else None
        self._plain = bytearray()
        self._field = ""
        self._timings: JsonObject = {}

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            ProviderError: they report an error, or are not in the format.
        """
        self._take(self._reader.feed(data))
        if self._sse is None:
            self._plain += data
            return
        for event in self._sse.feed(data):
            self._look(event.data)

    def answer(self) -> Answer:
        """Return the answer.

        Raises:
            ProviderError: it is not whole, or empty.
        """
        self._take(self._reader.finish())
        for event in self._sse.finish() if self._sse else ():
            self._look(event.data)
        self._look(self._plain.decode(errors="replace"))
        timings = {
            name: float(value)
            for name, value in self._timings.items()
            if isinstance(value, int | float)
        }
        return self._gatherer.answer(self._done, self._field, timings)

    def _take(self, deltas: Iterable[Delta]) -> None:
        for delta in deltas:
            if isinstance(delta, Done):
                self._done = delta
            self._gatherer.take(delta)

    def _look(self, data: str) -> None:
        try:
            chunk = as_object(json.loads(data))
        except (ValueError, RecursionError):
            return  # no chunk, or one that the reader complains of
        self._timings = as_object(chunk.get("timings")) or self._timings
        for choice in as_objects(chunk.get("choices"))[:1]:
            said = as_object(choice.get("delta") or choice.get("message"))
            for field in _REASONING_FIELDS:
                if said.get(field) and not self._field:
                    self._field = field


def as_object(value: object) -> JsonObject:
    """Return the value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_objects(value: object) -> list[JsonObject]:
    """Return the objects in a JSON list; none of anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_count(value: object) -> int | None:
    """Return the value if it is a whole number above 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
