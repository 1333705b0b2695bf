"""What a server offers: tools, prompts and resources, held to what qcode can take, kept on disk."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from qcode.errors import UsageError
from qcode.escapes import plain
from qcode.files_safe import read_small
from qcode.messages import JsonObject
from qcode.record import Record

VERSION = 1
MOST_TOOLS = 2000
"""Of one server; more than that nobody wrote by hand."""
_SCHEMA_CHARACTERS = 32 * 1024
_TEXT_CHARACTERS = 8 * 1024
_NAME = re.compile(r"[A-Za-z0-9_./:-]{1,128}")


class OfferedTool(Record):
    """A tool as its server describes it."""

    name: str
    description: str
    schema: JsonObject
    is_reading: bool = False
    """Whether the server says that it changes nothing."""
    destroys: bool = False
    """Whether the server says that it may lose something."""


class OfferedPrompt(Record):
    """A prompt that a person may ask for."""

    name: str
    description: str
    arguments: tuple[str, ...]
    """Their names; those that are needed end in `!`."""


class Listing(Record):
    """All that a server offers, with what was left out of it and why."""

    tools: tuple[OfferedTool, ...] = ()
    prompts: tuple[OfferedPrompt, ...] = ()
    resources: tuple[tuple[str, str], ...] = ()
    """URI and what it is."""
    instructions: str = ""
    problems: tuple[str, ...] = ()


def harmless(text: Any, most: int = _TEXT_CHARACTERS) -> str:
    """Return somebody else's words without what is unseen or obeyed, cut at so many characters."""
    if not isinstance(text, str):
        return ""
    shown = plain(text)
    return shown if len(shown) <= most else f"{shown[:most]}…"


def tool_from(
    name: Any, description: Any, schema: Any, *, is_reading: bool, destroys: bool
) -> OfferedTool:
    """Return a tool as it can be offered to a model.

    Raises:
        UsageError: its name or schema cannot be taken.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(f"the tool {harmless(str(name), 80)!r} has a name that cannot be called")
    if not isinstance(schema, dict):
        raise UsageError(f"the schema of `{name}` is no object")
    try:
        text = json.dumps(schema)
    except (ValueError, TypeError, RecursionError):
        raise UsageError(f"the schema of `{name}` cannot be written down") from None
    if len(text) > _SCHEMA_CHARACTERS:
        raise UsageError(f"the schema of `{name}` has {len(text):,} characters")
    if schema.get("type", "object") != "object":
        raise UsageError(f"the schema of `{name}` is that of no object")
    clean = _clean(schema)
    properties = clean.get("properties", {})
    if not isinstance(properties, dict) or not all(map(_is_schema, properties.values())):
        raise UsageError(f"the schema of `{name}` has properties that are no schemas")
    return OfferedTool(name, harmless(description), clean, is_reading, destroys)


def _is_schema(value: Any) -> bool:
    return isinstance(value, dict | bool)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {plain(str(key)): _clean(one) for key, one in value.items()}
    return value


def save(file: Path, listing: Listing) -> None:
    """Keep a listing; where that fails, the server is asked again next time."""
    data = {
        "version": VERSION,
        "tools": [
            [t.name, t.description, t.schema, t.is_reading, t.destroys] for t in listing.tools
        ],
        "prompts": [[p.name, p.description, list(p.arguments)] for p in listing.prompts],
        "resources": [list(resource) for resource in listing.resources],
        "instructions": listing.instructions,
    }
    fresh = file.with_name(f".{file.name}.{os.getpid():x}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.write_text(json.dumps(data), encoding="utf-8")
        os.replace(fresh, file)
    except OSError:
        fresh.unlink(missing_ok=True)


def load(file: Path) -> Listing | None:
    """Return a listing that was kept; None: there is none, or none that can be read."""
    try:
        data = json.loads(read_small(file, 16 << 20))
        if data["version"] != VERSION:
            return None
        return Listing(
            tuple(
                tool_from(name, about, schema, is_reading=bool(reads), destroys=bool(destroys))
                for name, about, schema, reads, destroys in data["tools"]
            ),
            tuple(
                OfferedPrompt(str(name), str(about), tuple(map(str, arguments)))
                for name, about, arguments in data["prompts"]
            ),
            tuple((str(uri), str(about)) for uri, about in data["resources"]),
            str(data["instructions"]),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError, UsageError):
        return None
