"""What the tokens of a session were spent on: a ledger by cause.

Servers count whole requests. Each one's count is shared out among its parts by their characters,
so the shares are estimates and their sums are exact. What a server did not read again is the
beginning of a request, so the first parts have the cached tokens; a part that was told once and
stays is read anew once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from qcode.compaction.meter import CHARACTERS, size
from qcode.journal.loading import Loaded, load
from qcode.messages import Asked, AssistantMessage, Message, ToolMessage, Usage, UserMessage
from qcode.models.model import Prices
from qcode.models.pricing import cost
from qcode.origins import Kind, origins
from qcode.record import Record

Cause: TypeAlias = str
"""One of `CAUSES`, or the purpose of requests that were no steps."""

PROMPT, FILES, OUTPUT = "prompt", "files", "tool output"
REQUESTS, ANSWERS, RETRIES = "requests", "answers", "retries"
CAUSES = (PROMPT, FILES, OUTPUT, REQUESTS, ANSWERS, RETRIES)
"""Instructions and tools; what stands in files; what tools printed; what people said; what the
model said; whole steps that were asked only since the one before came to nothing."""

_OF_KIND: dict[Kind, Cause] = {
    "memory": FILES,
    "map": FILES,
    "pointed at": FILES,
    "request": REQUESTS,
    "ledger": "put aside",
    "summary": "put aside",
}
"""Of the parts of a message; all else is told by qcode and counts as prompt."""

_READERS = frozenset({"read_file", "outline", "find_symbol", "find_references", "recall"})
"""Tools whose results are what stands in files."""


class Share(Record):
    """What one cause took."""

    cause: Cause
    anew: int = 0
    """Prompt tokens that were read."""
    cached: int = 0
    output: int = 0
    cost_usd: float | None = None
    """None: not known."""

    def __add__(self, other: Share) -> Share:
        known = [each for each in (self.cost_usd, other.cost_usd) if each is not None]
        return Share(
            self.cause,
            self.anew + other.anew,
            self.cached + other.cached,
            self.output + other.output,
            sum(known) if known else None,
        )


Priced: TypeAlias = Callable[[str], "Prices | None"]
"""Returns the prices of a model by its name; None: they are not known."""


def of_session(path: Path, prices: Priced = lambda _model: None) -> list[Share]:
    """Return what a session's tokens were spent on, the greatest first.

    `prices` are those by which a request's cost is shared out among its parts; where they are not
    known, tokens count alike.

    Raises:
        UsageError: the journal cannot be read.
    """
    book = _Book(prices)
    load(path, book.enter)
    return sorted(book.shares.values(), key=lambda share: -(share.anew + share.output))


class _Book:
    def __init__(self, prices: Priced) -> None:
        self.shares: dict[Cause, Share] = {}
        self._priced = prices
        self._prices: dict[str, Prices | None] = {}
        self._parts: dict[int, tuple[Message, list[tuple[Cause, int]]]] = {}
        """Of each message, by which object it is; with it, so that no other gets its identity."""

    def enter(self, asked: Asked, loaded: Loaded) -> None:
        """Take one request, whose answer ends the history if there was one."""
        items = loaded.conversation.items
        answered = bool(items) and isinstance(items[-1], AssistantMessage)
        sent = items[:-1] if answered else items
        usage = asked.usage
        if asked.purpose or is_retry(sent):
            cause = asked.purpose or RETRIES
            if cause.startswith("agent"):
                cause = "agents"
            self._add(Share(cause, usage.read_anew, usage.cached_tokens, usage.output_tokens,
                            usage.cost_usd))  # fmt: skip
            return
        parts = [part for message in sent for part in self._of(message)]
        who = asked.model or loaded.model
        if who not in self._prices:
            self._prices[who] = self._priced(who)
        for share in shared_out(usage, len(loaded.system), parts, self._prices[who]):
            self._add(share)

    def _add(self, share: Share) -> None:
        before = self.shares.get(share.cause)
        self.shares[share.cause] = share if before is None else before + share

    def _of(self, message: Message) -> list[tuple[Cause, int]]:
        found = self._parts.get(id(message))
        if found is None:
            found = self._parts[id(message)] = message, list(parts_of(message))
        return found[1]


def parts_of(message: Message) -> Iterable[tuple[Cause, int]]:
    """Yield the parts of a message in order: which cause they have, how many characters."""
    match message:
        case UserMessage():
            for kind, _name, text in origins(message):
                if text:
                    yield _OF_KIND.get(kind, PROMPT), len(text)
        case ToolMessage():
            yield (FILES if message.name in _READERS else OUTPUT), size(message)
        case _:
            yield ANSWERS, size(message)


def is_retry(sent: Sequence[Message]) -> bool:
    """Whether a request was sent since the answer before it came to nothing.

    It did if none of its calls could be carried out, or if qcode had to ask again.
    """
    if not sent:
        return False
    last = sent[-1]
    if isinstance(last, UserMessage):
        return last.is_nudge and not last.images
    results = []
    for message in reversed(sent):
        if not isinstance(message, ToolMessage):
            break
        results.append(message)
    return bool(results) and all(result.is_error for result in results)


def shared_out(
    usage: Usage, system: int, parts: Sequence[tuple[Cause, int]], prices: Prices | None
) -> list[Share]:
    """Return what each cause has of one request, whose sums are its counts.

    Args:
        usage: As the server counted.
        system: Characters of the system prompt, which stands first; the tools are not known.
        parts: What stands behind, in order.
        prices: By which the cost is shared out; without them each token costs the same.
    """
    told = sum(size for _, size in parts)
    total = usage.input_tokens
    # What is counted beyond the messages' own is the prompt: instructions, tools, the template.
    estimate = int(told / CHARACTERS)
    first = max(total - estimate, int(total * system / (system + told or 1)))
    rest = total - first
    found: dict[Cause, list[int]] = {}
    start = 0

    def take(cause: Cause, tokens: int) -> None:
        nonlocal start
        cached = max(0, min(start + tokens, usage.cached_tokens) - start)
        counts = found.setdefault(cause, [0, 0, 0])
        counts[0] += tokens - cached
        counts[1] += cached
        start += tokens

    take(PROMPT, first)
    seen = given = 0
    for cause, characters in parts:
        seen += characters
        upto = rest * seen // told if told else 0
        take(cause, upto - given)
        given = upto
    if start < total:  # nothing was told besides
        take(PROMPT, total - start)
    found.setdefault(ANSWERS, [0, 0, 0])[2] += usage.output_tokens
    return [
        Share(cause, anew, cached, output, _cost(usage, anew, cached, output, prices))
        for cause, (anew, cached, output) in found.items()
    ]


def _cost(usage: Usage, anew: int, cached: int, output: int, prices: Prices | None) -> float | None:
    """Return a part's share of what the request cost, by what its tokens cost one by one."""
    if usage.cost_usd is None:
        return None
    whole = cost(usage, prices) if prices is not None else 0.0
    if prices is None or whole <= 0:
        tokens = usage.read_anew + usage.cached_tokens + usage.output_tokens
        return usage.cost_usd * (anew + cached + output) / tokens if tokens else usage.cost_usd
    kept = usage.cache_write_tokens * anew / usage.read_anew if usage.read_anew else 0.0
    write = prices.input if prices.cache_write is None else prices.cache_write
    mine = cost(Usage(anew + cached, output, cached), prices)
    mine += kept * (write - prices.input) / 1_000_000
    return usage.cost_usd * mine / whole
