"""What the model was asked and what it used, as the proxy between it and an agent saw it.

One line a request goes to `counted.jsonl`, its body as the model got it to `requests.jsonl`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from qcode.errors import ProviderFault
from qcode.evals.agents import Limits
from qcode.evals.harness.trial import Effort
from qcode.messages import Usage
from qcode.providers.chat_stream import usage_from
from qcode.record import Record

Price: TypeAlias = Callable[[Usage], float | None]
"""US dollars for the tokens of a request; None: the price is not known."""

_USUAL, _LONGEST = 4, 6
"""Characters of a token: usually, and at most."""

_OWN_FAULTS = (ProviderFault.CONTEXT_TOO_LONG.value, ProviderFault.BAD_OUTPUT.value)
"""A prompt beyond the window, and output of the model's that its server cannot read."""
_CALLS_OF_RESPONSES = ("function_call", "custom_tool_call", "local_shell_call")


class Counted(Record):
    """One request for the model, and what became of it."""

    number: int
    """From 1, in order of arrival, over all tries at a task."""
    path: str
    at_s: float
    """Since the proxy began to listen."""
    status: int
    """Of the reply; 0: there was none, or the agent did not wait for it."""
    seconds: float = 0.0
    """From passing it on to the last byte of the reply."""
    first_s: float | None = None
    """To the first piece of the answer; signs of life before it do not count."""
    usage: Usage = Usage()
    calls: int = 0
    """Tool calls that the model made in the API's own field."""
    is_whole: bool = False
    """Whether the reply came to its end."""
    is_estimate: bool = False
    """Whether it did not, so that its tokens are estimated."""
    refused: str = ""
    """The limit that was reached, so that it was not passed on."""
    fault: str = ""
    """What was wrong with the reply, a value of `ProviderFault`; empty: nothing, or the agent did
    not wait for it."""
    problem: str = ""
    """The same in words, in one line."""


class Reading:
    """Gathers usage and calls of one reply, given its JSON objects in order."""

    def __init__(self) -> None:
        self._usage: dict[str, Any] | None = None
        self._timings: dict[str, Any] | None = None
        self._calls: set[tuple[int, int]] = set()
        self._items = 0
        self._progress: dict[str, Any] = {}
        self._pieces = self._characters = 0

    def take(self, chunk: object) -> None:
        """Look at a chunk of a stream, or at a whole answer."""
        if not isinstance(chunk, dict):
            return
        within = chunk.get("response")  # the Responses API wraps what a stream ends with
        if isinstance(within, dict):
            self.take(within)
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            self._usage = _as_chat(usage)
        if isinstance(chunk.get("timings"), dict):
            self._timings = chunk["timings"]
        if isinstance(chunk.get("prompt_progress"), dict):
            self._progress = chunk["prompt_progress"]
        for choice in _objects(chunk.get("choices")):
            self._count(choice.get("delta"))
            for part in (choice.get("delta"), choice.get("message")):
                calls = part.get("tool_calls") if isinstance(part, dict) else None
                for place, call in enumerate(_objects(calls)):
                    index = call.get("index")
                    at = index if isinstance(index, int) else place
                    self._calls.add((_number(choice.get("index")), at))
        output = [one for one in _objects(chunk.get("output")) if _is_call(one)]
        self._items = max(self._items, len(output))

    @property
    def usage(self) -> Usage:
        return usage_from(self._usage, self._timings)

    @property
    def calls(self) -> int:
        return len(self._calls) or self._items

    def estimate(self, sent: int) -> Usage:
        """Return about what a request took whose reply was not read to its end.

        `sent` is how many characters it had. A server of llama.cpp tells its tokens on the way;
        a piece of an answer is one at least.
        """
        if not self._pieces:
            return Usage(_number(self._progress.get("processed")))
        prompt = _number(self._progress.get("total")) or sent // _USUAL
        written = max(self._pieces, self._characters // _LONGEST)
        return Usage(prompt, written, min(prompt, _number(self._progress.get("cache"))))

    def _count(self, delta: object) -> None:
        if not isinstance(delta, dict):
            return
        texts = [delta.get("content"), delta.get("reasoning_content")]
        for call in _objects(delta.get("tool_calls")):
            function = call.get("function")
            texts.append(function.get("arguments") if isinstance(function, dict) else None)
        written = sum(len(text) for text in texts if isinstance(text, str))
        self._pieces += bool(written)
        self._characters += written


class Tally:
    """Adds up requests and writes them down; the one place that knows what is spent."""

    def __init__(self, folder: Path, price: Price | None = None) -> None:
        """`folder`: where `requests.jsonl` and `counted.jsonl` go on, or begin."""
        self._folder = folder
        self._price = price
        self._began = time.monotonic()
        self.requests: list[Counted] = []
        self._started = _count_in(folder / "counted.jsonl")  # at a second try it goes on
        self._under_way = 0

    def begin(self, path: str, body: bytes) -> tuple[int, float]:
        """Note a request that is passed on; return its number and when that was, in seconds."""
        self._started += 1
        self._under_way += 1
        line = {"number": self._started, "path": path, "body": _parsed(body)}
        # What is looked for in it is words, which escapes would hide.
        self._write("requests.jsonl", line)
        return self._started, self._now()

    def end(self, counted: Counted) -> None:
        """Note what became of it."""
        self._under_way -= 1
        usage = counted.usage
        if usage.cost_usd is None and self._price is not None and usage != Usage():
            from qcode.record import replace

            usage = replace(usage, cost_usd=self._price(usage))
            counted = replace(counted, usage=usage)
        self._note(counted)

    def refuse(self, path: str, limit: str) -> None:
        """Note a request that was not passed on."""
        self._started += 1
        self._note(Counted(self._started, path, self._now(), 400, refused=limit))

    @property
    def answered(self) -> list[Counted]:
        """Requests to which the model gave an answer, whole or cut."""
        return [one for one in self.requests if 200 <= one.status < 300]

    @property
    def failure(self) -> Counted | None:
        """The last request, if the endpoint is why it came to nothing."""
        last = self._last
        return None if last is None or last.fault in ("", *_OWN_FAULTS) else last

    @property
    def is_own_fault(self) -> bool:
        """Whether the last request came to nothing by the agent's or the model's own doing."""
        return self._last is not None and self._last.fault in _OWN_FAULTS

    @property
    def _last(self) -> Counted | None:
        passed = [one for one in self.requests if not one.refused]
        return passed[-1] if passed else None

    @property
    def spent(self) -> Usage:
        """Tokens and cost of all of them."""
        return sum((one.usage for one in self.requests), Usage())

    def over(self, limits: Limits) -> str:
        """Return which limit leaves no room for another request; empty: there is room."""
        spent = self.spent
        if limits.steps is not None and len(self.answered) + self._under_way >= limits.steps:
            return "steps"
        if limits.tokens is not None and spent.input_tokens + spent.output_tokens >= limits.tokens:
            return "tokens"
        if limits.cost_usd is not None and (spent.cost_usd or 0.0) >= limits.cost_usd:
            return "cost"
        return ""

    def effort(self, wall_s: float) -> Effort:
        """Return it in the words of a trial; tokens that no reply told of are not known."""
        answered, spent = self.answered, self.spent
        is_told = any(one.usage != Usage() for one in answered) or not answered
        return Effort(
            steps=len(answered),
            read_tokens=spent.read_anew if is_told else None,
            cached_tokens=spent.cached_tokens if is_told else None,
            written_tokens=spent.output_tokens if is_told else None,
            cost_usd=spent.cost_usd,
            wall_s=round(wall_s, 3),
            model_s=round(sum(one.seconds for one in self.requests), 3),
        )

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _note(self, counted: Counted) -> None:
        self.requests.append(counted)
        usage = counted.usage
        line: dict[str, object] = {
            "number": counted.number,
            "path": counted.path,
            "at_s": round(counted.at_s, 3),
            "status": counted.status,
            "seconds": round(counted.seconds, 3),
            "first_s": None if counted.first_s is None else round(counted.first_s, 3),
            "read_tokens": usage.read_anew,
            "cached_tokens": usage.cached_tokens,
            "written_tokens": usage.output_tokens,
            "cost_usd": usage.cost_usd,
            "calls": counted.calls,
            "is_whole": counted.is_whole,
        }
        if counted.is_estimate:
            line["is_estimate"] = True
        if counted.refused:
            line["refused"] = counted.refused
        if counted.fault:
            line |= {"fault": counted.fault, "problem": counted.problem}
        self._write("counted.jsonl", line)

    def _write(self, name: str, line: Mapping[str, object]) -> None:
        text = json.dumps(line, ensure_ascii=False)
        # Half a surrogate pair, which JSON may hold, has no bytes of its own.
        with (self._folder / name).open("ab") as file:
            file.write(text.encode(errors="backslashreplace") + b"\n")


def _count_in(path: Path) -> int:
    try:
        with path.open("rb") as lines:
            return sum(1 for _ in lines)
    except FileNotFoundError:
        return 0


def _as_chat(usage: dict[str, Any]) -> dict[str, Any]:
    """Return a count of the Responses API as the chat API has it; what was cached is within."""
    details = usage.get("input_tokens_details")
    if not isinstance(details, dict):
        return usage
    return {
        "prompt_tokens": usage.get("input_tokens"),
        "completion_tokens": usage.get("output_tokens"),
        "prompt_tokens_details": details,
    }


def _objects(value: object) -> Iterable[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _is_call(item: dict[str, Any]) -> bool:
    return item.get("type") in _CALLS_OF_RESPONSES


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="backslashreplace")
