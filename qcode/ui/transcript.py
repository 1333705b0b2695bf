"""A session's messages as Markdown, for people to read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from qcode.journal import Loaded
from qcode.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from qcode.ui.printable import printable


def title(messages: Iterable[Message]) -> str:
    """Return the first words of the first thing a person said."""
    for message in messages:
        if isinstance(message, UserMessage):
            return " ".join(printable(message.text).split())[:80]
    return ""


def markdown(session: Loaded, *, result_lines: int | None = None) -> str:
    """Return the transcript; results of tools are cut after `result_lines` if given."""
    usage = session.usage
    facts = [
        ("session", f"`{session.id}`"),
        ("directory", f"`{printable(session.cwd)}`"),
        ("model", printable(session.model)),
        ("created", session.created),
        ("tokens", f"{usage.input_tokens:,} in, {usage.output_tokens:,} out"),
        ("calls repaired", f"{session.repairs:,}" if session.repairs else ""),
    ]
    parts = [
        f"# {title(session.messages) or session.id}",
        "\n".join(f"- {name}: {value}" for name, value in facts if value),
    ]
    if session.damaged:
        parts.append(f"*{session.damaged} damaged entries of the journal were left out.*")
    for message in session.messages:
        parts.extend(_message(message, result_lines))
    return "\n\n".join(parts) + "\n"


def _message(message: Message, result_lines: int | None) -> Iterator[str]:
    match message:
        case UserMessage(text, is_nudge):
            yield "## qcode" if is_nudge else "## Person"
            yield printable(text).strip()
        case AssistantMessage():
            yield "## Model"
            if message.reasoning.strip():
                yield quoted(printable(message.reasoning).strip())
            if message.text.strip():
                yield printable(message.text).strip()
            if message.interrupted:
                yield "*(interrupted)*"
            for call in message.tool_calls:
                yield f"**{printable(call.name)}**"
                yield fenced(arguments(call), "json")
        case ToolMessage():
            error = " (error)" if message.is_error else ""
            yield f"**result of {printable(message.name)}**{error}"
            yield fenced(shortened(printable(message.text), result_lines))


def arguments(call: ToolCall) -> str:
    """Return a call's arguments, indented if they are what they should be."""
    try:
        value = json.loads(call.arguments)
    except ValueError:
        return printable(call.arguments)
    return printable(json.dumps(value, ensure_ascii=False, indent=2))


def shortened(text: str, lines: int | None) -> str:
    """Return the first `lines` lines, and how many are missing."""
    every = text.rstrip("\n").split("\n")
    if lines is None or len(every) <= lines:
        return "\n".join(every)
    return "\n".join([*islice(every, lines), f"… {len(every) - lines:,} more lines"])


def fenced(text: str, language: str = "") -> str:
    """Return a code block that the text cannot end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def quoted(text: str) -> str:
    """Return a block quote."""
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))
