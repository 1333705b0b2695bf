"""Where the tokens of a request go, and how many of those before were reused; pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import get_args

from qcode.messages import Asked, AssistantMessage, JsonObject, Message, ToolMessage, UserMessage
from qcode.origins import Kind, origins
from qcode.providers import ToolSpec
from qcode.record import Record

REQUESTS = 8
"""Requests that a person is shown, the last ones."""

_WORDS: dict[Kind, str] = {
    "tool": "tools",
    "memory": "memory files",
    "ledger": "put aside (ledger)",
    "summary": "put aside (summary)",
    "request": "requests",
    "nudge": "nudges",
    "answer": "answers",
    "call": "calls",
    "result": "results",
}
"""What a person reads, where that is another word."""
_GROUPS: tuple[Kind, ...] = ("tool", "memory", "result")
"""Of these there are several, each with its name."""
_WIDTH = 34


class Share(Record):
    """One part of what the model reads, and about how many tokens it has."""

    kind: Kind
    name: str
    """Of a tool or a file; empty: there is one of the kind."""
    tokens: int


class Account(Record):
    """A request by what it is made of, kind by kind in the order in which the model reads it."""

    shares: tuple[Share, ...]
    window: int | None
    """Tokens; None: not known."""
    reserve: int
    """Tokens of the window that an answer may take."""
    asked: tuple[Asked, ...] = ()
    """The session's requests so far, as the server counted them."""

    @property
    def total(self) -> int:
        """All tokens, about."""
        return sum(share.tokens for share in self.shares)

    @property
    def free(self) -> int | None:
        """Tokens that are left beside it and an answer; None: not known."""
        return None if self.window is None else max(0, self.window - self.total - self.reserve)


def account(
    system: str,
    specs: Sequence[ToolSpec],
    messages: Sequence[Message],
    count: Callable[[str], int],
    *,
    window: int | None,
    reserve: int,
    asked: Sequence[Asked] = (),
) -> Account:
    """Return where the tokens go; `count` says about how many a text has."""
    found: Counter[tuple[Kind, str]] = Counter()

    def add(kind: Kind, name: str, text: str) -> None:
        if text:
            found[kind, name] += count(text)

    add("instructions", "", system)
    for spec in specs:
        add("tool", spec.name, spec.name + spec.description + json.dumps(spec.parameters))
    for message in messages:
        match message:
            case UserMessage():
                for part in origins(message):
                    add(*part)
            case AssistantMessage():
                add("answer", "", message.text)
                for call in message.tool_calls:
                    add("call", "", call.name + call.arguments)
            case ToolMessage():
                add("result", message.name, message.text)
    kinds = get_args(Kind)
    order = sorted(found, key=lambda each: kinds.index(each[0]))  # stable: by first sight
    shares = tuple(Share(kind, name, found[kind, name]) for kind, name in order)
    return Account(shares, window, reserve, tuple(asked))


def table(accounted: Account) -> str:
    """Return it as a person reads it."""
    whole = accounted.window or accounted.total or 1

    def row(words: str, tokens: int) -> str:
        return f"{words:<{_WIDTH}} {tokens:>8,}  {100 * tokens / whole:5.1f} %"

    lines = []
    for kind in get_args(Kind):
        shares = [share for share in accounted.shares if share.kind == kind]
        words = _WORDS.get(kind, kind)
        if not shares:
            continue
        if kind in _GROUPS:
            lines.append(row(f"{words} ({len(shares)})", sum(each.tokens for each in shares)))
            lines += [row(f"  {each.name}", each.tokens) for each in shares]
        else:
            lines += [row(words, each.tokens) for each in shares]
    if accounted.window is None:
        lines.append(f"{'together':<{_WIDTH}} {accounted.total:>8,}  (the window is not known)")
    else:
        lines.append(f"{'kept for the answer':<{_WIDTH}} {accounted.reserve:>8,}")
        lines.append(f"{'free':<{_WIDTH}} {accounted.free:>8,}")
        lines.append(f"{'window':<{_WIDTH}} {accounted.window:>8,}")
    return "\n".join([*lines, *_requests(accounted.asked)])


def _requests(asked: Sequence[Asked]) -> list[str]:
    counted = [(number, each) for number, each in enumerate(asked, 1) if each.usage.input_tokens]
    if not counted:
        return []
    shown = counted[-REQUESTS:]
    some = f"the last {len(shown)} of {len(asked)}" if len(shown) < len(asked) else f"{len(asked)}"
    lines = [f"requests so far, by the server's count ({some}):"]
    for number, each in shown:
        usage = each.usage
        purpose = f" (for a {each.purpose})" if each.purpose else ""
        lines.append(
            f"  {number:>4}. {usage.input_tokens:>9,} tokens: {usage.cached_tokens:,} reused, "
            f"{each.read_anew:,} read anew; {usage.output_tokens:,} written{purpose}"
        )
    return lines


def to_json(accounted: Account) -> JsonObject:
    """Return it for programs; all numbers are tokens, null where they are not known."""
    return {
        "parts": [
            {"kind": share.kind, "name": share.name or None, "tokens": share.tokens}
            for share in accounted.shares
        ],
        "total": accounted.total,
        "window": accounted.window,
        "reserve": accounted.reserve,
        "free": accounted.free,
        "requests": [
            {
                "input_tokens": each.usage.input_tokens,
                "reused_tokens": each.usage.cached_tokens,
                "read_anew_tokens": each.read_anew,
                "output_tokens": each.usage.output_tokens,
                "purpose": each.purpose or None,
            }
            for each in accounted.asked
        ],
    }
