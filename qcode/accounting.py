"""Where the tokens of a request go; pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence

from qcode.messages import AssistantMessage, Message, ToolMessage, Usage, UserMessage
from qcode.providers import ToolSpec
from qcode.record import Record


class Share(Record):
    """One kind of content, and about how many tokens it has."""

    what: str
    tokens: int


class Account(Record):
    """A request by what it is made of, in the order in which the model reads it."""

    shares: tuple[Share, ...]
    window: int | None
    """Tokens; None: not known."""
    reserve: int
    """Tokens of the window that an answer may take."""
    last: Usage | None = None
    """What the server counted of the last request; None: none was sent yet."""

    @property
    def total(self) -> int:
        """All tokens, about."""
        return sum(share.tokens for share in self.shares)


def account(
    system: str,
    specs: Sequence[ToolSpec],
    messages: Sequence[Message],
    count: Callable[[str], int],
    *,
    window: int | None,
    reserve: int,
    last: Usage | None = None,
) -> Account:
    """Return where the tokens go; `count` says about how many a text has."""
    shares = [Share("instructions", count(system))]
    for spec in specs:
        told = spec.name + spec.description + json.dumps(spec.parameters)
        shares.append(Share(f"tool {spec.name}", count(told)))
    kinds: Counter[str] = Counter()
    for message in messages:
        match message:
            case UserMessage():
                kinds["put aside (ledger)" if message.is_summary else "project"] += _counted(
                    count, message.before
                )
                kinds["requests"] += _counted(count, message.text)
                kinds["pointed at"] += _counted(count, message.after)
            case AssistantMessage():
                kinds["answers"] += _counted(count, message.text)
                for call in message.tool_calls:
                    kinds["calls"] += count(call.name + call.arguments)
            case ToolMessage():
                kinds[f"results of {message.name}"] += _counted(count, message.text)
    first = ("project", "put aside (ledger)", "requests", "pointed at", "answers", "calls")
    ordered = [*first, *sorted(kind for kind in kinds if kind not in first)]
    shares += [Share(kind, kinds[kind]) for kind in ordered if kinds[kind]]
    return Account(tuple(shares), window, reserve, last)


def table(accounted: Account) -> str:
    """Return it as a person reads it."""
    tools = sum(each.tokens for each in accounted.shares if each.what.startswith("tool "))
    rows = [Share(each.what, each.tokens) for each in accounted.shares]
    at = next((i for i, each in enumerate(rows) if each.what.startswith("tool ")), len(rows))
    of_tools = [each for each in rows if each.what.startswith("tool ")]
    rows = [each for each in rows if not each.what.startswith("tool ")]
    if of_tools:
        rows.insert(at, Share(f"tools ({len(of_tools)})", tools))
    whole = accounted.window or accounted.total or 1
    lines = [
        f"{each.what:<28} {each.tokens:>8,}  {100 * each.tokens / whole:5.1f} %" for each in rows
    ]
    if accounted.window:
        free = accounted.window - accounted.total - accounted.reserve
        lines.append(f"{'kept for the answer':<28} {accounted.reserve:>8,}")
        lines.append(f"{'free':<28} {max(0, free):>8,}")
        lines.append(f"{'window':<28} {accounted.window:>8,}")
    else:
        lines.append(f"{'together':<28} {accounted.total:>8,}  (the window is not known)")
    if (last := accounted.last) is not None and last.input_tokens:
        read = last.input_tokens - last.cached_tokens
        lines.append(
            f"last request: {last.input_tokens:,} tokens by the server's count, "
            f"{last.cached_tokens:,} reused, {read:,} read anew"
        )
    return "\n".join(lines)


def _counted(count: Callable[[str], int], text: str) -> int:
    return count(text) if text else 0
