"""Where the parts of a told text are from, by the text alone; pure.

A recorded session has no more than the text, so that one in memory is read by it, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Literal, TypeAlias

from qcode.messages import UserMessage
from qcode.prompts import load

Kind: TypeAlias = Literal[
    "instructions", "tool", "memory", "told besides", "map", "surroundings", "facts",
    "ledger", "summary", "request", "pointed at", "nudge", "answer", "call", "result",
]  # fmt: skip
"""What something is that the model reads, in the order in which it is listed."""

# What stands in a file is written so that it cannot look like this.
_FILE = re.compile(
    r'<instructions file="([^"\n]*)" of="[^"\n]*">.*?(?:</instructions>|\Z)', re.DOTALL
)


_LAST: tuple[tuple[Kind, str], ...] = (
    ("facts", "facts/known"),
    ("surroundings", "surroundings"),
    ("map", "map"),
)
"""What stands at the end, the last first, and the prompt by which it is known."""


def origins(message: UserMessage) -> Iterator[tuple[Kind, str, str]]:
    """Yield the parts of a message: what each is, its name if it has one, and its text."""
    before, ledger, summary = message.before, "", ""
    if message.is_summary:
        # What was told with the request stands behind these, and counts as a part of them.
        before, mark, rest = before.partition(_head("compacted"))
        ledger = mark + rest
        above, mark, rest = ledger.rpartition(_head("summary/told"))
        ledger, summary = (above, mark + rest) if mark else (ledger, "")
    for found in _FILE.finditer(before):
        yield "memory", found[1], found[0]
    yield from _told("told besides", _FILE.sub("", before).strip())
    yield "ledger", "", ledger
    yield "summary", "", summary
    yield "nudge" if message.is_nudge else "request", "", message.text
    yield from _told("pointed at", message.after)


def _told(first: Kind, text: str) -> Iterator[tuple[Kind, str, str]]:
    """Yield what stands in a text that begins with one kind, which may hold anything.

    So the others are looked for from the end. They stand before the words of a person; in
    older sessions they stood behind.
    """
    rest = text
    found: dict[Kind, str] = {}
    for kind, prompt in _LAST:
        earlier, _, last = rest.rpartition("\n\n")
        if last.startswith(_head(prompt)):
            found[kind], rest = last, earlier
    yield first, "", rest
    for kind in reversed(found):
        yield kind, "", found[kind]


@cache
def _head(prompt: str) -> str:
    """Return the first line of a prompt, by which it is known."""
    values = {"compacted": "ledger", "summary/told": "summary", "map": "map"}
    value = values.get(prompt, "facts")
    return load(prompt, **{value: ""}).split("\n", 1)[0]
