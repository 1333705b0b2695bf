"""The append-only file of a session: written before anything is shown.

One JSON object a line. The first names the format:

```
{"type":"session","version":1,"id":…,"cwd":…,"model":…,"created":…,"system":…}
{"type":"message","at":…, …}      a message of the history (`messages.to_json`)
{"type":"delta","text":…}         a piece of an answer that is still being written
{"type":"void"}                   the pieces so far are void: the request is sent again
{"type":"run","call_id":…}        a tool call is about to be run
{"type":"usage", …}               tokens of one request; of a step's, unless it has a `purpose`
{"type":"repair","call_id":…,"notes":…}   a call was read otherwise than it was written
{"type":"changed","call_id":…,"arguments":…}   a person changed a call; what is run
{"type":"fresh"}                  the history begins anew here; what was done stays done
{"type":"rewind","call_id":…}     the history goes back to before that call
{"type":"rewind","said":…}        … to before the person's message of that number, from 1
{"type":"return"}                 what the last rewind dropped is there again
{"type":"compact","opening":…,"kept":…}   only the last messages stay, after this one;
                                  `summary` is what of it the model wrote
{"type":"aside","text":…}         to be told to the model with the next message
{"type":"model","model":…}        another model from here on
{"type":"protocol","protocol":…}  how the model is told of tools from here on
{"type":"title","title":…}        what a person calls the session; nothing: no longer
```

The header of a session that began as a copy of another one names that one as `parent`.

A process may be killed at any byte. The loader takes a torn last line as never
written, makes an interrupted answer of pieces without their message, and
answers tool calls whose result is missing.

Secrets are masked in what was said, so that a session that is reopened differs from
the one that was closed only where there was one.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from qcode import titles
from qcode.conversation import Conversation
from qcode.errors import QcodeError, UsageError
from qcode.masked import WrittenDown
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
from qcode.secrets import Masker

VERSION = 1

NOT_RUN = "Interrupted before it was run; nothing was done. Call it again if it is still wanted."
CUT_SHORT = (
    "Interrupted while it ran; it may have taken effect in part. "
    "Look at the present state before going on."
)
CHANGED = "The person changed this call before allowing it; what was to run:"
UNKNOWN = (
    "What came of it could not be written down, so it is not known whether it was run. "
    "Look at the present state before going on."
)


def new_id() -> str:
    """Return a session id: sorts by time (milliseconds), unique without a look at the disk."""
    now = time.time()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    return f"{stamp}-{int(now % 1 * 1000):03d}{os.urandom(2).hex()}"


def moment() -> str:
    """Return the time as journals have it: UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def encode(record: JsonObject) -> bytes:
    """Return one journal line."""
    # A lone surrogate (a model can write one as \\ud800) must not stop the journal.
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace") + b"\n"


class Journal:
    """An open journal; the only writer of its file (kept by a lock)."""

    def __init__(self, path: Path, fd: int, size: int) -> None:
        self.path = path
        self._written_down = WrittenDown(Masker())
        self._fd = fd
        self._size = size
        self._is_torn = False
        """A part of a record stands behind the last whole one."""

    @classmethod
    def create(cls, folder: Path, header: JsonObject) -> Journal:
        """Start a session's file; `header` has at least `id` and `cwd`.

        Raises:
            QcodeError: the folder or file cannot be written.
        """
        path = folder / f"{header['id']}.jsonl"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _cannot_write(path, error) from error
        journal = cls(path, fd, 0)
        journal._lock()
        try:
            journal.write({"type": "session", "version": VERSION, **header})
        except QcodeError:
            journal.close()
            try:
                path.unlink(missing_ok=True)
            except OSError:
                pass  # a session without a header is passed over
            raise
        return journal

    @classmethod
    def reopen(cls, path: Path) -> Journal:
        """Open a session's file to go on; a torn last line is cut off.

        Raises:
            UsageError: another process has the session open.
            QcodeError: the file cannot be read or written.
        """
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise _cannot_write(path, error) from error
        journal = cls(path, fd, 0)
        journal._lock()
        try:
            size = os.fstat(fd).st_size
            journal._size = _end_of_last_line(fd, size)
            journal._is_torn = journal._size != size
            journal._mend()
            os.lseek(fd, journal._size, os.SEEK_SET)
        except OSError as error:
            journal.close()
            raise _cannot_write(path, error) from error
        return journal

    def mask_by(self, masker: Masker) -> None:
        """Mask from now on by this one, which knows the session's secrets."""
        self._written_down = WrittenDown(masker)

    def write(self, record: JsonObject) -> None:
        """Append one record; when this returns, a killed process does not lose it.

        Of a piece of an answer, the last word is not there yet if it may become a secret.

        Raises:
            QcodeError: the disk is full or the file cannot be written; the file
                ends where it ended before.
        """
        masked = self._written_down.record(record)
        if masked is None:
            return
        line = encode(masked)
        try:
            self._mend()
            view = memoryview(line)
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            self._take_back()
            raise _cannot_write(self.path, error) from error
        self._size += len(line)

    def _take_back(self) -> None:
        """Cut off what was written of a record; what fails now is tried before the next one."""
        self._is_torn = self._fd >= 0
        try:
            self._mend()
        except OSError:
            pass

    def _mend(self) -> None:
        if self._is_torn:
            os.ftruncate(self._fd, self._size)
            os.lseek(self._fd, self._size, os.SEEK_SET)
            self._is_torn = False

    def sync(self) -> None:
        """Wait until everything written is on the disk (a step's boundary)."""
        try:
            getattr(os, "fdatasync", os.fsync)(self._fd)
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def close(self) -> None:
        """Give up the file and its lock."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            raise UsageError(
                f"session `{self.path.stem}` is open in another qcode",
                hint="end that one first, or start a new session",
            ) from error


def _cannot_write(path: Path, error: OSError) -> QcodeError:
    return QcodeError(
        f"cannot write the session journal `{path}`: {error.strerror}",
        hint="free some space or set XDG_STATE_HOME to a folder that can be written",
    )


def _end_of_last_line(fd: int, size: int) -> int:
    """Return the offset after the last newline."""
    step = 1 << 16
    end = size
    while end > 0:
        start = max(0, end - step)
        found = os.pread(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


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


def _records(path: Path) -> Iterator[JsonObject | None]:
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
        records = list(_records(path))
    except OSError as error:
        raise UsageError(f"cannot read session `{path.stem}`: {error.strerror}") from error
    if not records or records[0] is None or records[0].get("type") != "session":
        raise UsageError(
            f"`{path}` is not a session journal",
            hint=f"`qcode sessions rm {path.stem}` removes it",
        )
    header = records[0]
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
    _replay(records[1:], loaded, each)
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
            if not asked.purpose:
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


def usage_to_json(asked: Asked) -> JsonObject:
    """Return a `usage` record."""
    usage = asked.usage
    out: JsonObject = {
        "type": "usage",
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cached": usage.cached_tokens,
    }
    if usage.cache_write_tokens:
        out["kept"] = usage.cache_write_tokens
    if usage.cost_usd is not None:
        out["cost_usd"] = usage.cost_usd
    if asked.purpose:
        out["purpose"] = asked.purpose
    if asked.model:
        out["model"] = asked.model
    if asked.duration_s is not None:
        out["seconds"] = round(asked.duration_s, 3)
    if asked.at:
        out["at"] = asked.at
    return out


_MOST = 1 << 53
"""Of tokens, dollars or seconds; more is no number that somebody counted."""


def usage_from_json(record: JsonObject) -> Asked:
    """Return the request of a `usage` record; odd values count as nothing."""

    def number(name: str) -> int:
        value: Any = record.get(name, 0)
        is_count = isinstance(value, int) and not isinstance(value, bool)
        return value if is_count and 0 <= value <= _MOST else 0

    def amount(name: str) -> float | None:
        value: Any = record.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if is_number and 0 <= value <= _MOST else None

    usage = Usage(
        number("input"),
        number("output"),
        number("cached"),
        amount("cost_usd"),
        number("kept"),
    )
    return Asked(
        usage,
        str(record.get("purpose", "")),
        str(record.get("model", "")),
        amount("seconds"),
        str(record.get("at", "")),
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One session in a list."""

    id: str
    path: Path
    cwd: str
    model: str
    created: str
    modified: float
    """Seconds since the epoch."""
    title: str
    """What a person calls it, or else the first words of its first message."""
    first: str = ""
    """The first words of its first message."""
    parent: str = ""
    """The id of the session that it began as a copy of."""


def entries(folder: Path) -> Iterator[Entry]:
    """Yield the sessions in a folder, the last used first; unreadable files are left out."""
    files = []
    named = set()
    try:
        with os.scandir(folder) as items:
            for item in items:
                if item.name.endswith(titles.SUFFIX):
                    named.add(item.name.removesuffix(titles.SUFFIX))
                elif item.name.endswith(".jsonl"):
                    try:
                        files.append((item.stat().st_mtime, Path(item.path)))
                    except FileNotFoundError:
                        continue  # removed just now
    except FileNotFoundError:
        return
    for modified, path in sorted(files, reverse=True):
        if entry := _entry(path, modified):
            title = titles.read(path) if path.stem in named else ""
            yield replace(entry, title=title) if title else entry


def _entry(path: Path, modified: float) -> Entry | None:
    # Only the head of the file is read: a list of long sessions stays quick.
    entry: Entry | None = None
    try:
        for number, record in enumerate(_records(path)):
            if number == 0:
                if record is None or record.get("type") != "session":
                    return None
                entry = Entry(
                    id=str(record.get("id", path.stem)),
                    path=path,
                    cwd=str(record.get("cwd", "")),
                    model=str(record.get("model", "")),
                    created=str(record.get("created", "")),
                    modified=modified,
                    title="",
                    parent=str(record.get("parent") or ""),
                )
            elif record and record.get("type") == "message" and entry:
                first = from_json(record)
                if isinstance(first, UserMessage):
                    words = Masker().mask(first.text[:400])
                    first_words = " ".join(words.split())[:80]
                    return replace(entry, title=first_words, first=first_words)
            if number > 20:
                break
    except (OSError, KeyError, ValueError, TypeError):
        return entry
    return entry


def find(folder: Path, wanted: str) -> Entry:
    """Return the session whose id is, or alone begins or ends with, `wanted`.

    Raises:
        UsageError: there is none, or more than one.
    """
    all_entries = list(entries(folder))
    exact = [entry for entry in all_entries if entry.id == wanted]
    near = exact or [
        entry
        for entry in all_entries
        if wanted and (entry.id.startswith(wanted) or entry.id.endswith(wanted))
    ]
    if len(near) == 1:
        return near[0]
    if not near and (folder / f"{wanted}.jsonl").is_file():
        raise UsageError(
            f"session `{wanted}` is damaged in its first line",
            hint=f"`qcode sessions rm {wanted}` removes it",
        )
    if not near:
        raise UsageError(f"no session `{wanted}`", hint="`qcode sessions` lists them")
    raise UsageError(
        f"`{wanted}` fits {len(near)} sessions: {', '.join(e.id for e in near[:5])}",
        hint="give more of the id",
    )
