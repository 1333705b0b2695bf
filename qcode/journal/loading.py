"""Journals read back: the session as it was, also where the process was killed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qcode import titles
from qcode.conversation import Conversation
from qcode.errors import UsageError
from qcode.journal.missing import CHANGED, CUT_SHORT, NOT_RUN
from qcode.journal.writing import VERSION, usage_from_json
from qcode.messages import (
    STRONGER,
    Asked,
    AssistantMessage,
    JsonObject,
    Message,
    ToolMessage,
    Usage,
    UserMessage,
    from_json,
)
from qcode.noted import Notes


@dataclass(slots=True)
class Loaded:
    """A session as its journal tells it."""

    id: str
    cwd: str
    model: str
    created: str
    system: str
    conversation: Conversation = field(default_factory=Conversation)
    usage: Usage = field(default_factory=Usage)
    asked: list[Asked] = field(default_factory=list)
    """The requests of the session, in order."""
    counted: tuple[int, Usage] | None = None
    """How many messages of the history the last step's request had, and what the server counted;
    None: the history was cut since."""
    repairs: int = 0
    protocol: str = ""
    """How the model was told of tools in the end, if that changed."""
    asides: list[str] = field(default_factory=list)
    """What the model is still to be told with the next message."""
    damaged: int = 0
    """Lines that could not be read (not counting a torn last one)."""
    title: str = ""
    """What a person calls the session."""
    parent: str = ""
    """The id of the session that it began as a copy of."""
    notes: Notes = field(default_factory=Notes)

    @property
    def messages(self) -> list[Message]:
        """The history."""
        return self.conversation.items


def records(path: Path) -> Iterator[JsonObject | None]:
    """Yield the records; None for a whole line that cannot be read."""
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            yield record if isinstance(record, dict) else None


def load(path: Path, each: Callable[[Asked, Loaded], None] | None = None) -> Loaded:
    """Read a session back; `each` is told of its requests, with the session as it was then.

    Raises:
        UsageError: the file is not a journal, or of a later version.
    """
    try:
        lines = list(records(path))
    except OSError as error:
        raise UsageError(f"cannot read session `{path.stem}`: {error.strerror}") from error
    if not lines or lines[0] is None or lines[0].get("type") != "session":
        raise UsageError(
            f"`{path}` is not a session journal",
            hint=f"`qcode sessions rm {path.stem}` removes it",
        )
    header = lines[0]
    if header.get("version") != VERSION:
        raise UsageError(
            f"session `{path.stem}` was written by another version of qcode "
            f"(journal format {header.get('version')}, this one reads {VERSION})",
            hint="use that version, or start a new session",
        )
    loaded = Loaded(
        id=str(header.get("id", path.stem)),
        cwd=str(header.get("cwd", "")),
        model=str(header.get("model", "")),
        created=str(header.get("created", "")),
        system=str(header.get("system", "")),
        parent=str(header.get("parent") or ""),
    )
    _replay(lines[1:], loaded, each)
    return loaded


def _replay(
    records: list[JsonObject | None],
    loaded: Loaded,
    each: Callable[[Asked, Loaded], None] | None,
) -> None:
    text: list[str] = []
    reasoning: list[str] = []
    started: dict[str, str] = {}
    changed: dict[str, str] = {}
    conversation = loaded.conversation

    def finish_pieces() -> None:
        if text or reasoning:
            pieces = "".join(text), "".join(reasoning)
            conversation.items.append(AssistantMessage(*pieces, interrupted=True))
        text.clear()
        reasoning.clear()

    for record in records:
        if record is None:
            loaded.damaged += 1
            continue
        kind = record.get("type")
        if kind in ("fresh", "rewind", "return", "compact", "model"):
            loaded.counted = None
        if kind == "delta":
            text.append(str(record.get("text", "")))
            reasoning.append(str(record.get("reasoning", "")))
        elif kind == "fresh":
            text.clear()
            reasoning.clear()
            conversation.begin_anew()
        elif kind == "rewind":
            finish_pieces()
            if isinstance(number := record.get("said"), int):
                conversation.rewind_said(number)
            else:
                conversation.rewind(str(record.get("call_id")))
        elif kind == "return":
            conversation.restore()
        elif kind == "compact":
            finish_pieces()
            loaded.damaged += not _compact(conversation, record, started)
        elif kind == "aside":
            loaded.asides.append(str(record.get("text", "")))
        elif kind == "void":
            text.clear()
            reasoning.clear()
        elif kind == "message":
            try:
                message = from_json(record)
            except (KeyError, ValueError, TypeError):
                loaded.damaged += 1
                continue
            if isinstance(message, AssistantMessage):
                text.clear()
                reasoning.clear()
            else:
                finish_pieces()
            conversation.add(message)
            loaded.notes.add(message, str(record.get("at", "")), loaded.model)
            if isinstance(message, UserMessage) and not message.is_nudge:
                loaded.asides.clear()
        elif kind == "run":
            started[str(record.get("call_id"))] = changed.get(str(record.get("call_id")), "")
        elif kind == "changed":
            changed[str(record.get("call_id"))] = str(record.get("arguments", ""))
        elif kind == "model":
            loaded.model = str(record.get("model", loaded.model))
            loaded.protocol = ""
        elif kind == "protocol":
            loaded.protocol = str(record.get("protocol", ""))
        elif kind == "usage":
            asked = usage_from_json(record)
            loaded.usage = loaded.usage + asked.usage
            loaded.asked.append(asked)
            if each is not None:
                each(asked, loaded)
            if not asked.purpose or asked.purpose == STRONGER:
                loaded.notes.spent(conversation.items, asked.usage, asked.model)
            if not asked.purpose and not asked.is_estimate:
                is_said = bool(conversation.items) and isinstance(
                    conversation.items[-1], AssistantMessage
                )
                loaded.counted = len(conversation.items) - is_said, asked.usage
        elif kind == "repair":
            loaded.repairs += 1
        elif kind == "title":
            loaded.title = titles.clean(str(record.get("title", "")))
    finish_pieces()
    conversation.items[:] = answer_orphans(conversation.items, started)


def _compact(conversation: Conversation, record: JsonObject, started: Mapping[str, str]) -> bool:
    """Do what a `compact` record says; return whether it can be read."""
    try:
        opening = from_json(record["opening"])
        kept, shortened = int(record["kept"]), dict(record.get("shortened", {}))
        summary = str(record.get("summary", {}).get("text", ""))
    except (KeyError, ValueError, TypeError, AttributeError):
        return False
    # Counted when it was written: each call had its answer.
    conversation.items[:] = answer_orphans(conversation.items, started)
    if not isinstance(opening, UserMessage) or not 0 <= kept <= len(conversation.items):
        return False
    conversation.compact(opening, kept, shortened, summary)
    return True


def answer_orphans(messages: list[Message], started: Mapping[str, str]) -> list[Message]:
    """Return the history with each call answered once, in call order, right after it.

    `started` are the ids of calls that were about to run, with the arguments that a person gave
    them instead of the model's; their missing answers say so. Answers to no call are dropped:
    APIs refuse them.
    """
    out: list[Message] = []
    position = 0
    while position < len(messages):
        message = messages[position]
        position += 1
        if isinstance(message, ToolMessage):
            continue
        out.append(message)
        if not isinstance(message, AssistantMessage) or not message.tool_calls:
            continue
        answers: dict[str, ToolMessage] = {}
        while position < len(messages):
            following = messages[position]
            if not isinstance(following, ToolMessage):
                break
            answers.setdefault(following.call_id, following)
            position += 1
        for call in message.tool_calls:
            missing = CUT_SHORT if call.id in started else NOT_RUN
            if arguments := started.get(call.id):
                missing = f"{CHANGED} {arguments}\n{missing}"
            out.append(
                answers.get(call.id) or ToolMessage(call.id, call.name, missing, is_error=True)
            )
    return out
