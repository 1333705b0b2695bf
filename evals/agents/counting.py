"""A proxy on loopback between an agent and the model, so that all are counted by one ruler.

It passes requests on with the endpoint's own key, model, temperature and seed, streams replies
through as they come, counts what they used, and answers requests beyond a limit itself, by an
error that no client tries again. What an agent wants from other hosts it refuses and notes.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from qcode.errors import UsageError
from qcode.evals.agents import Endpoint, Limits, asked
from qcode.evals.agents.asked import Asked, BadRequest
from qcode.evals.agents.tally import Counted, Price, Reading, Tally
from qcode.messages import Usage
from qcode.providers.chat_faults import error_below_http, error_in_reply, error_in_stream
from qcode.providers.connection import HttpError, parse_origin
from qcode.providers.endpoint import Endpoint as Who
from qcode.providers.http import Exchange, HttpClient
from qcode.record import replace

PLACEHOLDER = "no-key-is-needed"
"""What agents are given as a key: the proxy alone knows the real one."""

LIMIT_CODE = "evaluation_limit"
"""In the error that answers requests beyond a limit."""

_COUNTED = ("/chat/completions", "/completions", "/responses")
_DROPPED = frozenset(
    {"authorization", "api-key", "x-api-key", "host", "content-length", "connection"}
    | {"transfer-encoding", "accept-encoding", "expect", "keep-alive", "upgrade", "te"}
    | {"proxy-authorization", "proxy-connection"}
)
"""Headers of a request that are the proxy's own to say; replies are never compressed so."""
_KEPT = (
    *("content-type", "cache-control", "server"),
    *("retry-after", "retry-after-ms", "x-request-id"),
)
"""Headers of a reply that mean something behind the proxy, too; by `server` is llama.cpp known."""
_POLL_S = 0.5
"""How often is looked whether the agent still waits, while the model reads a long prompt."""
_CONNECT_S = 10.0


class Counting:
    """The proxy; listens while it is entered. `tally` says what went through it."""

    def __init__(
        self,
        endpoint: Endpoint,
        limits: Limits,
        folder: Path,
        environ: Mapping[str, str],
        *,
        price: Price | None = None,
    ) -> None:
        """`folder`: for `requests.jsonl` and `counted.jsonl`.

        Raises:
            UsageError: the endpoint has no usable URL, or its key is missing.
        """
        if not endpoint.base_url:
            raise UsageError(
                f"`{endpoint.model}` has no endpoint that an agent can be given",
                hint="give --base-url, an OpenAI-compatible one",
            )
        self._endpoint = endpoint
        self._limits = limits
        self._key = environ.get(endpoint.api_key_env, "") if endpoint.api_key_env else ""
        if endpoint.api_key_env and not self._key:
            raise UsageError(
                f"{endpoint.api_key_env} is not set", hint="it is to hold the endpoint's key"
            )
        origin = parse_origin(endpoint.base_url)
        secrets = (self._key,) if self._key else ()
        self._who = Who(origin, endpoint.base_url, endpoint.model, secrets=secrets)
        self._api = HttpClient(origin, connect_timeout_s=_CONNECT_S, environ=environ)
        # What servers have beside the API lies where the API's own path begins.
        above = origin.path.rstrip("/").removesuffix("/v1")
        top = replace(origin, path=above, query="")
        self._top = HttpClient(top, connect_timeout_s=_CONNECT_S, environ=environ)
        self.tally = Tally(folder, price)
        self.exhausted = asyncio.Event()
        """Set when a request was refused because of a limit."""
        self.limit = ""
        """Which one: `steps`, `tokens`, `cost`."""
        self.outside: list[str] = []
        """Other hosts that the agent wanted to reach, in order."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = 0

    @property
    def origin(self) -> str:
        """Its URL without a path."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        """What an agent is given as its endpoint."""
        return f"{self.origin}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", 0, limit=asked.MAX_HEAD_BYTES
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._api.close()
        await self._top.close()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await asked.read(reader, writer)) is not None:
                await self._answer(request, reader, writer)
                await writer.drain()
                if not request.stays_open or writer.is_closing():
                    return
        except BadRequest as error:
            writer.write(asked.error(error.status, str(error), "bad_request"))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the agent has gone
        finally:
            writer.close()

    async def _answer(
        self, request: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if host := request.elsewhere:
            self.outside.append(host)
            writer.write(asked.error(403, f"{host} is not to be reached", "no_network"))
            return
        path = urlsplit(request.target).path
        is_api = path.startswith("/v1/")
        client = self._api if is_api else self._top
        target = request.target.removeprefix("/v1") if is_api else request.target
        relay = _Relay(client, request, target, self._headers(request), reader, writer)
        if request.method != "POST" or not path.endswith(_COUNTED):
            await relay.run(request.body, Reading())
            return
        if limit := self.tally.over(self._limits):
            self.tally.refuse(path, limit)
            self.limit = limit
            message = f"this evaluation's limit of {limit} is reached; no request is answered now"
            writer.write(asked.error(400, message, LIMIT_CODE))
            self.exhausted.set()
            return
        body, relay.strips_usage = self._rewritten(path, request.body)
        number, at_s = self.tally.begin(path, body)
        began, reading = time.monotonic(), Reading()
        try:
            await relay.run(body, reading)
        finally:
            fault, problem = relay.trouble(self._who)
            usage, is_estimate = reading.usage, False
            if not relay.is_whole and not (usage.input_tokens or usage.output_tokens):
                usage = reading.estimate(len(body))
                is_estimate = usage != Usage()
            self.tally.end(
                Counted(
                    fault=fault,
                    problem=problem,
                    number=number,
                    path=path,
                    at_s=at_s,
                    status=relay.status,
                    seconds=time.monotonic() - began,
                    first_s=None if relay.first_at is None else relay.first_at - began,
                    usage=usage,
                    calls=reading.calls,
                    is_whole=relay.is_whole,
                    is_estimate=is_estimate,
                )
            )

    def _headers(self, request: Asked) -> list[tuple[str, str]]:
        sent = [(name, value) for name, value in request.headers.items() if name not in _DROPPED]
        if self._key:
            sent.append(("Authorization", f"Bearer {self._key}"))
        return sent

    def _rewritten(self, path: str, raw: bytes) -> tuple[bytes, bool]:
        """Return the body to pass on, and whether the reply tells more than was asked for."""
        try:
            body: Any = json.loads(raw)
        except ValueError:
            return raw, False
        if not isinstance(body, dict):
            return raw, False
        endpoint = self._endpoint
        body["model"] = endpoint.model
        if endpoint.temperature is not None:
            body["temperature"] = endpoint.temperature
        if path.endswith("/responses"):  # has no seed, and always tells its usage
            return json.dumps(body).encode(), False
        body["seed"] = endpoint.seed
        options = body.get("stream_options")
        options = dict(options) if isinstance(options, dict) else {}
        adds = bool(body.get("stream")) and not options.get("include_usage")
        if adds:
            body["stream_options"] = {**options, "include_usage": True}
        return json.dumps(body).encode(), adds


class _Relay:
    """One request passed on, and its reply passed back."""

    def __init__(
        self,
        client: HttpClient,
        request: Asked,
        target: str,
        headers: list[tuple[str, str]],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._client = client
        self._request = request
        self._target = target
        self._headers = headers
        self._reader = reader
        self._writer = writer
        self.strips_usage = False
        self.status = 0
        self.first_at: float | None = None
        self.is_whole = False
        self._refusal = b""
        self._broken: HttpError | None = None
        self._said_wrong: dict[str, Any] | None = None
        """An error within a stream, whose status was good."""

    def trouble(self, who: Who) -> tuple[str, str]:
        """Return what the endpoint did wrong, by its name in `ProviderFault` and in words."""
        if self._said_wrong is not None:
            error = error_in_stream(who, self._said_wrong)
        elif self._broken is not None:
            error = error_below_http(who, self._broken, heard=bool(self.status))
        elif self.status >= 300:
            error = error_in_reply(who, self.status, {}, self._refusal, time.time())
        else:
            return "", ""
        return error.fault.value, error.message

    async def run(self, body: bytes, reading: Reading) -> None:
        """Pass it on; what the reply says goes to `reading`."""
        exchange: Exchange | None = None
        try:
            exchange = await self._client.start(
                self._request.method, self._target, self._headers, body
            )
            await self._pass_back(exchange, reading)
        except HttpError as error:
            self._broken = error
            if self.status:
                # The head has gone out: the agent is to see that the reply broke off.
                self._writer.transport.abort()
                return
            message = f"the model's endpoint: {error}"
            self._writer.write(asked.error(502, message, "endpoint_failed"))
        finally:
            if exchange is not None:
                exchange.close()

    async def _pass_back(self, exchange: Exchange, reading: Reading) -> None:
        whole = bytearray()
        events: EventSplitter | None = None
        while (data := await self._more(exchange)) is not None:
            head = exchange.head
            if head is None:
                continue
            if events is None and head.headers.get("content-type", "").startswith(
                "text/event-stream"
            ):
                events = EventSplitter()
                self._begin(exchange, {"Transfer-Encoding": "chunked"})
            if events is None:
                self._heard(bool(data))
                whole += data
                continue
            for event in events.feed(data):
                self._event(event, reading)
            await self._writer.drain()
        self.is_whole = True
        if events is not None:
            self._event(events.rest, reading)
            self._writer.write(b"0\r\n\r\n")
            return
        if exchange.head is not None and exchange.head.status >= 300:
            self._refusal = bytes(whole)
        try:
            reading.take(json.loads(bytes(whole)))
        except ValueError:
            pass
        self._begin(exchange, {"Content-Length": str(len(whole))})
        self._writer.write(bytes(whole))

    async def _more(self, exchange: Exchange) -> bytes | None:
        """Return the next bytes; an agent that has gone away ends the wait."""
        while True:
            try:
                return await exchange.receive(_POLL_S)
            except TimeoutError:
                if self._reader.at_eof() or self._writer.is_closing():
                    raise ConnectionResetError("the agent has gone") from None

    def _begin(self, exchange: Exchange, framing: Mapping[str, str]) -> None:
        head = exchange.head
        assert head is not None, "the body ends behind its head"
        kept = {name: head.headers[name] for name in _KEPT if name in head.headers}
        self.status = head.status
        self._writer.write(asked.head(head.status, {**kept, **framing}, reason=head.reason))

    def _heard(self, is_answer: bool) -> None:
        if is_answer and self.first_at is None:
            self.first_at = time.monotonic()

    def _event(self, event: bytes, reading: Reading) -> None:
        data = b"\n".join(
            line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")
        )
        self._heard(bool(data))  # not what only keeps the connection alive
        try:
            chunk = json.loads(data) if data.startswith(b"{") else None
        except ValueError:
            chunk = None
        if isinstance(chunk, dict) and chunk.get("error"):
            self._said_wrong = chunk
        reading.take(chunk)
        is_extra = isinstance(chunk, dict) and chunk.get("choices") == [] and chunk.get("usage")
        if event and not (self.strips_usage and is_extra):
            self._writer.write(b"%x\r\n%s\r\n" % (len(event), event))


class EventSplitter:
    """Cuts a stream of server-sent events behind each blank line, and changes no byte."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def rest(self) -> bytes:
        """What stands behind the last blank line."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes; return the events that they complete, ends included."""
        start = max(0, len(self._buffer) - 3)
        self._buffer += data
        events: list[bytes] = []
        while True:
            ends = [
                found + len(blank)
                for blank in (b"\n\n", b"\r\n\r\n")
                if (found := self._buffer.find(blank, start)) >= 0
            ]
            if not ends:
                return events
            events.append(bytes(self._buffer[: min(ends)]))
            del self._buffer[: min(ends)]
            start = 0
