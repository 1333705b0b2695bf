"""Subagents as Markdown files define them, in the words of Claude Code and Qwen Code.

```
---
name: reviewer
description: Reviews a change for bugs. Use it after larger edits.
tools: Read, Grep, Bash          # none: all that the session has
model: inherit                   # or the name of another
permissionMode: plan             # stricter than the session's counts, looser does not
maxTurns: 20
isolation: worktree              # works on a copy; what it changed is brought back as one step
---
You review changes …
```
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from qcode.errors import QcodeError
from qcode.extensions.places import Place, markdown_in
from qcode.files_safe import read_small
from qcode.frontmatter import Document, split
from qcode.hooks.wording import CLAUDE
from qcode.permissions import Mode
from qcode.prompts import load
from qcode.record import Record

_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,63}")
_TOOLS = {claude.lower(): name for name, claude in CLAUDE.items() if name != "apply_patch"}
_CLAUDES = ("sonnet", "opus", "haiku", "fable", "inherit", "")
"""Models that a definition of Claude Code names and that mean nothing elsewhere."""
_MODES = {
    "plan": Mode.PLAN,
    "default": Mode.DEFAULT,
    "acceptedits": Mode.AUTO_EDIT,
    "auto-edit": Mode.AUTO_EDIT,
    "bypasspermissions": Mode.YOLO,
    "yolo": Mode.YOLO,
}
READING = (
    *("read_file", "list_directory", "glob", "grep_search", "outline", "find_symbol"),
    *("find_references",),
)


class Subagent(Record):
    """One kind of agent."""

    name: str
    description: str
    system: str
    """What it is told besides the session's own system prompt."""
    tools: tuple[str, ...] | None = None
    """In qcode's words, what it may call; None: all that the session's model may."""
    denied: tuple[str, ...] = ()
    model: str = ""
    """Another than the session's; empty: the same."""
    mode: Mode | None = None
    """None: the session's."""
    max_steps: int | None = None
    is_isolated: bool = False
    """Whether it works on a copy of the files."""
    source: str = ""

    def may_call(self, tool: str) -> bool:
        """Whether it may call a tool."""
        if any(_names(pattern, tool) for pattern in self.denied):
            return False
        return self.tools is None or any(_names(pattern, tool) for pattern in self.tools)


def _names(pattern: str, tool: str) -> bool:
    if pattern.startswith("mcp__"):
        return tool == pattern or tool.startswith(f"{pattern.rstrip('*').rstrip('_')}__")
    return tool == pattern


class Found(Record):
    """The definitions of all places, and what is wrong with others."""

    subagents: tuple[Subagent, ...] = ()
    problems: tuple[str, ...] = ()


def built_in() -> tuple[Subagent, ...]:
    """Return those that are there without a file."""
    return (
        Subagent(
            "explore",
            "finds things out in the files, and changes nothing",
            load("subagents/explore"),
            READING,
            source="built in",
        ),
        Subagent(
            "general", "works on a part of the task", load("subagents/general"), source="built in"
        ),
    )


def find(places: Iterable[Place], more: Iterable[Subagent] = ()) -> Found:
    """Return the subagents; of one name the first counts."""
    found: dict[str, Subagent] = {}
    problems: list[str] = []
    for place in places:
        for file in markdown_in(place.folder / "agents"):
            try:
                made = read(file)
            except (QcodeError, OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else str(error)
                problems.append(f"the subagent `{file}` is left out: {why}")
                continue
            found.setdefault(made.name, made)
    for one in more:
        found.setdefault(one.name, one)
    return Found(tuple(found.values()), tuple(problems))


def read(file: Path) -> Subagent:
    """Return the subagent of a file.

    Raises:
        QcodeError: it defines none.
        OSError, UnicodeDecodeError: it cannot be read.
    """
    document = split(read_small(file).decode("utf-8-sig"))
    name = document.text("name") or file.stem
    if not _NAME.fullmatch(name):
        raise QcodeError(f"`{name[:80]}` is no name: letters, digits, `-` and `_`")
    description = document.text("description")
    if not description:
        raise QcodeError("it has no `description`, by which the model would choose it")
    if not document.body.strip():
        raise QcodeError("it has no text below its front matter, which is what it is told")
    model = document.text("model")
    return Subagent(
        name,
        description,
        document.body.strip(),
        _tools(document.listed("tools", "allowed-tools")),
        _tools(document.listed("disallowedTools", "disallowed-tools")) or (),
        "" if model.lower() in _CLAUDES else model,
        _mode(document),
        _steps(document),
        document.text("isolation").lower() == "worktree",
        str(file),
    )


def _tools(listed: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if listed is None or "*" in listed:
        return None
    words = [re.sub(r"\(.*\)$", "", one).strip() for one in listed]
    return tuple(dict.fromkeys(_TOOLS.get(word.lower(), word) for word in words if word))


def _mode(document: Document) -> Mode | None:
    written = document.text("permissionMode", "permission-mode", "approvalMode", "approval-mode")
    if not written:
        return None
    mode = _MODES.get(written.lower().replace("_", "-"))
    if mode is None:
        raise QcodeError(f"there is no mode `{written}`; one of plan, default, auto-edit, yolo")
    return mode


def _steps(document: Document) -> int | None:
    written = document.text("maxTurns", "max-turns", "max_turns")
    if not written:
        return None
    if not written.isdigit() or int(written) < 1:
        raise QcodeError(f"`maxTurns: {written}` is no whole number above 0")
    return int(written)
