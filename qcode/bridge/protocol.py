"""What is said over the bridge: a JSON object a line, each of a known shape and size; pure.

An editor begins with `hello`, then says `context`, `prompt`, `subscribe` or `ping`, and gets an
answer to each: `ok`, or `error` with a `message`; both with the `id` it gave, if it gave one. To
who subscribed qcode says `changed`, `open` and `diff`, which have no `id` and no answer.
docs/terminal.md describes it for authors of editors' extensions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, cast, get_args

from qcode.record import Record

VERSION = 1
LINE_BYTES = 256 * 1024
"""Of one message at most."""
SELECTION_BYTES = 16 * 1024
PROMPT_BYTES = 64 * 1024
DIAGNOSTICS = 200
OPEN_FILES = 100
TEXT_CHARACTERS = 1000
"""Of one diagnostic; more is cut."""
PATH_CHARACTERS = 4096
MOST_LINES = 10_000_000

Severity: TypeAlias = Literal["error", "warning", "information", "hint"]
Happening: TypeAlias = Literal["changed", "open", "diff"]


class Malformed(ValueError):
    """A message is none, or of another shape; says why."""


class Selection(Record):
    """What is selected in the open file."""

    text: str
    first: int
    """Lines from 1 on."""
    last: int


class Diagnostic(Record):
    """What an editor's checkers say of a place."""

    file: str
    line: int
    column: int
    severity: Severity
    message: str
    source: str = ""


class Context(Record):
    """What a person has before them in an editor."""

    file: str = ""
    """Absolute path of the open file; nothing: none is open."""
    line: int = 0
    """Of the cursor, from 1 on; 0: it is not said."""
    column: int = 0
    modified: bool = False
    """Whether the buffer differs from the file."""
    selection: Selection | None = None
    open_files: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] | None = None
    """None: nothing is said of them, and what was said before holds."""
    keep: bool = False
    """Whether it still holds when who says it has hung up."""


class Hello(Record):
    """Who is there, and that it may be."""

    token: str
    client: str
    """`nvim`, `vscode`: shown to the person."""


class Prompt(Record):
    """Text for the line being written, or to be sent."""

    text: str
    submit: bool = False


class Subscribe(Record):
    """What is to be told from now on."""

    events: frozenset[Happening]


class Ping(Record):
    """Whether the session is there."""


Message: TypeAlias = Hello | Context | Prompt | Subscribe | Ping


def read(line: bytes) -> tuple[Message, str | int | None]:
    """Return a message and its id.

    Raises:
        Malformed: it is none.
    """
    try:
        value = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Malformed("it is no JSON in UTF-8") from error
    fields = _Fields(value, "the message")
    number = fields.raw.pop("id", None)
    if number is not None and (isinstance(number, bool) or not isinstance(number, int | str)):
        raise Malformed("`id` is neither a number nor a string")
    kind = fields.text("type", 20)
    message: Message
    match kind:
        case "hello":
            if fields.number("version", VERSION) != VERSION:
                raise Malformed(f"this qcode speaks version {VERSION}")
            message = Hello(fields.text("token", 200), fields.text("client", 40, "editor"))
        case "context":
            message = _context(fields)
        case "prompt":
            text = fields.text("text", PROMPT_BYTES)
            if len(text.encode("utf-8", "replace")) > PROMPT_BYTES:
                raise Malformed(f"`text` has more than {PROMPT_BYTES:,} bytes")
            message = Prompt(text, fields.flag("submit"))
        case "subscribe":
            names = fields.texts("events", 10, 20)
            known = get_args(Happening)
            if unknown := [name for name in names if name not in known]:
                raise Malformed(f"there is no event `{unknown[0][:20]}`")
            message = Subscribe(cast("frozenset[Happening]", frozenset(names)))
        case "ping":
            message = Ping()
        case _:
            raise Malformed(f"there is no message `{kind}`")
    fields.end()
    return message, number


def write(kind: str, **fields: object) -> bytes:
    """Return a message as a line."""
    said = {"type": kind, **{name: value for name, value in fields.items() if value is not None}}
    # What a path has of bytes that are no UTF-8 is written as an escape.
    return json.dumps(said, separators=(",", ":")).encode("ascii") + b"\n"


def context_to_json(context: Context) -> dict[str, object]:
    """Return the fields of a `context` message."""
    out: dict[str, object] = {
        name: value
        for name in ("file", "line", "column", "modified", "keep")
        if (value := getattr(context, name))
    }
    if context.selection is not None:
        one = context.selection
        out["selection"] = {"text": one.text, "first": one.first, "last": one.last}
    if context.open_files:
        out["open_files"] = list(context.open_files)
    if context.diagnostics is not None:
        out["diagnostics"] = [
            {
                "file": one.file,
                "line": one.line,
                "column": one.column,
                "severity": one.severity,
                "message": one.message,
                "source": one.source,
            }
            for one in context.diagnostics
        ]
    return out


def _context(fields: _Fields) -> Context:
    return Context(
        fields.path("file"),
        fields.number("line"),
        fields.number("column"),
        fields.flag("modified"),
        _selection(fields.raw.pop("selection", None)),
        tuple(fields.texts("open_files", OPEN_FILES, PATH_CHARACTERS)),
        _diagnostics(fields.raw.pop("diagnostics", None)),
        fields.flag("keep"),
    )


def _selection(value: object) -> Selection | None:
    if value is None:
        return None
    fields = _Fields(value, "`selection`")
    text = fields.text("text", SELECTION_BYTES)
    if len(text.encode("utf-8", "replace")) > SELECTION_BYTES:
        raise Malformed(f"`selection` has more than {SELECTION_BYTES:,} bytes")
    first, last = fields.number("first"), fields.number("last")
    fields.end()
    if last < first:
        raise Malformed("`selection` ends before it begins")
    return Selection(text, first, last)


def _diagnostics(value: object) -> tuple[Diagnostic, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > DIAGNOSTICS:
        raise Malformed(f"`diagnostics` is no list of at most {DIAGNOSTICS}")
    return tuple(map(_diagnostic, value))


def _diagnostic(value: object) -> Diagnostic:
    fields = _Fields(value, "a diagnostic")
    severity = fields.text("severity", 20, "error")
    if severity not in get_args(Severity):
        raise Malformed(f"there is no severity `{severity}`")
    found = Diagnostic(
        fields.path("file"),
        fields.number("line"),
        fields.number("column"),
        cast("Severity", severity),
        fields.text("message", LINE_BYTES)[:TEXT_CHARACTERS],
        fields.text("source", 100, ""),
    )
    fields.end()
    return found


class _Fields:
    """The fields of an object, each taken once; what is left over is none of them."""

    def __init__(self, value: object, what: str) -> None:
        if not isinstance(value, Mapping):
            raise Malformed(f"{what} is no object")
        self.raw: dict[str, Any] = dict(value)
        self._what = what

    def text(self, name: str, most: int, otherwise: str | None = None) -> str:
        value = self.raw.pop(name, otherwise)
        if not isinstance(value, str):
            raise Malformed(f"`{name}` of {self._what} is no string")
        if len(value) > most:
            raise Malformed(f"`{name}` of {self._what} has more than {most:,} characters")
        return value

    def path(self, name: str) -> str:
        value = self.text(name, PATH_CHARACTERS, "")
        if value and (not value.startswith("/") or "\0" in value):
            raise Malformed(f"`{name}` of {self._what} is no absolute path")
        return value

    def texts(self, name: str, count: int, most: int) -> list[str]:
        value = self.raw.pop(name, [])
        if not isinstance(value, list) or len(value) > count:
            raise Malformed(f"`{name}` of {self._what} is no list of at most {count}")
        if not all(isinstance(one, str) and len(one) <= most for one in value):
            raise Malformed(f"`{name}` of {self._what} has what is no short string")
        return value

    def number(self, name: str, otherwise: int = 0) -> int:
        value = self.raw.pop(name, otherwise)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Malformed(f"`{name}` of {self._what} is no whole number")
        if not 0 <= value <= MOST_LINES:
            raise Malformed(f"`{name}` of {self._what} is out of bounds")
        return value

    def flag(self, name: str) -> bool:
        value = self.raw.pop(name, False)
        if not isinstance(value, bool):
            raise Malformed(f"`{name}` of {self._what} is neither true nor false")
        return value

    def end(self) -> None:
        if self.raw:
            raise Malformed(f"{self._what} has no `{next(iter(self.raw))[:40]}`")
