"""Permission rules of Claude Code and Qwen Code as rules of qcode.

`Bash(npm run test:*)` is `shell(npm run test *)` here. A rule that denies or asks must not come
to mean less than before; where it does, or cannot be put into qcode's words, that is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, TypeAlias

from qcode.errors import UsageError
from qcode.importing.secret import has_secret
from qcode.importing.taken import Taken
from qcode.record import Record
from qcode.rules import parse, too_broad

List: TypeAlias = Literal["allow", "ask", "deny"]

_SHELL = frozenset({"Bash", "Shell", "ShellTool", "run_shell_command"})
_READ = frozenset(
    {"Read", "Glob", "Grep", "LS", "ReadFile", "ListFiles", "NotebookRead", "ReadManyFiles"}
    | {"read_file", "read_many_files", "glob", "grep_search", "search_file_content"}
    | {"list_directory"}
)
_EDIT = frozenset(
    {"Edit", "Write", "MultiEdit", "NotebookEdit", "WriteFile", "Replace"}
    | {"edit", "replace", "write_file", "notebook_edit"}
)
_NEVER_ASKED = frozenset({"TodoWrite", "TodoRead", "todo_write", "ExitPlanMode", "exit_plan_mode"})
_AGENTS = frozenset({"Task", "Agent", "agent", "task"})
_LACKING = {
    "WebFetch": "qcode has no tool that fetches pages",
    "web_fetch": "qcode has no tool that fetches pages",
    "WebSearch": "qcode has no tool that searches the web",
    "web_search": "qcode has no tool that searches the web",
    "google_web_search": "qcode has no tool that searches the web",
}
_FORM = re.compile(r"\s*([A-Za-z_][\w-]*(?:\*)?)\s*(?:\((.*)\)\s*)?", re.DOTALL)


class Translated(Record):
    """What a rule comes to."""

    rules: tuple[str, ...] = ()
    why: str = ""
    """Why it comes to nothing."""
    note: str = ""
    """How it means something else here."""


def take_rules(
    into: Taken, kind: List, texts: Iterable[str], source: str, *, prefixes: bool = False
) -> None:
    """Take over the rules of a list, or say why not.

    `prefixes`: a command without a `*` means all that begin so, as in Qwen Code's older lists.
    """
    for text in texts:
        if has_secret(text):
            into.leave(f"a rule in `{kind}`", "there is a key or password in it", source)
            continue
        found = translated(text, kind, prefixes=prefixes)
        if found.why:
            into.leave(f"{kind}: {text}", found.why, source)
        if found.note:
            into.note(f"{kind}: {text}: {found.note}")
        into.take(kind, found.rules, source)


def translated(text: str, kind: List, *, prefixes: bool = False) -> Translated:
    """Return what a rule comes to in one of the lists."""
    match = _FORM.fullmatch(text)
    if match is None:
        return Translated(why="it is no rule of the form `Tool(…)`")
    name, inner = match[1], match[2]
    inner = None if inner is None or inner.strip() in ("", "*", "**", ":*") else inner.strip()
    found = _by_tool(name, inner, kind, prefixes=prefixes)
    for rule in found.rules:
        try:
            broad = too_broad(parse(rule, exactly=kind != "allow"))
        except UsageError as error:
            return Translated(why=f"it would be `{rule}`, and {error}")
        if broad and kind == "allow":
            return Translated(why=f"it would be `{rule}`, and {broad}")
    return found


def _by_tool(name: str, inner: str | None, kind: List, *, prefixes: bool) -> Translated:
    if name.startswith("mcp__"):
        return _server(name, inner)
    if name in _SHELL:
        return _command(inner, kind, prefixes=prefixes)
    if name in _READ or name in _EDIT:
        word = "edit" if name in _EDIT else "read"
        return _files(word, inner, kind) if inner else Translated((word,))
    if name in _NEVER_ASKED:
        return Translated(
            why="qcode does not ask about it" if kind == "allow" else "it is harmless"
        )
    if name in _AGENTS:
        if inner:
            return Translated(
                why="a rule for one subagent alone is not possible; `agent` is for all"
            )
        return Translated(("agent",))
    why = _LACKING.get(name, "qcode has no such tool")
    return Translated(why=why)


def _server(name: str, inner: str | None) -> Translated:
    server, _, tool = name.removeprefix("mcp__").partition("__")
    if inner or not server or "*" in server:
        return Translated(why="it does not name a server and its tool alone")
    return Translated((f"mcp({server}:{tool or '*'})",))


def _command(inner: str | None, kind: List, *, prefixes: bool) -> Translated:
    if inner is None:
        return Translated(("shell(*)",))
    if inner.endswith(":*"):
        inner = f"{inner[:-2].rstrip()} *"
    elif prefixes and "*" not in inner:
        inner = f"{inner} *"
    elif inner.endswith("*") and not inner.endswith(" *"):
        inner = f"{inner} *"  # `curl*` means `curl` with all that may follow, too
    note = ""
    if re.search(r"(?<!\S)\*(?=\s+\S)", inner) and kind != "allow":
        note = "a `*` between words stands for one word here, so it holds for less"
    return Translated((f"shell({inner})",), note=note)


def _files(word: str, inner: str, kind: List) -> Translated:
    if inner.startswith("domain:") or re.match(r"[a-z_]+:(?!/)", inner):
        return Translated(why="a rule by another parameter than the path is not possible")
    if inner.startswith("!"):
        return Translated(why="an exception to other rules is not possible")
    if inner.startswith("//"):
        return Translated((f"{word}({inner[1:]})",))
    if inner.startswith("/"):
        within = f"{word}(.{inner})"
        # Many mean the root of the file system by it: what is to be kept is kept in both.
        return Translated((within,) if kind == "allow" else (within, f"{word}({inner})"))
    return Translated((f"{word}({inner})",))
