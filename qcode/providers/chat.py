"""Any OpenAI-compatible Chat Completions endpoint, local or remote."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TYPE_CHECKING

from qcode.errors import ProviderError, ProviderFault, UsageError
from qcode.messages import AssistantMessage
from qcode.providers import Delta, Done, Provider, Request, Waiting
from qcode.providers.chat_body import BodyRenderer, Dialect
from qcode.providers.chat_stream import AnswerReader
from qcode.providers.connection import HttpError, parse_origin
from qcode.providers.endpoint import Endpoint
from qcode.providers.http import Exchange, HttpClient
from qcode.record import Record, replace

if TYPE_CHECKING:
    from qcode.models.model import RenderBack

PATH = "/chat/completions"

_MAX_ERROR_BYTES = 64 << 10
_ERROR_BODY_TIMEOUT_S = 10.0
_LISTING_TIMEOUT_S = 3.0
_TAIL_TIMEOUT_S = 0.25
"""How long the end of the body may stay away after [DONE]."""


class Patience(Record):
    """How long silence is borne, in seconds."""

    first_token_s: float = 300.0
    """Before the answer begins, on remote hosts; a local one may read its prompt for ever."""
    idle_s: float = 90.0
    """Once the answer has begun."""
    notice_s: float = 5.0
    """After so much silence, and as often again, `Waiting` is yielded."""


class ChatProvider(Provider):
    """Streams answers of one model of one endpoint.

    `local` None: a loopback or private address, or a name that only a private
    network can have. `key_name` is the environment variable of the key, for
    hints. `environ` is where proxies and certificates are looked up
    (default: the process's own), `proxy` one for everything, loopback too. `send_reasoning` may be
    a function: it is asked when there is some to be sent.

    Raises:
        UsageError: the base URL, a header or the proxy's URL cannot be used.
    """

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        extra_body: Mapping[str, object] | None = None,
        local: bool | None = None,
        connect_timeout_s: float = 10.0,
        first_token_timeout_s: float = 300.0,
        idle_timeout_s: float = 90.0,
        notice_s: float = 5.0,
        max_tokens_field: str = "max_tokens",
        send_reasoning: RenderBack | Callable[[], RenderBack] = "never",
        plain_schemas: bool = False,
        key_name: str = "",
        environ: Mapping[str, str] | None = None,
        proxy: str | None = None,
    ) -> None:
        origin = parse_origin(base_url)
        self._model = model
        self._local = origin.is_local if local is None else local
        self._patience = Patience(first_token_timeout_s, idle_timeout_s, notice_s)
        self._headers = _request_headers(api_key, headers or {})
        self._endpoint = Endpoint(
            origin,
            base_url.strip(),
            model,
            key_name,
            has_key=bool(api_key),
            secrets=_secrets(api_key, headers or {}),
        )
        dialect = Dialect(
            max_tokens_field,
            return_progress=self._local,
            send_reasoning="never" if callable(send_reasoning) else send_reasoning,
            plain_schemas=plain_schemas,
        )
        self._renderer = BodyRenderer(model, extra_body or {}, dialect)
        self._send_reasoning = send_reasoning if callable(send_reasoning) else None
        self._client = HttpClient(
            origin, connect_timeout_s=connect_timeout_s, environ=environ, proxy=proxy
        )

    @property
    def model(self) -> str:
        return self._model

    @property
    def dialect(self) -> Dialect:
        """What the endpoint is known to take so far."""
        return self._renderer.dialect

    async def close(self) -> None:
        await self._client.close()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        while True:
            exchange = await self._send(request)
            reader: AnswerReader | None = None
            try:
                silence = _Silence(self._patience, self._local)
                data: bytes | Waiting | None = b""
                while data is not None and not (reader and reader.done_seen):
                    data = await self._receive(exchange, silence, reader)
                    if isinstance(data, Waiting):
                        yield data
                    elif exchange.head is None:
                        pass
                    elif exchange.head.status != 200:
                        await self._adapt(exchange, data or b"", request)
                        break
                    else:
                        reader = reader or AnswerReader(
                            self._endpoint, exchange.head.headers.get("content-type", "")
                        )
                        for delta in reader.feed(data or b""):
                            yield delta
                if reader is None:
                    continue  # refused, and to be sent again in another dialect
                if reader.done_seen:
                    await _drain(exchange)
                for delta in reader.finish():
                    if isinstance(delta, Done):
                        # Before `Done`, so that the next request may use the connection.
                        exchange.close()
                    yield delta
                return
            except ProviderError as error:
                # Servers that compile grammars late refuse inside a stream already begun.
                if reader is None or reader.begun or not self._learn(error, error.message, request):
                    raise
            finally:
                exchange.close()

    async def _send(self, request: Request) -> Exchange:
        if self._send_reasoning is not None and any(
            isinstance(message, AssistantMessage) and message.reasoning
            for message in request.messages
        ):
            back, self._send_reasoning = self._send_reasoning(), None
            self._renderer.dialect = replace(self._renderer.dialect, send_reasoning=back)
        body = self._renderer.render(request)
        try:
            return await self._client.start("POST", PATH, self._headers, body)
        except HttpError as error:
            raise self._lost(error, heard=False) from error

    async def _receive(
        self, exchange: Exchange, silence: _Silence, reader: AnswerReader | None
    ) -> bytes | Waiting | None:
        """Return the next bytes, a notice of their absence, or None at the end.

        With the finish reason said the answer is whole, however the rest ends.
        """
        finished = reader is not None and reader.finish_seen
        try:
            data = await exchange.receive(silence.next_s(reader))
        except TimeoutError:
            if finished:
                return None
            await self._bear(silence, reader)
            return Waiting(silence.silent_s)
        except HttpError as error:
            if finished:
                return None
            raise self._lost(error, heard=exchange.head is not None) from error
        silence.reset()
        return data

    def _lost(self, error: HttpError, *, heard: bool) -> ProviderError:
        from qcode.providers.chat_faults import error_below_http

        return error_below_http(self._endpoint, error, heard=heard)

    async def _bear(self, silence: _Silence, reader: AnswerReader | None) -> None:
        """Judge a silence.

        Raises:
            ProviderError: it has lasted too long, or the server is gone.
        """
        cause = silence.too_long(reader)
        if cause:
            raise self._endpoint.error(
                ProviderFault.STREAM_BROKEN, f"{self._endpoint.place} {cause}"
            )
        if self._local and not await self._client.is_listening():
            raise self._endpoint.error(
                ProviderFault.STREAM_BROKEN,
                f"{self._endpoint.place} stopped while it was to answer",
                hint="see the server's own log",
            )

    async def _adapt(self, exchange: Exchange, begun: bytes, request: Request) -> None:
        """Take a refusal: change the dialect if that is what it asks for.

        Raises:
            ProviderError: it asks for anything else.
        """
        head = exchange.head
        assert head is not None
        body = await _whole(exchange, begun)
        words = body.decode(errors="replace")
        if head.status in (400, 422):
            dialect = self._renderer.dialect.after_refusal(words)
            if dialect is not None:
                self._renderer.dialect = dialect
                return
        from qcode.providers.chat_faults import error_in_reply

        error = error_in_reply(self._endpoint, head.status, head.headers, body, time.time())
        if head.status in (400, 404, 422, 500, 501) and self._learn(error, words, request):
            return
        if error.fault is ProviderFault.UNKNOWN_MODEL:
            exchange.close()
            served = await self.served_models()
            if served:
                names = ", ".join(f"`{self._endpoint.clean(name, 80)}`" for name in served[:8])
                error.hint = f"it serves {names}" + (" and others" if len(served) > 8 else "")
        raise error

    def _learn(self, error: ProviderError, words: str, request: Request) -> bool:
        """Take what a refusal says of tools into the dialect; return whether it says any."""
        if error.fault is ProviderFault.BAD_OUTPUT:
            return False  # the words are the model's, about anything
        dialect = self._renderer.dialect.after_tool_refusal(words, request)
        if dialect is None:
            return False
        self._renderer.dialect = dialect
        return True

    async def served_models(self) -> list[str]:
        """Return the endpoint's models; none if it does not say so quickly."""
        try:
            exchange = await self._client.start("GET", "/models", self._headers)
        except HttpError:
            return []
        body = bytearray()
        try:
            while (data := await exchange.receive(_LISTING_TIMEOUT_S)) is not None:
                body += data
                if len(body) > 4 << 20:
                    return []
            from qcode.providers.chat_faults import served_models

            return served_models(json.loads(body))
        except (HttpError, TimeoutError, ValueError, RecursionError):
            return []
        finally:
            exchange.close()


class _Silence:
    """Keeps the time since anything arrived, and since the request was sent."""

    def __init__(self, patience: Patience, local: bool) -> None:
        self._patience = patience
        self._local = local
        self._sent = self._last = time.monotonic()
        self._notices = 0

    @property
    def silent_s(self) -> float:
        return time.monotonic() - self._last

    def reset(self) -> None:
        self._last = time.monotonic()
        self._notices = 0

    def next_s(self, reader: AnswerReader | None) -> float:
        """Return how long to wait before the silence is to be judged again."""
        now = time.monotonic()
        at = [self._last + (self._notices + 1) * self._patience.notice_s]
        deadline = self._deadline(reader)
        if deadline is not None:
            at.append(deadline)
        return max(0.0, min(at) - now)

    def too_long(self, reader: AnswerReader | None) -> str:
        """Return why the silence is a fault, or nothing if it is not."""
        self._notices += 1
        deadline = self._deadline(reader)
        if deadline is None or time.monotonic() < deadline:
            return ""
        if reader is not None and reader.begun:
            return f"went silent for {self.silent_s:.0f} s in the middle of its answer"
        return f"has not begun to answer within {self._patience.first_token_s:g} s"

    def _deadline(self, reader: AnswerReader | None) -> float | None:
        if reader is not None and reader.begun:
            return self._last + self._patience.idle_s
        return None if self._local else self._sent + self._patience.first_token_s


async def _whole(exchange: Exchange, begun: bytes) -> bytes:
    """Return an error reply's body, or what can be had of it."""
    body = bytearray(begun)
    try:
        while len(body) < _MAX_ERROR_BYTES:
            data = await exchange.receive(_ERROR_BODY_TIMEOUT_S)
            if data is None:
                break
            body += data
    except (HttpError, TimeoutError):
        pass  # the status says enough
    return bytes(body)


async def _drain(exchange: Exchange) -> None:
    """Receive the end of the body behind [DONE], if it comes at once."""
    deadline = time.monotonic() + _TAIL_TIMEOUT_S
    try:
        while not exchange.complete:
            left = deadline - time.monotonic()
            if left <= 0 or await exchange.receive(left) is None:
                return
    except (TimeoutError, HttpError):
        return  # the answer is whole; only the connection cannot be kept


def _request_headers(
    api_key: str | None, headers: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    own = {
        "Content-Type": "application/json",
        "Accept": "text/event-stream, application/json",
        "User-Agent": "qcode",
    }
    key = (api_key or "").strip()
    if key:
        own["Authorization"] = f"Bearer {key}"
    named = {name.lower(): (name, value.strip()) for name, value in (own | dict(headers)).items()}
    for name, value in named.values():
        # The value may be a secret and is not shown.
        if not (name + value).isprintable() or not (name + value).isascii():
            what = "the API key" if name == "Authorization" else f"the header `{name!r}`"
            raise UsageError(f"{what} has characters that no header can have")
    return tuple(named.values())


def _secrets(api_key: str | None, headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return what must not be shown: the key, and headers that may hold another."""
    found = [api_key or "", *headers.values()]
    # Short values would blot out ordinary words.
    return tuple(secret.strip() for secret in found if len(secret.strip()) >= 8)
