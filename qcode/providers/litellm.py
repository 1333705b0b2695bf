"""Every other API (Anthropic, Gemini, Bedrock, DashScope, OpenRouter, …) through litellm.

litellm is imported when the first request is sent, and only here; why it is
used as it is: docs/decisions/0003-litellm.md. It is not typed well enough to
rely on, so `Any` stands for its module, its chunks and its exceptions.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import re
import warnings
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from qcode.errors import ProviderError, ProviderFault
from qcode.messages import (
    AssistantMessage,
    JsonObject,
    Message,
    Native,
    ToolMessage,
    Usage,
    UserMessage,
)
from qcode.network import metering, purpose
from qcode.network.guard import offline_in
from qcode.providers import (
    CallPart,
    Delta,
    Done,
    Provider,
    ReasoningPart,
    Request,
    TextPart,
)
from qcode.providers.http import PURPOSE
from qcode.providers.refusals import refuses_force
from qcode.providers.sdk import (
    GIVE_UP_S,
    SAY_EVERY_S,
    fault_of,
    object_text,
    one_line,
    patient,
    retry_after,
    tool_name,
    unreachable_offline,
)

NATIVE = "litellm"
"""The provider named in `Native`."""

_SETTINGS = {
    # Prices come with the package; without this they are fetched, and tried again, at import.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    # In the default mode, DEV, the import reads a `.env` file from the folders above the
    # package: those of the workspace, where the virtual environment lies in it.
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
}
"""Environment variables that litellm reads at import."""

_EPHEMERAL = {"type": "ephemeral"}

_open_providers = 0
"""How many providers use litellm's shared connections."""


class LiteLLMProvider(Provider):
    """One model behind any of the APIs that litellm knows."""

    def __init__(
        self,
        *,
        model: str,
        api_key: str | None = None,
        base_url: str | None = None,
        reasoning_effort: str | None = None,
        say_every_s: float = SAY_EVERY_S,
        give_up_s: float = GIVE_UP_S,
    ) -> None:
        """Bind the adapter to a model; nothing is imported or connected yet.

        `model` is `provider/model` in litellm's spelling. Without `api_key`
        litellm takes the provider's own environment variable.
        """
        self._model = model
        self._api_key = api_key
        self._base_url = base_url
        self._effort = reasoning_effort
        self._say_every_s = say_every_s
        self._give_up_s = give_up_s
        self._forces = True
        self._litellm: Any = None

    @property
    def model(self) -> str:
        return self._model

    def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        return patient(self._ask(request), say_every_s=self._say_every_s, give_up_s=self._give_up_s)

    async def close(self) -> None:
        global _open_providers
        if self._litellm is None:
            return
        litellm, self._litellm = self._litellm, None
        _open_providers -= 1
        if _open_providers == 0:
            await _close_connections(litellm)

    def options(self, request: Request) -> JsonObject:
        """Return the request as the arguments of litellm's `acompletion`."""
        options: JsonObject = {
            "model": self._model,
            "messages": render(request.system, request.messages, model=self._model),
            "max_tokens": request.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            "timeout": self._give_up_s,
            "drop_params": True,
            "num_retries": 0,
            "max_retries": 0,
            # Some releases (1.106, not 1.83 or 1.109) import `mcp` as soon as there are
            # tools, to see whether one of them is an MCP server; it is not installed.
            "_skip_mcp_handler": True,
        }
        if request.tools:
            options["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": spec.name,
                        "description": spec.description,
                        "parameters": spec.parameters,
                    },
                }
                for spec in request.tools
            ]
        if request.force_call and self._forces:
            # Dropped by litellm itself for APIs that it knows not to take it.
            if request.tools:
                options["tool_choice"] = "required"
            elif request.call_schema:
                shape = {"name": "tool_call", "schema": request.call_schema}
                options["response_format"] = {"type": "json_schema", "json_schema": shape}
        if self._effort:
            options["reasoning_effort"] = self._effort
        if self._api_key is not None:
            options["api_key"] = self._api_key
        if self._base_url is not None:
            options["api_base"] = self._base_url
        return options

    async def _ask(self, request: Request) -> AsyncGenerator[Delta, None]:
        global _open_providers
        # It has clients of its own, so the bytes are those that the system counts.
        purpose.begin(purpose.here(PURPOSE), meter=NATIVE)
        if self._litellm is None:
            # The import takes seconds; the event loop goes on meanwhile.
            self._litellm = await asyncio.to_thread(_load)
            _open_providers += 1
        forced = request.force_call and self._forces
        begun = False
        try:
            async with aclosing(self._attempt(request)) as deltas:
                async for delta in deltas:
                    begun = True
                    yield delta
            return
        except ProviderError as error:
            if begun or not forced or not refuses_force(error.message):
                raise
        self._forces = False
        async with aclosing(self._attempt(request)) as deltas:
            async for delta in deltas:
                yield delta

    async def _attempt(self, request: Request) -> AsyncGenerator[Delta, None]:
        litellm = self._litellm
        answer = _Answer(self._model)
        started = False
        try:
            chunks = await litellm.acompletion(**self.options(request))
            try:
                async for chunk in chunks:
                    metering.look()
                    for delta in answer.deltas(chunk):
                        started = True
                        yield delta
            finally:
                metering.write(NATIVE, purpose.here(PURPOSE))
                await chunks.aclose()
            if _made_up_end(chunks, self._model):
                answer.finish = None
        except _failures(litellm) as error:
            raise self._failure(error, started=started) from error
        yield answer.done(self._usage(answer.usage))

    def _usage(self, counted: Any) -> Usage:
        if counted is None:
            return Usage()
        details = getattr(counted, "prompt_tokens_details", None)
        return Usage(
            counted.prompt_tokens or 0,
            counted.completion_tokens or 0,
            (getattr(details, "cached_tokens", None) or 0) if details else 0,
            self._cost(counted),
            (getattr(details, "cache_creation_tokens", None) or 0) if details else 0,
        )

    def _cost(self, counted: Any) -> float | None:
        """Return US dollars: what the API charged if it says so, else by litellm's price list."""
        charged = getattr(counted, "cost", None)
        if isinstance(charged, int | float):
            return float(charged)
        try:
            prompt, completion = self._litellm.cost_per_token(
                model=self._model, usage_object=counted
            )
        except Exception:  # noqa: BLE001  an unknown model is a bare Exception
            return None
        return float(prompt + completion)

    def _failure(self, error: Any, *, started: bool) -> ProviderError:
        provider = self._model.partition("/")[0]
        chain = list(_chain(error))
        if (refused := offline_in(error)) is not None:
            return unreachable_offline(refused)
        names = {type(link).__name__ for link in chain}
        missing = next((link for link in chain if isinstance(link, ModuleNotFoundError)), None)
        if missing is not None:
            return ProviderError(
                f"litellm needs the Python module `{missing.name}` for `{self._model}`",
                fault=ProviderFault.REFUSED,
                hint="install the package that has it beside qcode",
            )
        said = _said(error, self._api_key)
        if "LLM Provider NOT provided" in said:
            return ProviderError(
                f"litellm knows no provider `{provider}` for the model `{self._model}`",
                fault=ProviderFault.UNKNOWN_MODEL,
                hint="give --base-url for an endpoint of your own, "
                "or a model as `provider/model` in litellm's spelling",
            )
        headers = _headers(chain)
        status: int | None = getattr(error, "status_code", None)
        if self._api_key is None and _NO_KEY.search(said):
            # litellm finds this out by itself, and calls it anything from 401 to 500.
            fault, said = ProviderFault.UNAUTHORISED, "there is no key for it"
        elif "ContextWindowExceededError" in names:
            fault = ProviderFault.CONTEXT_TOO_LONG
        elif "ended before a finish_reason" in said:
            # Newer releases notice by themselves; for older ones, `_made_up_end`.
            fault = ProviderFault.STREAM_BROKEN
        elif names & _NOT_CONNECTED and not started:
            fault = ProviderFault.UNREACHABLE
        elif names & _BROKEN and status != 429:
            fault = ProviderFault.STREAM_BROKEN if started else ProviderFault.UNREACHABLE
        else:
            fault = fault_of(status, said)
        hint = ""
        match fault:
            case ProviderFault.UNAUTHORISED:
                hint = self._key_hint()
            case ProviderFault.UNKNOWN_MODEL:
                hint = f"check the model's name, `{self._model}`"
            case ProviderFault.REFUSED if status == 429:
                hint = "check the plan and the credit of the account"
        return ProviderError(
            f"`{provider}` failed: {said}",
            fault=fault,
            hint=hint,
            retry_after_s=retry_after(headers, said),
        )

    def _key_hint(self) -> str:
        missing: list[str] = []
        if self._api_key is None:
            missing = self._litellm.validate_environment(self._model).get("missing_keys", [])
        if not missing:
            return "check the key and what it may use"
        named = ", ".join(f"`{name}`" for name in missing)
        return f"litellm looks for {named} in the environment"


class _Answer:
    """What has arrived of one answer."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._thoughts: list[JsonObject] = []
        self.finish: str | None = None
        """None until the API has said why the answer ended."""
        self._empty = True
        self.usage: Any = None

    def deltas(self, chunk: Any) -> Iterator[Delta]:
        """Yield what a chunk adds; litellm's chunks are those of Chat Completions."""
        if (usage := getattr(chunk, "usage", None)) is not None:
            self.usage = usage
        if not chunk.choices:
            return
        choice = chunk.choices[0]
        self.finish = choice.finish_reason or self.finish
        delta = choice.delta
        self._think(getattr(delta, "thinking_blocks", None) or ())
        if reasoning := getattr(delta, "reasoning_content", None):
            yield ReasoningPart(reasoning)
        if text := delta.content:
            self._empty = False
            yield TextPart(text)
        for call in delta.tool_calls or ():
            self._empty = False
            yield CallPart(
                call.index,
                call.id or None,
                call.function.name or None,
                call.function.arguments or None,
            )

    def _think(self, pieces: Sequence[Mapping[str, Any]]) -> None:
        """Put thinking blocks together; the signature is a block's last piece."""
        for piece in pieces:
            if piece["type"] != "thinking":
                self._thoughts.append({"type": piece["type"], "data": piece.get("data")})
                continue
            last = self._thoughts[-1] if self._thoughts else None
            if last is None or last["type"] != "thinking" or last["signature"]:
                last = {"type": "thinking", "thinking": "", "signature": ""}
                self._thoughts.append(last)
            last["thinking"] += piece.get("thinking") or ""
            last["signature"] += piece.get("signature") or ""

    def done(self, usage: Usage) -> Done:
        """Return the last delta.

        Raises:
            ProviderError: there was nothing in the answer.
        """
        if self.finish is None:
            raise ProviderError(
                "the answer ended before it was whole", fault=ProviderFault.STREAM_BROKEN
            )
        if self._empty and self.finish != "length":
            raise ProviderError("the model's answer was empty", fault=ProviderFault.EMPTY)
        native = None
        # Without its signature a block is refused.
        if self._thoughts and all(t.get("signature") or t.get("data") for t in self._thoughts):
            item = {"model": self._model, "thinking_blocks": self._thoughts}
            native = Native(NATIVE, (json.dumps(item, ensure_ascii=False, sort_keys=True),))
        return Done(self.finish, usage, native)


def render(system: str, messages: Sequence[Message], *, model: str) -> list[JsonObject]:
    """Return a history in litellm's form, which is that of Chat Completions.

    For Claude the ends of this request's and of the last request's history are
    marked as points up to which to cache. A mark is not part of what is
    cached, so moving it on leaves the prefix as it was.
    """
    marks: set[int] = set()
    marked = "claude" in model.lower()
    if marked and messages:
        answers = [i for i, m in enumerate(messages) if isinstance(m, AssistantMessage)]
        marks = {len(messages) - 1, answers[-1] - 1 if answers else 0}
    rendered: list[JsonObject] = []
    if system:
        rendered.append({"role": "system", "content": _content(system, marked)})
    for index, message in enumerate(messages):
        match message:
            case UserMessage():
                content = _content(message.told, index in marks)
                if message.images:
                    text = [{"type": "text", "text": content}]
                    pictures = [{"type": "image_url", "image_url": {"url": image.url}}
                                for image in message.images]  # fmt: skip
                    content = [*(text if isinstance(content, str) else content), *pictures]
                rendered.append({"role": "user", "content": content})
            case ToolMessage():
                rendered.append(
                    {
                        "role": "tool",
                        "tool_call_id": message.call_id,
                        "name": tool_name(message.name),
                        "content": _content(message.text, index in marks),
                    }
                )
            case AssistantMessage():
                rendered.extend(_assistant(message, model))
    return rendered


def _content(text: str, marked: bool) -> str | list[JsonObject]:
    if not marked or not text.strip():  # empty blocks take no mark
        return text
    return [{"type": "text", "text": text, "cache_control": _EPHEMERAL}]


def _assistant(message: AssistantMessage, model: str) -> Iterator[JsonObject]:
    text = message.text if message.text.strip() else None
    if text is None and not message.tool_calls:
        return  # cut short before anything was said; APIs refuse an empty message
    rendered: JsonObject = {"role": "assistant", "content": text}
    if message.tool_calls:
        rendered["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": tool_name(call.name),
                    "arguments": object_text(call.arguments),
                },
            }
            for call in message.tool_calls
        ]
    if message.native and message.native.provider == NATIVE:
        kept: JsonObject = json.loads(message.native.items[0])
        # Signatures hold for the model that made them.
        if kept["model"] == model:
            rendered["thinking_blocks"] = kept["thinking_blocks"]
    if message.reasoning and model.startswith(("deepseek/", "moonshot/")):
        # These refuse a call in thinking mode that comes back without its reasoning.
        rendered["reasoning_content"] = message.reasoning
    yield rendered


def _load() -> Any:
    """Import litellm and make it quiet."""
    os.environ.update(_SETTINGS)
    try:
        litellm: Any = importlib.import_module("litellm")
    except ImportError as error:
        raise ProviderError(
            f"litellm cannot be imported: {one_line(str(error))}",
            fault=ProviderFault.REFUSED,
            hint="install qcode again; litellm comes with it",
        ) from error
    litellm.suppress_debug_info = True  # prints to stdout
    litellm.telemetry = False
    litellm.turn_off_message_logging = True
    # Without this a history that an API does not take (calls, but no tools now; thinking,
    # but an answer without it) is an error instead of being made to fit.
    litellm.modify_params = True
    # pydantic's, about what litellm does with it; they would be written over the screen.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"(pydantic|litellm)(\.|$)")
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        # Its own handlers write to the screen; the root's go where qcode's log goes.
        logging.getLogger(name).handlers.clear()
    return litellm


async def _close_connections(litellm: Any) -> None:
    """Close litellm's connections, which all of its users in this process share."""
    await litellm.close_litellm_async_clients()
    # What is closed would be handed out again: by the cache, and as an attribute of the
    # module that is made when first asked for and that only the cache knows to close.
    litellm.in_memory_llm_clients_cache.flush_cache()
    shared: Any = vars(litellm).pop("module_level_aclient", None)
    if shared is not None:
        await shared.close()


_NOT_CONNECTED = frozenset(
    {"ConnectError", "ConnectTimeout", "ClientConnectorError", "ClientConnectorDNSError"}
)
"""Classes of httpx and aiohttp: there was no connection."""
_BROKEN = frozenset(
    {
        "ClientPayloadError",
        "ClientOSError",
        "ReadError",
        "ReadTimeout",
        "RemoteProtocolError",
        "ServerDisconnectedError",
        "Timeout",
        "WriteError",
    }
)
"""Classes of httpx, aiohttp and litellm: there was a connection, and it broke or went silent."""


_NO_KEY = re.compile(
    r"missing (\w+ )?(api key|credentials)|unable to locate credentials|api_key client option",
    re.IGNORECASE,
)

_SAY_WHY_THEY_END = ("anthropic/", "deepseek/", "gemini/", "openai/", "openrouter/")
"""APIs whose whole answers always have a reason for their end."""


def _made_up_end(chunks: Any, model: str) -> bool:
    """Return whether the connection closed early and litellm passed it off as `stop`."""
    reasons = (
        getattr(chunks, "received_finish_reason", ""),
        getattr(chunks, "intermittent_finish_reason", ""),
    )
    return model.startswith(_SAY_WHY_THEY_END) and reasons == (None, None)


def _failures(litellm: Any) -> tuple[type[Exception], ...]:
    """Return what litellm raises: its own exceptions are kinds of openai's, and some are bare.

    Errors in the stream come from aiohttp or httpx as they are.
    """
    import aiohttp
    import httpx
    import openai

    return (
        openai.OpenAIError,
        aiohttp.ClientError,
        httpx.HTTPError,
        ModuleNotFoundError,
        litellm.exceptions.LiteLLMUnknownProvider,
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it came from, the original of a litellm wrapper included."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        link = todo.pop(0)
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        todo += [link.__cause__, link.__context__, getattr(link, "original_exception", None)]


def _headers(chain: Sequence[BaseException]) -> Mapping[str, str]:
    """Return the headers of the first HTTP answer that any link of the chain carries."""
    for link in chain:
        response: Any = getattr(link, "response", None)
        for headers in (
            getattr(link, "litellm_response_headers", None),
            response and response.headers,
        ):
            if headers and ("retry-after" in headers or "retry-after-ms" in headers):
                return {str(k).lower(): str(v) for k, v in headers.items()}
    return {}


def _said(error: Any, secret: str | None) -> str:
    """Return the API's own words, without what litellm puts before and after them."""
    text = str(getattr(error, "message", "") or error)
    text, _, _ = text.partition("Traceback (most recent call last)")
    text = re.sub(r"^(litellm\.\w+: |\w*(Error|Exception) - |\w+Error: )+", "", text.strip())
    text = re.sub(r"\.? Handle with `litellm\.\w+`\.?$", "", text)
    text = re.sub(r" ssl:<[^>]*>", "", text)
    # A body as it came, at times in Python's spelling of bytes.
    if found := re.search(r"""\{.*\}""", text, re.DOTALL):
        try:
            body: object = json.loads(found[0])
        except ValueError:
            body = None
        inner = body.get("error", body) if isinstance(body, dict) else None
        if isinstance(inner, dict) and isinstance(inner.get("message"), str):
            text = inner["message"]
    return one_line(text, secret=secret) or type(error).__name__
