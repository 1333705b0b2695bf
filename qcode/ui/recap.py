"""The end of a session that is gone on with, as it was shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qcode.messages import AssistantMessage, Message, ToolMessage, UserMessage
from qcode.ui import cards
from qcode.ui.printable import one_line, printable
from qcode.ui.runs import paint
from qcode.ui.theme import Theme

RECAP_MESSAGES = 6
RECAP_LINES = 40
"""Of one message."""


def recap(messages: Sequence[Message], theme: Theme, columns: int) -> str:
    """Return the last messages as lines to print."""
    return "".join(f"{line}\n" for line in _lines(messages, theme, columns))


def _lines(messages: Sequence[Message], theme: Theme, columns: int) -> Iterator[str]:
    last = messages[-RECAP_MESSAGES:]
    if len(last) < len(messages):
        yield theme.paint(f"… {len(messages) - len(last):,} earlier messages", "dim")
    for message in last:
        match message:
            case UserMessage(text, is_nudge):
                who, style = ("qcode:", "dim") if is_nudge else (">", "accent")
                lines = printable(f"{who} {text.strip()}").split("\n")
                yield from _some([theme.paint(line, style) for line in lines], theme)
            case AssistantMessage():
                yield from _some(_answer(message.text.strip(), theme, columns), theme)
                if message.interrupted:
                    yield "interrupted"
                for call in message.tool_calls:
                    yield paint(cards.started(call, call.arguments, theme, columns), theme)
            case ToolMessage():
                mark = theme.mark("error" if message.is_error else "ok")
                first = one_line(message.text.strip().split("\n", 1)[0], columns - 2)
                yield theme.paint(f"  {one_line(f'{mark} {first}', columns - 2)}", "dim")


def _answer(text: str, theme: Theme, columns: int) -> list[str]:
    if not text:
        return []
    from qcode.ui.flow import Flow

    answer = Flow(theme, columns)
    return (answer.feed(text) + answer.flush()).splitlines()


def _some(lines: list[str], theme: Theme) -> Iterator[str]:
    yield from lines[:RECAP_LINES]
    if len(lines) > RECAP_LINES:
        yield theme.paint(cards.more(len(lines) - RECAP_LINES), "dim")
