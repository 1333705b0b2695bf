"""OpenAI's own Responses API, through the `openai` package.

Nothing is stored on the server: every request carries the whole history, and
reasoning goes back and forth encrypted. Format: the API reference's pages
"Create a model response" and "Streaming events".
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

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
from qcode.network import purpose
from qcode.network.guard import offline_in
from qcode.network.watching import counting
from qcode.providers import (
    OPENAI_URL,
    CallPart,
    Delta,
    Done,
    Provider,
    ReasoningPart,
    Request,
    TextPart,
    ToolSpec,
)
from qcode.providers.http import PURPOSE
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

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI, AsyncStream
    from openai.types.responses import (
        Response,
        ResponseFunctionToolCall,
        ResponseOutputItem,
        ResponseStreamEvent,
    )

NATIVE = "responses"
"""The provider named in `Native`."""

_REASONING = re.compile(r"(ft:)?(o\d|gpt-[5-9]|gpt-\d\d|codex-)")
_CHAT_ONLY = re.compile(r"gpt-\d+(\.\d+)?-chat")

_MAX_KEY = 64
"""Characters that the API allows in a `call_id` and in a `prompt_cache_key`."""


def reasons(model: str) -> bool:
    """Return whether an OpenAI model of this name has reasoning to send along."""
    return bool(_REASONING.match(model)) and not _CHAT_ONLY.match(model)


class ResponsesProvider(Provider):
    """One model behind the Responses API."""

    def __init__(
        self,
        *,
        model: str,
        api_key: str,
        session_key: str,
        base_url: str = OPENAI_URL,
        reasoning_effort: str | None = None,
        say_every_s: float = SAY_EVERY_S,
        give_up_s: float = GIVE_UP_S,
    ) -> None:
        """Bind the adapter to a model; nothing is imported or connected yet.

        `session_key` stays the same for a session and routes its requests to
        the machine that has its prefix cached. `reasoning_effort` of None
        leaves the choice to the model.
        """
        self._model = model
        self._api_key = api_key
        self._base_url = base_url
        self._cache_key = _short(session_key)
        self._effort = reasoning_effort
        self._reasons = reasons(model)
        self._summary = True
        self._natives = True
        self._forces = True
        self._say_every_s = say_every_s
        self._give_up_s = give_up_s
        self._client: AsyncOpenAI | None = None

    @property
    def model(self) -> str:
        return self._model

    def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        return patient(self._ask(request), say_every_s=self._say_every_s, give_up_s=self._give_up_s)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    def body(self, request: Request) -> JsonObject:
        """Return the request as the API takes it."""
        body: JsonObject = {
            "model": self._model,
            "instructions": request.system,
            "input": render(request.messages, natives=self._natives, reasoning=self._reasons),
            "max_output_tokens": request.max_tokens,
            "prompt_cache_key": self._cache_key,
            "store": False,
            "stream": True,
        }
        if request.tools:
            body["tools"] = [_tool(spec) for spec in request.tools]
            if request.force_call and self._forces:
                body["tool_choice"] = "required"
        if self._reasons:
            body["include"] = ["reasoning.encrypted_content"]
            reasoning: JsonObject = {}
            if self._effort:
                reasoning["effort"] = self._effort
            if self._summary:
                reasoning["summary"] = "auto"
            if reasoning:
                body["reasoning"] = reasoning
        return body

    async def _ask(self, request: Request) -> AsyncGenerator[Delta, None]:
        if self._client is None:
            # The import alone takes more than a second; the event loop goes on meanwhile.
            self._client = await asyncio.to_thread(self._connect)
        import httpx
        import openai

        try:
            async with await self._open(self._client, request) as events:
                answer = _Answer(self._api_key)
                async for event in events:
                    for delta in answer.deltas(event):
                        yield delta
                    if answer.finished:
                        return
        except openai.APIStatusError as error:
            raise self._refusal(error) from error
        except openai.APIConnectionError as error:  # timeouts are a kind of it
            if (refused := offline_in(error)) is not None:
                raise unreachable_offline(refused) from error
            cause = one_line(str(error.__cause__ or error), secret=self._api_key)
            raise ProviderError(
                f"no connection to `{self._host}`: {cause}", fault=ProviderFault.UNREACHABLE
            ) from error
        except openai.APIError as error:
            # The package's own reading of an `error` object inside the stream.
            raise _failure(error.code or error.type, error.message, self._api_key) from error
        except httpx.HTTPError as error:
            raise ProviderError(
                f"the answer broke off: {one_line(str(error)) or type(error).__name__}",
                fault=ProviderFault.STREAM_BROKEN,
            ) from error
        except ValueError as error:
            raise ProviderError(
                f"`{self._host}` sent an event that is not JSON: {one_line(str(error))}",
                fault=ProviderFault.NOT_AN_API,
            ) from error
        raise ProviderError(
            "the answer ended before it was whole", fault=ProviderFault.STREAM_BROKEN
        )

    def _connect(self) -> AsyncOpenAI:
        import httpx
        import openai

        timeout = httpx.Timeout(self._give_up_s, connect=20.0)
        return openai.AsyncOpenAI(
            api_key=self._api_key,
            # Never None: the package would take OPENAI_BASE_URL from the environment.
            base_url=self._base_url,
            timeout=timeout,
            max_retries=0,
            # What the package makes itself, besides that it is counted.
            http_client=openai.DefaultAsyncHttpxClient(
                base_url=self._base_url,
                timeout=timeout,
                event_hooks=counting(lambda _request: purpose.here(PURPOSE)),
            ),
        )

    async def _open(
        self, client: AsyncOpenAI, request: Request
    ) -> AsyncStream[ResponseStreamEvent]:
        """Send the request; once more if it is only our options that are refused."""
        import openai
        from openai.types.responses import Response, ResponseStreamEvent

        while True:
            try:
                events = await client.post(
                    "/responses",
                    body=self.body(request),
                    cast_to=Response,
                    stream=True,
                    stream_cls=openai.AsyncStream[ResponseStreamEvent],
                )
            except openai.BadRequestError as error:
                said = f"{error.code} {error.param} {error.message}".lower()
                forced = request.force_call and self._forces
                if forced and "tool_choice" in said:
                    self._forces = False
                elif not self._concede(said):
                    raise
                continue
            kind = events.response.headers.get("content-type", "")
            if "event-stream" not in kind:
                await events.close()
                raise ProviderError(
                    f"`{self._host}` answered with `{one_line(kind)}`, not with an event stream",
                    fault=ProviderFault.NOT_AN_API,
                    hint="check the base URL; it usually ends in /v1",
                )
            return events

    def _concede(self, said: str) -> bool:
        """Give up one option that the API says no to; return whether there was one.

        Summaries need a verified organisation, encrypted reasoning cannot be
        read by another organisation's key, and a model's name does not always
        tell whether it reasons. What was given up stays so for the session.
        """
        if self._natives and (
            "invalid_encrypted_content" in said
            or ("encrypted" in said and "verif" in said)
            or "without its required" in said
        ):
            self._natives = False
        elif self._reasons and self._summary and "summar" in said:
            self._summary = False
        elif self._reasons and ("encrypted content" in said or "reasoning" in said):
            self._reasons = False
        else:
            return False
        return True

    def _refusal(self, error: APIStatusError) -> ProviderError:
        said = one_line(error.message, secret=self._api_key)
        fault = fault_of(error.status_code, f"{error.code} {error.message}")
        hint = ""
        match fault:
            case ProviderFault.UNAUTHORISED:
                hint = "check the key and what it may use"
            case ProviderFault.UNKNOWN_MODEL if not error.code and "model" not in said.lower():
                # Nothing that knows of models has answered.
                fault = ProviderFault.NOT_AN_API
                hint = "check the base URL; the Responses API is not there"
            case ProviderFault.UNKNOWN_MODEL:
                hint = f"check the model's name, `{self._model}`, and that the key may use it"
            case ProviderFault.REFUSED if error.status_code == 429:
                hint = "check the plan and the credit of the account"
        return ProviderError(
            f"`{self._host}` answered {error.status_code}: {said}",
            fault=fault,
            hint=hint,
            retry_after_s=retry_after(error.response.headers, error.message),
        )

    @property
    def _host(self) -> str:
        return urlsplit(self._base_url).netloc


class _Answer:
    """What has arrived of one answer."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key
        self._items: dict[int, JsonObject] = {}
        self._calls: dict[int, str] = {}
        """Arguments passed on so far, by output index."""
        self._texts: set[int] = set()
        """Output indexes that text has come from."""
        self._reasoned = False
        self.finished = False

    def deltas(self, event: ResponseStreamEvent) -> Iterator[Delta]:
        """Yield what an event adds; events of no interest add nothing.

        Raises:
            ProviderError: the event says that the answer has failed.
        """
        match event.type:
            case "response.output_text.delta" | "response.refusal.delta":
                yield from self._text(event.output_index, event.delta)
            case "response.reasoning_summary_part.added":
                if self._reasoned:
                    yield ReasoningPart("\n\n")
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self._reasoned = True
                yield ReasoningPart(event.delta)
            case "response.output_item.added" if event.item.type == "function_call":
                yield from self._call(event.output_index, event.item)
            case "response.function_call_arguments.delta":
                self._calls[event.output_index] = (
                    self._calls.get(event.output_index, "") + event.delta
                )
                yield CallPart(event.output_index, arguments=event.delta)
            case "response.output_item.done":
                yield from self._item(event.output_index, event.item)
            case "response.completed" | "response.incomplete":
                yield self._done(event.response)
            case "response.failed":
                failed = event.response.error
                raise _failure(
                    failed.code if failed else None,
                    failed.message if failed else "no reason given",
                    self._api_key,
                )
            case "error":
                raise _failure(event.code, event.message, self._api_key)

    def _text(self, index: int, text: str) -> Iterator[Delta]:
        if index not in self._texts:
            if self._texts:
                # Two message items, a remark and the answer, say; a paragraph each.
                yield TextPart("\n\n")
            self._texts.add(index)
        yield TextPart(text)

    def _call(self, index: int, call: ResponseFunctionToolCall) -> Iterator[Delta]:
        """Yield what is not yet known of a call."""
        known = self._calls.get(index)
        arguments = call.arguments or ""
        if known is None:
            self._calls[index] = arguments
            yield CallPart(index, call.call_id, call.name, arguments or None)
        elif len(arguments) > len(known) and arguments.startswith(known):
            self._calls[index] = arguments
            yield CallPart(index, arguments=arguments.removeprefix(known))

    def _item(self, index: int, item: ResponseOutputItem) -> Iterator[Delta]:
        # Null stands for absent, and is refused in some places when it is sent back.
        self._items[index] = item.to_dict(mode="json", exclude_unset=True, exclude_none=True)
        if item.type == "function_call":
            yield from self._call(index, item)
        elif item.type == "message" and index not in self._texts:
            for part in item.content:
                yield from self._text(
                    index, part.text if part.type == "output_text" else part.refusal
                )

    def _done(self, response: Response) -> Done:
        self.finished = True
        reason = "tool_calls" if self._calls else "stop"
        if response.status == "incomplete":
            why = response.incomplete_details.reason if response.incomplete_details else None
            reason = "length" if why == "max_output_tokens" else why or "incomplete"
        if reason == "stop" and not self._texts:
            raise ProviderError("the model's answer was empty", fault=ProviderFault.EMPTY)
        usage = Usage()
        if counted := response.usage:
            cached = counted.input_tokens_details.cached_tokens
            usage = Usage(counted.input_tokens, counted.output_tokens, cached)
        whole = response.status != "incomplete"
        return Done(reason, usage, self._native() if whole else None)

    def _native(self) -> Native | None:
        items = [self._items[index] for index in sorted(self._items)]
        # Nothing is stored, so an item of reasoning without its content cannot go back.
        if any(i["type"] == "reasoning" and not i.get("encrypted_content") for i in items):
            return None
        texts = tuple(
            json.dumps(i, ensure_ascii=False, separators=(",", ":"), sort_keys=True) for i in items
        )
        return Native(NATIVE, texts) if texts else None


def render(
    messages: Sequence[Message], *, natives: bool = True, reasoning: bool = True
) -> list[JsonObject]:
    """Return a history as input items.

    `natives` says whether items of earlier answers go back as they came,
    `reasoning` whether the model takes items of reasoning.
    """
    items: list[JsonObject] = []
    for message in messages:
        match message:
            case UserMessage():
                content: str | list[JsonObject] = message.told
                if message.images:
                    pictures = [{"type": "input_image", "image_url": image.url}
                                for image in message.images]  # fmt: skip
                    content = [{"type": "input_text", "text": message.told}, *pictures]
                items.append({"role": "user", "content": content})
            case ToolMessage():
                items.append(
                    {
                        "type": "function_call_output",
                        "call_id": _short(message.call_id),
                        "output": message.text,
                    }
                )
            case AssistantMessage():
                kept = _kept_items(message, reasoning) if natives else None
                items.extend(_neutral_items(message) if kept is None else kept)
    return items


def _kept_items(message: AssistantMessage, reasoning: bool) -> list[JsonObject] | None:
    """Return the items the answer came in, or None if they do not fit here."""
    if message.native is None or message.native.provider != NATIVE:
        return None
    items: list[JsonObject] = [json.loads(item) for item in message.native.items]
    if not reasoning and any(item.get("type") == "reasoning" for item in items):
        return None
    # Every call in the items has to be one that the history answers.
    calls = [item.get("call_id") for item in items if item.get("type") == "function_call"]
    return items if calls == [call.id for call in message.tool_calls] else None


def _neutral_items(message: AssistantMessage) -> list[JsonObject]:
    items: list[JsonObject] = []
    if message.text:
        items.append({"role": "assistant", "content": message.text})
    for call in message.tool_calls:
        items.append(
            {
                "type": "function_call",
                "call_id": _short(call.id),
                "name": tool_name(call.name),
                "arguments": object_text(call.arguments),
            }
        )
    return items


def _tool(spec: ToolSpec) -> JsonObject:
    return {
        "type": "function",
        "name": spec.name,
        "description": spec.description,
        "parameters": spec.parameters,
        # Left out it means true, which rewrites schemas with optional fields.
        "strict": False,
    }


def _short(key: str) -> str:
    """Return the key, or a stand-in for it if it is longer than the API allows.

    Gemini's call ids carry kilobytes of signature when they come by litellm.
    """
    if len(key) <= _MAX_KEY:
        return key
    return hashlib.sha256(key.encode()).hexdigest()[:_MAX_KEY]


def _failure(code: str | None, message: str, api_key: str) -> ProviderError:
    """Return the error for a failure that the stream itself reports."""
    status = {
        "rate_limit_exceeded": 429,
        "invalid_prompt": 400,
        "invalid_request_error": 400,
        "bio_policy": 400,
        "cyber_policy": 400,
        "data_residency_mismatch": 400,
        "model_not_found": 404,
        "invalid_api_key": 401,
    }.get(code or "")
    return ProviderError(
        f"the model's answer failed: {one_line(message, secret=api_key)}"
        + (f" ({code})" if code else ""),
        fault=fault_of(status, f"{code} {message}"),
        retry_after_s=retry_after({}, message),
    )
