"""Reading other tools' settings files; what cannot be read is said with its line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from qcode.errors import UsageError
from qcode.files_safe import read_small

_LARGEST = 64 << 20
"""Bytes; Claude Code keeps its history in its settings."""
_TOKEN = re.compile(
    r"\"(?:[^\"\\\n]|\\.)*\"|(?P<line>//[^\n]*)|(?P<block>/\*.*?\*/)|(?P<comma>,(?=\s*[}\]]))",
    re.DOTALL,
)
_HINT = "mend it, or name the tools to take over, as in `qcode config import claude`"


def shown(file: Path, home: Path) -> str:
    """Return a file's name as a person writes it."""
    return f"~/{file.relative_to(home)}" if file.is_relative_to(home) else str(file)


def read_json(file: Path, name: str) -> dict[str, Any] | None:
    """Return the object in a file, which may have comments; None: there is no such file.

    Raises:
        UsageError: it cannot be read.
    """
    text = _text(file, name)
    if text is None:
        return None
    if not text.strip():
        return {}
    try:
        read = json.loads(_without_comments(text))
    except json.JSONDecodeError as error:
        where = f"`{name}`, line {error.lineno}, column {error.colno}"
        raise UsageError(f"{where}: {_lower(error.msg)}", hint=_HINT) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"`{name}` is no JSON that can be read", hint=_HINT) from error
    if not isinstance(read, dict):
        raise UsageError(f"`{name}`, line 1: it holds no JSON object", hint=_HINT)
    return read


def read_toml(file: Path, name: str) -> dict[str, Any] | None:
    """Return what stands in a TOML file; None: there is no such file.

    Raises:
        UsageError: it cannot be read.
    """
    import tomllib

    text = _text(file, name)
    if text is None:
        return None
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"`{name}`: {_lower(str(error))}", hint=_HINT) from error


def read_variables(file: Path, name: str) -> dict[str, str]:
    """Return the variables of an `.env` file; a line that is none is passed over.

    Raises:
        UsageError: the file cannot be read.
    """
    found = {}
    for line in (_text(file, name) or "").splitlines():
        if match := re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$", line):
            value = match[2]
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            found[match[1]] = value
    return found


def _text(file: Path, name: str) -> str | None:
    try:
        return read_small(file, _LARGEST).decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise UsageError(f"`{name}` is not UTF-8 (byte {error.start})", hint=_HINT) from error
    except OSError as error:
        raise UsageError(f"cannot read `{name}`: {error.strerror}", hint=_HINT) from error


def _without_comments(text: str) -> str:
    """Return JSON without comments and commas before a bracket; lines and columns stay."""

    def blank(match: re.Match[str]) -> str:
        return match[0] if match[0].startswith('"') else re.sub(r"[^\n]", " ", match[0])

    # Twice: a comma may stand before a comment that stands before the bracket.
    return _TOKEN.sub(blank, _TOKEN.sub(blank, text))


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
