"""A session's messages as Markdown, for people to read.

A program that shows Markdown obeys it: what somebody said must not load pictures, run
as HTML, or look like something that somebody else said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from qcode.journal.loading import Loaded
from qcode.messages import AssistantMessage, Message, ToolCall, ToolMessage, Usage, UserMessage
from qcode.ui.printable import printable


def title(messages: Iterable[Message]) -> str:
    """Return the first words of the first thing a person said."""
    for message in messages:
        if isinstance(message, UserMessage):
            return " ".join(printable(message.text).split())[:80]
    return ""


def markdown(session: Loaded, *, result_lines: int | None = None) -> str:
    """Return the transcript; results of tools are cut after `result_lines` if given."""
    conversation = session.conversation
    said = conversation.from_the_start()
    parts = [f"# {prose(session.title or title(said) or session.id)}"]
    parts.append("\n".join(f"- {name}: {value}" for name, value in _facts(session)))
    if session.damaged:
        parts.append(f"*{session.damaged} damaged entries of the journal were left out.*")
    forgotten = len(conversation.forgotten)
    aside = forgotten + len(conversation.archived)
    for number, message in enumerate(said, start=1):
        parts.extend(_message(message, result_lines))
        if (usage := session.notes.of(message).usage) is not None:
            parts.append(f"*{spent(usage)}*")
        if number == forgotten:
            parts.append(f"*(the {forgotten:,} messages above were forgotten; begun anew here)*")
        elif number == aside:
            count = aside - forgotten
            parts.append(f"*(the {count:,} messages above were put aside to make room)*")
    return "\n\n".join(parts) + "\n"


def _facts(session: Loaded) -> Iterator[tuple[str, str]]:
    for name, value in facts(session):
        if name in ("session", "copy of", "directory"):
            # A path may hold anything but a backquote between backquotes.
            yield name, "`{}`".format(value.replace("`", "'"))
        else:
            yield name, prose(value)


def facts(session: Loaded) -> Iterator[tuple[str, str]]:
    """Yield what is known of the session, each in one safe line."""
    usage = session.usage
    notes = [session.notes.of(message) for message in session.conversation.from_the_start()]
    models = list(dict.fromkeys([*(note.model for note in notes if note.model), session.model]))
    last = max((note.at for note in notes), default="")
    for name, value in (
        ("session", session.id),
        ("copy of", session.parent),
        ("directory", session.cwd),
        ("model" if len(models) == 1 else "models", ", ".join(models)),
        ("created", session.created),
        ("last message", last),
        ("tokens", f"{usage.input_tokens:,} in{_cached(usage)}, {usage.output_tokens:,} out"),
        ("cost", "" if usage.cost_usd is None else _dollars(usage.cost_usd)),
        ("calls repaired", f"{session.repairs:,}" if session.repairs else ""),
    ):
        if line := " ".join(printable(value).split()):
            yield name, line


def spent(usage: Usage) -> str:
    """Return the tokens of a request in one line, and what they cost if that is known."""
    cost = "" if usage.cost_usd is None else f" · {_dollars(usage.cost_usd)}"
    return f"{usage.input_tokens:,} tokens in{_cached(usage)}, {usage.output_tokens:,} out{cost}"


def _cached(usage: Usage) -> str:
    return f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""


def _dollars(cost: float) -> str:
    return f"${cost:,.4f}"


def _message(message: Message, result_lines: int | None) -> Iterator[str]:
    match message:
        case UserMessage(text, is_nudge):
            yield "## qcode" if is_nudge else "## Person"
            yield prose(printable(text).strip())
            for image in message.images:
                yield f"*(picture: {prose(_name(image.name))})*"
        case AssistantMessage():
            yield "## Model"
            if message.reasoning.strip():
                yield quoted(prose(printable(message.reasoning).strip()))
            if message.text.strip():
                yield prose(printable(message.text).strip())
            if message.interrupted:
                yield "*(interrupted)*"
            for call in message.tool_calls:
                yield f"**{prose(_name(call.name))}**"
                yield fenced(arguments(call), "json")
        case ToolMessage():
            error = " (error)" if message.is_error else ""
            yield f"**result of {prose(_name(message.name))}**{error}"
            yield fenced(shortened(printable(message.text), result_lines))


def _name(text: str) -> str:
    return " ".join(printable(text).split())


def prose(text: str) -> str:
    """Return safe text as Markdown without HTML, pictures, or headings like the transcript's own.

    Code blocks stay as they are, if no reading of the text can take them for something else.
    """
    out: list[str] = []
    fence = ""
    for line in text.split("\n"):
        if fence:
            out.append(line)
            if re.fullmatch(rf" {{0,3}}{fence[0]}{{{len(fence)},}}[ \t]*", line):
                fence = ""
        # At the margin nothing around it can be open but another fence.
        elif opened := re.match(r"(`{3,})[^`]*$|(~{3,})", line):
            fence = opened[1] or opened[2]
            out.append(line)
        else:
            if re.fullmatch(r" {0,3}(?:=+|-+)[ \t]*", line) and out and out[-1].strip():
                out.append("")  # it would make a heading of the line before
            line = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", line).replace("![", "!\\[")
            out.append(re.sub(r"^( {0,3})(#{1,4})(?=[ \t]|$)", r"\1##\2", line))
    return "\n".join([*out, fence] if fence else out)


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
