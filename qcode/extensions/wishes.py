"""What a project brings along besides settings, for the person to trust or not.

Each is shown by its name and its content's digest, so that what was trusted is what stands
there now: `skill .claude/skills/pdf/SKILL.md (3f9a1c20)`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from qcode.extensions.places import markdown_in, project_places
from qcode.files_safe import read_small

_KINDS = (
    ("skills", "SKILL.md", (".md",)),
    ("agents", "", (".md",)),
    ("commands", "", (".md", ".toml")),
)
_SETTINGS = ("settings.json", "settings.local.json")


def wishes(cwd: Path) -> tuple[str, ...]:
    """Return what the project's folders hold; empty: nothing. Costs three look-ups if so."""
    found: list[str] = []
    for place in project_places(cwd):
        if not place.folder.is_dir():
            continue
        for kind, name, endings in _KINDS:
            for file in markdown_in(place.folder / kind, name=name, endings=endings):
                found.append(f"{kind.removesuffix('s')} {_named(file, cwd)}")
        for name in _SETTINGS:
            found += _settings(place.folder / name, cwd)
    found += _settings(cwd / ".mcp.json", cwd)
    return tuple(found)


def _named(file: Path, cwd: Path) -> str:
    try:
        shown = hashlib.blake2b(read_small(file), digest_size=4).hexdigest()
    except OSError:
        shown = "cannot be read"
    return f"{file.relative_to(cwd)} ({shown})"


def _settings(file: Path, cwd: Path) -> list[str]:
    """Return the programs that a settings file of another tool names: hooks and servers."""
    read = read_settings(file)
    found = []
    where = file.relative_to(cwd)
    for event, rules in _dict(read.get("hooks")).items():
        for rule in rules if isinstance(rules, list) else ():
            hooks = _dict(rule).get("hooks")
            for hook in hooks if isinstance(hooks, list) else ():
                matcher = f" on {_dict(rule)['matcher']}" if _dict(rule).get("matcher") else ""
                found.append(f"hook {event}{matcher}: {_compact(hook)} in {where}")
    for name, server in _dict(read.get("mcpServers")).items():
        found.append(f"MCP server {name}: {_compact(server)} in {where}")
    return found


def read_settings(file: Path) -> dict[str, Any]:
    """Return a JSON file's object; one that is not there or cannot be read holds nothing."""
    try:
        read = json.loads(read_small(file))
    except (OSError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _compact(value: Any) -> str:
    """Return what is shown of a definition: the whole of it, so that trust is in the whole."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(", ", ": "))
