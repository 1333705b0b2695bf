"""What the same requests would have cost on another model; pure.

The tokens are those that were counted: another model's tokenizer would count up to a third more
or fewer. What its cache would have held is worked out, not taken over from here: a request
reads from the cache what the request before it in the same conversation had, if it came within
the five minutes that Anthropic's and OpenAI's caches are kept for at least (their documentation
of prompt caching, 2026), is not shorter, and has 1,024 tokens or more (both vendors' least).
After room was made it reads what it really did here. The rest is read anew, and is charged as
kept for later where that has a price.
"""

from __future__ import annotations

from collections.abc import Iterable

from qcode.cost.entries import Entry
from qcode.cost.sums import moment_of
from qcode.messages import PICTURE, STRONGER, Usage
from qcode.models.model import Prices
from qcode.models.pricing import cost
from qcode.record import Record

KEPT_S = 300.0
LEAST = 1024


class Elsewhere(Record):
    """US dollars, for one model."""

    with_cache: float
    without_cache: float
    """As if each request had been read from its beginning."""


def as_cached(entries: Iterable[Entry]) -> list[Usage]:
    """Return what each request would have read from a vendor's cache, and written to it."""
    last: dict[tuple[str, str], tuple[int, float | None]] = {}
    found = []
    for entry in entries:
        asked = entry.asked
        usage = asked.usage
        ended = moment_of(entry.at)
        end = ended.timestamp() if ended else None
        # Summaries and commit messages are asked for behind the conversation; agents have theirs,
        # and a brief or a picture begins anew each time.
        is_agent = asked.purpose.startswith("agent")
        is_alone = asked.purpose in (STRONGER, PICTURE)
        thread = entry.session, asked.purpose if is_agent or is_alone else ""
        before, before_end = last.get(thread, (0, None))
        begun = None if end is None else end - (asked.duration_s or 0.0)
        late = begun is not None and before_end is not None and begun - before_end > KEPT_S
        if late or not before:
            cached = 0
        elif usage.input_tokens >= before:
            cached = before
        else:
            cached = usage.cached_tokens
        cached = cached if cached >= LEAST else 0
        kept = usage.input_tokens - cached if usage.input_tokens >= LEAST else 0
        found.append(Usage(usage.input_tokens, usage.output_tokens, cached, None, kept))
        if not asked.purpose or is_agent:
            last[thread] = usage.input_tokens, end
    return found


def elsewhere(usages: Iterable[Usage], prices: Prices) -> Elsewhere:
    """Return what requests, as `as_cached` returns them, would have cost."""
    cached = whole = 0.0
    for usage in usages:
        kept = usage if prices.cache_write is not None else _nothing_kept(usage)
        cached += cost(kept, prices)
        whole += cost(Usage(usage.input_tokens, usage.output_tokens), prices)
    return Elsewhere(cached, whole)


def _nothing_kept(usage: Usage) -> Usage:
    return Usage(usage.input_tokens, usage.output_tokens, usage.cached_tokens)
