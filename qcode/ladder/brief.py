"""What a stronger model is told of the work so far: enough for one step, in few tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qcode.compaction.ledger import Touching, ledger_of
from qcode.compaction.render import Digest, render
from qcode.messages import AssistantMessage, Message, ToolMessage, UserMessage
from qcode.prompts import load
from qcode.record import Record

TASK = 6_000
"""Characters of what the person wants; its end goes first."""
LEDGER_TOKENS = 700
LAST = 8
"""Messages that stand as they are, the last ones."""
ARGUMENTS, HEAD, TAIL = 2_000, 800, 2_400
"""Characters of a call's arguments, and of the beginning and end of a result."""
FILE, FILES = 16_000, 40_000
"""Characters of one file, and of all: about 10,000 tokens."""

ReadFile = Callable[[str], str | None]
"""Returns a file's text by the path that calls name; None: it is not to be shown, or no text."""


class Brief(Record):
    """What is told."""

    text: str
    whole: tuple[str, ...]
    """The files that it shows, each as it is and all of it."""


def brief(
    why: str,
    everything: Sequence[Message],
    messages: Sequence[Message],
    touching: Touching,
    digest: Digest,
    read: ReadFile,
) -> Brief:
    """Return what another model is told.

    Args:
        why: Why it is asked.
        everything: All that was ever said.
        messages: The history as it stands.
        touching: What calls are about.
        digest: What tells a file's content.
        read: The files.
    """
    said = [m for m in messages if isinstance(m, UserMessage) and not m.is_nudge]
    task = "\n\n".join(each.text for each in (said[:1] + said[-1:] if len(said) > 1 else said))
    ledger = render(ledger_of(everything, touching), LEDGER_TOKENS, digest)
    shown: dict[str, str] = {}
    room = FILES
    for path in _files(messages, touching, task):
        text = read(path)
        if text is not None and len(text) <= min(FILE, room):
            shown[path] = text
            room -= len(text)
    files = "\n\n".join(_fenced(path, text) for path, text in shown.items())
    text = load(
        "ladder/brief",
        why=why,
        task=_clipped(task, TASK // 3, TASK - TASK // 3),
        ledger=ledger or "(nothing)",
        last="\n\n".join(_told(m) for m in messages[-LAST:] if not _is_task(m, said))
        or "(nothing)",
        files=files or "(none was touched)",
    )
    return Brief(text, tuple(shown))


def _is_task(message: Message, said: Sequence[UserMessage]) -> bool:
    return any(message is each for each in said)


def _files(messages: Sequence[Message], touching: Touching, task: str) -> list[str]:
    """Return the files that matter, the likeliest first: what was last changed, then read."""
    changed: dict[str, None] = {}
    looked: dict[str, None] = {}
    # What was not read for the one model, as rules, hooks or a person refused, is not shown to
    # another. Edits that failed are what it is asked about.
    failed = {m.call_id for m in messages if isinstance(m, ToolMessage) and m.is_error}
    for message in reversed(messages):
        if not isinstance(message, AssistantMessage):
            continue
        for call in message.tool_calls:
            touched = touching(call)
            if not touched.command and (touched.is_change or call.id not in failed):
                (changed if touched.is_change else looked).update(dict.fromkeys(touched.paths))
    named = [path for path in looked if path in task]
    return list(dict.fromkeys([*changed, *named, *looked]))


def _told(message: Message) -> str:
    match message:
        case UserMessage():
            return f"qcode: {_clipped(message.text, HEAD, TAIL)}"
        case AssistantMessage():
            calls = [
                f"called {call.name} {_clipped(call.arguments, ARGUMENTS // 2, ARGUMENTS // 2)}"
                for call in message.tool_calls
            ]
            return "\n".join(filter(None, [_clipped(message.text, HEAD, HEAD), *calls]))
        case ToolMessage():
            failed = " failed" if message.is_error else ""
            return f"{message.name}{failed}: {_clipped(message.text, HEAD, TAIL)}"


def _clipped(text: str, head: int, tail: int) -> str:
    if len(text) <= head + tail:
        return text
    left_out = len(text) - head - tail
    return f"{text[:head]}\n[… {left_out:,} characters …]\n{text[-tail:]}"


def _fenced(path: str, text: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{path}:\n{fence}\n{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{fence}"
