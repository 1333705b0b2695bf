"""From the bytes of a Chat Completions reply to deltas.

Formats: OpenAI's API reference, "The chat completion chunk object"; beside it
DeepSeek's `reasoning_content` and cache figures, OpenRouter's `reasoning`,
`reasoning_details` and `usage.cost`, llama.cpp's `prompt_progress` and
`timings` (its server's README). Servers that ignore `stream` send one JSON
object instead, which is read the same way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from qcode.errors import ProviderError, ProviderFault
from qcode.messages import Usage
from qcode.providers import CallPart, Delta, Done, PromptProgress, ReasoningPart, TextPart
from qcode.providers.endpoint import Endpoint
from qcode.providers.sse import SseEvent, SseParser

MAX_PLAIN_BYTES = 64 << 20
"""Of a reply that is one JSON object."""


class AnswerReader:
    """Reads one reply with status 200; `feed` it all bytes, then `finish`."""

    def __init__(self, endpoint: Endpoint, content_type: str) -> None:
        self.done_seen = False
        """Whether the server said [DONE]: nothing of interest follows."""
        self.begun = False
        """Whether anything of the answer itself has come."""
        self._endpoint = endpoint
        self._is_sse: bool | None = "event-stream" in content_type.lower() or None
        self._is_html = "html" in content_type.lower()
        self._sse = SseParser()
        self._plain = bytearray()
        self._any_chunk = False
        self._finish: str | None = None
        self._usage: dict[str, Any] | None = None
        self._timings: dict[str, Any] | None = None

    @property
    def finish_seen(self) -> bool:
        """Whether a finish reason has come: the answer is whole, figures may follow."""
        return self._finish is not None

    def feed(self, data: bytes) -> Iterator[Delta]:
        """Take the next bytes of the body; yield what they say.

        Raises:
            ProviderError: they report an error, or are not in the format.
        """
        if self._is_sse is None:
            # Not every server labels its stream, so the first bytes decide.
            self._plain += data
            start = bytes(self._plain.lstrip()[:6])
            if len(start) < 6 and not start.startswith((b"{", b"<")):
                return
            self._is_sse = start.startswith((b"data:", b"event:", b"id:", b":", b"retry:"))
            data = bytes(self._plain)
            self._plain.clear()
        if not self._is_sse:
            self._plain += data
            if len(self._plain) > MAX_PLAIN_BYTES:
                raise self._not_an_api("more than anyone could read")
            return
        for event in self._sse.feed(data):
            yield from self._event(event)

    def finish(self) -> Iterator[Delta]:
        """The body has ended as its framing says; yield what is left, `Done` last.

        Raises:
            ProviderError: the answer is not whole, or empty.
        """
        if self._is_sse:
            for event in self._sse.finish():
                yield from self._event(event)
        else:
            yield from self._whole_object()
        yield self._done()

    def _done(self) -> Done:
        if self._finish == "error":
            raise self._broken("the server ended its answer with an error")
        if self._finish is None and not self.done_seen:
            where = "" if self._any_chunk else " before it began"
            raise self._broken(f"the answer ended{where} without a finish reason")
        if not self.begun and self._finish == "content_filter":
            raise self._endpoint.error(
                ProviderFault.REFUSED,
                f"the content filter of {self._endpoint.place} withheld the answer",
            )
        # At the limit of tokens a server may hold back half a call: that is
        # an answer cut short, and asking again would cut it again.
        if not self.begun and self._finish != "length":
            raise ProviderError(
                f"model `{self._endpoint.model}` at {self._endpoint.place} gave an empty answer",
                fault=ProviderFault.EMPTY,
            )
        return Done(self._finish, usage_from(self._usage, self._timings))

    def _event(self, event: SseEvent) -> Iterator[Delta]:
        if self.done_seen:
            return
        text = event.data.strip()
        if text == "[DONE]":
            self.done_seen = True
            return
        if not text:
            return
        for value in self._parse(text):
            yield from self._chunk(value, event.name)

    def _parse(self, text: str) -> list[Any]:
        try:
            return [json.loads(text)]
        except (ValueError, RecursionError) as error:
            # Without blank lines between them, chunks arrive as lines of one event.
            lines = [line for line in text.split("\n") if line.strip() not in ("", "[DONE]")]
            if "\n" in text:
                try:
                    values = [json.loads(line) for line in lines]
                except (ValueError, RecursionError):
                    pass
                else:
                    self.done_seen = "[DONE]" in text.rpartition("\n")[2]
                    return values
            raise self._broken(f"a piece of the answer is not JSON: {text!r}") from error

    def _whole_object(self) -> Iterator[Delta]:
        text = self._plain.decode(errors="replace").strip()
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            if text.startswith("{") and not self._is_html:
                raise self._broken("the answer is cut-off JSON") from None
            what = "HTML" if self._is_html or text.startswith("<") else repr(text[:60])
            raise self._not_an_api(what if text else "nothing at all") from None
        if not isinstance(value, dict) or not ({"choices", "error"} & value.keys()):
            raise self._not_an_api("JSON that is no chat completion")
        yield from self._chunk(value, "")

    def _chunk(self, chunk: object, name: str) -> Iterator[Delta]:
        if not isinstance(chunk, dict):
            if name == "error":
                raise self._reported(chunk)
            raise self._broken(f"a piece of the answer is not an object: {chunk!r}")
        if chunk.get("error") or name == "error":
            raise self._reported(chunk.get("error") or chunk)
        if chunk.get("object") == "error":
            raise self._reported(chunk)
        progress = chunk.get("prompt_progress")
        if isinstance(progress, dict):
            yield PromptProgress(_count(progress.get("processed")), _count(progress.get("total")))
        if isinstance(chunk.get("usage"), dict):
            self._usage = chunk["usage"]
        if isinstance(chunk.get("timings"), dict):
            self._timings = chunk["timings"]
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return
        self._any_chunk = True
        choice = choices[0]
        said = choice.get("delta")
        is_message = not said and isinstance(choice.get("message"), dict)
        if is_message:
            said = choice["message"]
        if isinstance(said, dict):
            for delta in read_delta(said, numbered=is_message):
                self.begun = True
                yield delta
        elif isinstance(choice.get("text"), str) and choice["text"]:
            self.begun = True
            yield TextPart(choice["text"])
        if choice.get("finish_reason"):
            self._finish = str(choice["finish_reason"])

    def _reported(self, error: object) -> ProviderError:
        from qcode.providers.chat_faults import error_in_stream

        return error_in_stream(self._endpoint, error)

    def _broken(self, cause: str) -> ProviderError:
        return self._endpoint.error(ProviderFault.STREAM_BROKEN, cause)

    def _not_an_api(self, what: str) -> ProviderError:
        return self._endpoint.error(
            ProviderFault.NOT_AN_API,
            f"{self._endpoint.place} answered with {what}, not with a chat completion",
            hint=self._endpoint.url_hint,
        )


def read_delta(
    said: dict[str, Any], *, numbered: bool = False
) -> Iterator[TextPart | ReasoningPart | CallPart]:
    """Yield what a chunk's `delta`, or a whole `message`, holds.

    A message lists its calls without an index; `numbered` gives them their position.
    """
    reasoning = said.get("reasoning_content") or said.get("reasoning")
    if not isinstance(reasoning, str) or not reasoning:
        reasoning = _details(said.get("reasoning_details"))
    if reasoning:
        yield ReasoningPart(reasoning)
    content = _content(said.get("content"))
    if content:
        yield TextPart(content)
    elif isinstance(said.get("refusal"), str) and said["refusal"]:
        yield TextPart(said["refusal"])
    found = said.get("tool_calls")
    if isinstance(found, dict):
        found = [found]
    for position, call in enumerate(found if isinstance(found, list) else ()):
        if isinstance(call, dict):
            if numbered:
                call = {"index": position, **call}
            function = call.get("function")
            # Some proxies put name and arguments beside the id.
            yield _call(call, function if isinstance(function, dict) else call)
    legacy = said.get("function_call")
    if isinstance(legacy, dict) and not found:
        yield _call({"index": 0}, legacy)


def _call(call: dict[str, Any], function: dict[str, Any]) -> CallPart:
    index, arguments = call.get("index"), function.get("arguments")
    if arguments is not None and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return CallPart(
        index if isinstance(index, int) and not isinstance(index, bool) else None,
        _text(call.get("id")),
        _text(function.get("name")),
        arguments,
    )


def _content(content: object) -> str:
    """Return the text of content, which may be a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = [part.get("text") if isinstance(part, dict) else part for part in content]
    return "".join(text for text in texts if isinstance(text, str))


def _details(details: object) -> str:
    """Return the readable text of OpenRouter's `reasoning_details`."""
    if not isinstance(details, list):
        return ""
    texts = [d.get("text") or d.get("summary") for d in details if isinstance(d, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def usage_from(usage: dict[str, Any] | None, timings: dict[str, Any] | None) -> Usage:
    """Return the tokens that a server reports; zeros if it reports none."""
    if not usage or not _first(
        usage, "prompt_tokens", "completion_tokens", "input_tokens", "output_tokens"
    ):
        if not timings:
            return Usage()
        cached = _count(timings.get("cache_n"))
        read = _count(timings.get("prompt_n"))
        return Usage(cached + read, _count(timings.get("predicted_n")), cached)
    details = usage.get("prompt_tokens_details")
    if not isinstance(details, dict):
        details = {}
    cost = usage.get("cost")
    read = _count(usage.get("prompt_tokens"))
    # OpenAI's name, DeepSeek's, and the one of gateways to Anthropic.
    cached = _first(details, "cached_tokens") or _first(
        usage, "prompt_cache_hit_tokens", "cache_read_input_tokens"
    )
    kept = _first(details, "cache_write_tokens", "cache_creation_tokens") or _first(
        usage, "cache_creation_input_tokens"
    )
    if not read and "input_tokens" in usage:
        # Anthropic's own form: what was cached is counted beside, not within.
        read = _count(usage["input_tokens"]) + cached + kept
    cached = min(cached, read)
    return Usage(
        read,
        _first(usage, "completion_tokens", "output_tokens"),
        cached,
        float(cost) if isinstance(cost, int | float) and not isinstance(cost, bool) else None,
        min(kept, read - cached),
    )


def _first(counts: dict[str, Any], *names: str) -> int:
    """Return the first of these counts that is not nothing."""
    return next((count for name in names if (count := _count(counts.get(name)))), 0)


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and value > 0 else 0


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
