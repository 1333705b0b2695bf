"""What became of recorded replies: was a call meant, could it be read, did it run."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from qcode.calls.decoder import Decoder
from qcode.errors import ToolError
from qcode.evals.toolcalls_record import WORKSPACE, Reply
from qcode.permissions import Findings, Mode, Verdict, permission
from qcode.providers.chat_stream import read_delta
from qcode.sandbox.environment import child_environment
from qcode.sandbox.plain import Plain
from qcode.sandbox.policy import Level, Policy, Tier
from qcode.tools import default_tools
from qcode.tools.base import Context, Tool
from qcode.tools.jobs import Jobs
from qcode.tools.schema import parse, schema
from qcode.workspace import Workspace

PATIENCE_S = 20.0
"""For one call. A server that is started in the foreground has run, too."""

# ------------------------------------------------------------------ was a call meant

FOREIGN = frozenset(
    {"read", "cat", "view", "open_file", "view_file", "readfile", "file_read",
     "write", "create", "create_file", "write_to_file", "writefile", "file_write", "save_file",
     "str_replace", "str_replace_editor", "replace", "replace_in_file", "edit_file",
     "apply_patch", "update_file", "ls", "list_dir", "list_files", "list_folder", "listdir",
     "find", "find_files", "search_files", "file_search", "grep", "search", "search_code",
     "search_text", "ripgrep", "search_file_content", "code_search", "bash", "shell", "exec",
     "execute", "execute_command", "run_command", "run_terminal_cmd", "terminal", "run_shell",
     "run", "todo", "todowrite", "update_todos", "create_todo_list", "update_plan", "todo_list"}
)  # fmt: skip
"""What other harnesses call their tools; models were trained on them."""

_NAME_KEY = re.compile(r"""["'](?:name|tool|tool_name|function)["']\s*:\s*["{]""")
_ARGUMENTS_KEY = re.compile(r"""["'](?:arguments|parameters|args|input|params)["']\s*:""")
_MARKUP = re.compile(
    r"<(?:tool_call|tools|tool_calls|function_call|function|invoke|tool_code|tool_use)\b[^>]*>"
    r"|\[TOOL_CALLS?\]|<\|tool"
)
_NAMED = re.compile(r"""["']name["']\s*:\s*["']([^"'\n]*)["']""")


def intention(reply: Reply, tools: Mapping[str, Tool[Any]]) -> str:
    """Say in which form the reply means to call a tool; empty if it does not.

    Generous on purpose, and independent of any decoder: what names a tool, an offered one or
    not, and has the shape of a call counts, however damaged, and wherever it stands.
    Telling a person which tool one could call, or a shell block for them to run, does not.
    """
    if any(delta.get("tool_calls") or delta.get("function_call") for delta in reply.deltas):
        return "structured"
    text = reply.content
    if _MARKUP.search(text):
        return "tag"
    if _NAME_KEY.search(text) and _ARGUMENTS_KEY.search(text):
        return "json"
    names = "|".join(sorted(map(re.escape, {*tools, *FOREIGN}), key=len, reverse=True))
    keys = "|".join(sorted({key for tool in tools.values() for key in tool.params.__match_args__}))
    # read_file {"file_path": …}, also with a fence or blanks between the two.
    if re.search(rf"\b(?:{names})\b[\s`:=(]*(?:json\s*)?\{{\s*[\"']?(?:{keys})\b", text):
        return "name and object"
    if re.search(rf"(?m)^[\s`>]*(?:{names})\(\s*(?:\{{|[\"']|(?:{keys})\s*=)", text):
        return "python"
    if any(name in text for name in tools) and re.search(rf"\{{\s*[\"'](?:{keys})[\"']\s*:", text):
        return "bare arguments"
    return ""


def named(reply: Reply) -> str:
    """Return the first tool that the text of a reply names in JSON; empty if there is none."""
    found = _NAMED.search(reply.content)
    return found[1] if found else ""


# ------------------------------------------------------------------ what it decodes to


@dataclass(frozen=True, slots=True)
class Call:
    """A call as a decoder returns it."""

    name: str
    arguments: str
    """JSON text."""
    error: str = ""
    """The kind of fault for which it is not to be run."""
    detail: str = ""
    notes: tuple[str, ...] = ()
    """What was repaired."""


Decode = Callable[[Reply, Mapping[str, Tool[Any]]], Sequence[Call]]


def structured_alone(reply: Reply, _tools: Mapping[str, Tool[Any]]) -> Sequence[Call]:
    """Join the structured deltas by index and leave the text alone: qcode before qcode.calls."""
    names: dict[int, str] = {}
    texts: dict[int, str] = {}
    for delta in reply.deltas:
        for piece in delta.get("tool_calls") or ():
            index, function = piece.get("index", 0), piece.get("function") or {}
            names[index] = names.get(index) or function.get("name") or ""
            texts[index] = texts.get(index, "") + (function.get("arguments") or "")
    return tuple(Call(names[index], texts[index]) for index in names)


def decoded(reply: Reply, tools: Mapping[str, Tool[Any]]) -> Sequence[Call]:
    """Decode as qcode does now: structured calls and those in the text."""
    numbers = itertools.count(1)
    schemas = {name: schema(tool.params, hidden=True) for name, tool in tools.items()}
    decoder = Decoder(schemas, lambda: f"call_{next(numbers)}")
    for delta in reply.deltas:
        for part in read_delta(delta):
            decoder.feed(part)
    _, answer = decoder.finish(reply.finish_reason)
    return tuple(
        Call(one.call.name, one.call.arguments, one.fault.value, one.detail, one.notes)
        for one in answer.calls
    )


DECODERS: dict[str, Decode] = {"old": structured_alone, "new": decoded}


# ------------------------------------------------------------------ what it comes to


class Fate(StrEnum):
    """How far a reply got; the later, the further."""

    NO_CALL = "no call meant"
    MISSED = "call not seen"
    UNREADABLE = "call not readable"
    UNKNOWN = "tool not offered"
    INVALID = "arguments refused"
    MALFORMED = "refused by the tool for its form"
    WORLD = "ran; the workspace is not so"
    DONE = "ran"

    @property
    def executed(self) -> bool:
        """Whether a valid call was run."""
        return self in (Fate.WORLD, Fate.DONE)


@dataclass(frozen=True, slots=True)
class Scored:
    """One reply, judged."""

    reply: Reply
    intended: str
    fate: Fate
    call: Call | None = None
    """The one that was run, or the first."""
    detail: str = ""
    """What the call came to, or why it did not run."""


_FORM = re.compile(
    r"is empty or has a NUL byte|pattern is empty|NUL byte|without a line break|or more|is too long"
    r"|must be positive|is no valid|takes too long|has no content|names a directory|are the same"
)


def score(reply: Reply, decode: Decode, folder: Path) -> Scored:
    """Judge one reply, running its call in a fresh workspace below `folder`.

    Of several calls the first that can be run is; a decoder that sees a call where the
    heuristic saw none is believed.
    """
    tools = {tool.name: tool for tool in default_tools()}
    intended = intention(reply, tools)
    calls = decode(reply, tools)
    if not calls:
        return Scored(reply, intended, Fate.MISSED if intended else Fate.NO_CALL)
    first: Scored | None = None
    for call in calls:
        judged = _judge(Scored(reply, intended or "decoder", Fate.MISSED, call), tools, folder)
        if judged.fate.executed:
            return judged
        first = first or judged
    assert first is not None
    return first


def _judge(scored: Scored, tools: Mapping[str, Tool[Any]], folder: Path) -> Scored:
    reply, intended, call = scored.reply, scored.intended, scored.call
    assert call is not None
    if call.error == "unknown_tool" or (not call.error and call.name not in tools):
        return Scored(reply, intended, Fate.UNKNOWN, call, call.name)
    if call.error:
        return Scored(reply, intended, Fate.UNREADABLE, call, f"{call.error}: {call.detail}")
    tool = tools[call.name]
    try:
        params = parse(tool, call.arguments)
    except ToolError as refused:
        return Scored(reply, intended, Fate.INVALID, call, str(refused))
    with tempfile.TemporaryDirectory(dir=folder) as place:
        fate, detail = asyncio.run(run(tool, params, fresh(Path(place))))
    return Scored(reply, intended, fate, call, detail)


def refused_for_form(said: str) -> bool:
    """Whether a tool's refusal is of a kind that nothing in the workspace would have prevented."""
    return _FORM.search(said) is not None


def fresh(folder: Path) -> Path:
    """Return a new copy of the workspace, a git repository, in `folder`."""
    copy = folder / "shelf"
    shutil.copytree(WORKSPACE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    who = ("-c", "user.name=Eval", "-c", "user.email=eval@localhost", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "Start")):
        subprocess.run(("git", *words), cwd=copy, check=True, capture_output=True)
    return copy


async def run(tool: Tool[Any], params: Any, copy: Path) -> tuple[Fate, str]:
    """Run one call as `--approval-mode yolo` would."""
    workspace = Workspace.at(copy)
    home = copy.parent / "home"
    home.mkdir()
    jobs = Jobs()
    policy = Policy(Level.OFF, (workspace.root,), home)
    environment = child_environment(os.environ, policy=policy, tier=Tier.NONE)
    launcher = Plain({**environment, "HOME": str(home)})
    context = Context(workspace, {}, copy.parent / "output", jobs, launcher)
    try:
        touch = tool.touches(params)
        outside = tuple(p for p in touch.paths if not workspace.contains(workspace.resolve(p)))
        leaves = f"{outside[0]} is outside the workspace" if outside else ""
        allowed = permission(Mode.YOLO, tool.effect, Findings(outside=leaves))
        if allowed.verdict is not Verdict.ALLOW:
            return Fate.WORLD, allowed.reason
        async with asyncio.timeout(PATIENCE_S):
            result = await tool.run(params, context)
        return (Fate.WORLD if result.is_error else Fate.DONE), result.summary or result.text
    except ToolError as refused:
        said = str(refused)
        return (Fate.MALFORMED if refused_for_form(said) else Fate.WORLD), said
    except TimeoutError:
        return Fate.DONE, f"stopped after {PATIENCE_S:g} s"
    finally:
        await jobs.close()
