"""Slash commands of the interactive session: what is one, and which."""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from qcode.errors import UsageError
from qcode.ui.helped import KEYS

COMMANDS = {
    "help": "this list",
    "new": "start a new session (also /clear)",
    "init": "/init [WISHES]: have AGENTS.md written, or the present one made better",
    "model": "/model NAME: another model, the history is kept; without NAME: which one it is",
    "mode": "/mode plan|default|auto-edit|yolo: how much is done without asking",
    "plan": "the mode in which nothing is changed; `/mode default` leaves it",
    "undo": "/undo [STEP]: take back the last change, or all from a step on; `/undo -h` tells more",
    "redo": "/redo [STEP]: make what was taken back anew",
    "checkpoints": "the changes of this session by number",
    "diff": "/diff [STEP]: what this session changed, or what changed since before a step",
    "mcp": "the servers of tools; `/mcp tools NAME`, `/mcp restart NAME`",
    "agents": "agents that work for the model, and what they did in this session",
    "hooks": "programs that are run before and after calls, and at other moments",
    "memory": "the instruction files in use and their sizes; `/memory show` prints them",
    "facts": "what is known of this project; `/facts forget NUMBER` or `all`",
    "open": "/open FILE[:LINE]: open it in the editor that is connected (docs/terminal.md)",
    "todo": "the plan as the model last wrote it",
    "jobs": "commands in the background; `/jobs kill NUMBER` ends one",
    "tools": "what the model is told of, and what is understood besides",
    "permissions": "the rules in force; `/permissions allow RULE` or `remove NUMBER`",
    "config": "what is set and where; `/config set KEY VALUE` writes to your file",
    "cost": "tokens and cost of turn, session, day and directory, on what;"
    " `/cost turns`, `/cost steps`, `/cost on MODEL`",
    "usage": "the same in one line",
    "copy": "/copy [N]: the last answer, or its Nth block of code, to the clipboard",
    "doctor": "check the model's server; `/doctor deep` takes longer and finds more",
    "context": "where the tokens of the next request go, and how much room is left",
    "compact": "/compact [TEXT]: put aside all but the last steps now; what matters of them is "
    "kept, and with TEXT the model sums up what it asks for",
    "sandbox": "what confines commands here",
    "sessions": "the last sessions of this directory; `/sessions WORDS`: those that have the words",
    "resume": "/resume [ID]: go on with another session of this directory; without ID: choose it",
    "rewind": "/rewind [N]: go back to before a message of yours and say it in other words",
    "fork": "/fork [TITLE]: copy the conversation so far into a session of its own",
    "rename": "/rename TITLE: what lists call this session",
    "export": "/export [md|json|html] [FILE]: write this session to a file",
    "theme": "/theme auto|dark|light|none: the colours",
    "vim": "edit the line as in vi, or no longer",
    "session": "where this session is kept and how to come back to it",
    "skills": "the skills that are there; `/NAME` runs one",
    "quit": "leave (also /exit, Ctrl-D)",
}
"""Name to one line of help."""

WHILE_BUSY = frozenset(
    {"help", "mcp", "hooks", "agents", "skills", "mode", "plan", "memory", "facts", "usage"}
    | {"cost", "context", "session", "todo", "open", "jobs", "tools", "permissions", "config"}
    | {"theme", "vim", "copy", "rename"}
)
"""Those that are obeyed while the model works."""

_ALIASES = {"exit": "quit", "clear": "new", "compress": "compact", "approval-mode": "mode"}

# One word alone: `/etc/hosts is wrong` is a message.
_PATTERN = re.compile(r"/([A-Za-z][\w:.-]*)(?:\s+(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Slash:
    """A command and what was written after it."""

    name: str
    rest: str


def parse(text: str, spoken: Container[str] = ()) -> Slash | None:
    """Return the command a person typed, or None if it is a message.

    `spoken` are the names of commands that stand for one (`qcode.spoken`).

    Raises:
        UsageError: it looks like a command, and there is none of that name.
    """
    match = _PATTERN.fullmatch(text.rstrip())
    if match is None or match[1] in spoken:
        return None
    if "." in match[1] and ":" not in match[1]:
        return None  # a file at the top
    name = _ALIASES.get(match[1].lower(), match[1].lower())
    if name in COMMANDS:
        return Slash(name, (match[2] or "").strip())
    near = difflib.get_close_matches(name, [*COMMANDS, *_ALIASES], n=1)
    guess = f"did you mean `/{near[0]}`?" if near else "`/help` lists the commands"
    raise UsageError(
        f"unknown command `/{match[1]}`", hint=f"{guess} (a space before the slash makes a message)"
    )


def is_own(name: str) -> bool:
    """Whether a command of that name is qcode's own."""
    return _ALIASES.get(name, name) in COMMANDS


def help_text(spoken: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the list of commands and keys; `spoken` are those that extensions bring."""
    rows = [f"  /{name:<12}{text}" for name, text in COMMANDS.items()]
    if spoken:
        rows += ["", *(f"  /{name:<12}{text}" for name, text in spoken.items())]
    keys = [f"  {key:<20}{does}" for key, does in KEYS]
    return "\n".join([*rows, "", *keys])
