"""What other tools' files say of tools and permissions, in qcode's words.

Claude Code's `Bash(git add:*)` is the rule `shell(git add *)`, its `Read` the tool `read_file`;
Qwen Code's names are qcode's own, nearly all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from qcode.calls.names import resolve_tool
from qcode.errors import UsageError
from qcode.rules import parse, too_broad

_KINDS = {
    "run_shell_command": "shell",
    "edit": "edit",
    "write_file": "edit",
    "multi_edit": "edit",
    "notebook_edit": "edit",
    "read_file": "read",
    "grep_search": "read",
    "glob": "read",
    "list_directory": "read",
}
"""Tool to the kind of rule that says which of its calls are allowed."""
_CALL = re.compile(r"\s*([\w.-]+(?:__[\w.*-]+)*)\s*(?:\((.*)\))?\s*", re.DOTALL)


def tool_named(written: str, known: Collection[str]) -> str | None:
    """Return the tool that a name of whatever harness means; None: there is none like it."""
    match = _CALL.fullmatch(written)
    return resolve_tool(match[1], known) if match else None


def rules_from(allowed: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Return the rules that a list of allowed tools stands for.

    What names no tool that qcode has, or would allow more than anybody can have meant, is passed
    over: it is asked about as ever. A tool that only reads needs no rule.
    """
    found: list[str] = []
    for written in allowed:
        match = _CALL.fullmatch(written)
        if match is None:
            continue
        for text in _rules(match[1], match[2], known):
            try:
                rule = parse(text)
            except UsageError:
                continue
            if not too_broad(rule):
                found.append(text)
    return tuple(dict.fromkeys(found))


def _rules(name: str, inner: str | None, known: Collection[str]) -> list[str]:
    if name in ("shell", "edit", "read", "mcp"):  # it is a rule already
        return [f"{name}({inner})" if inner else f"{name}(*)" if name == "shell" else name]
    if name.startswith("mcp__"):
        server, _, its = name.removeprefix("mcp__").partition("__")
        return [f"mcp({server}:{its or '*'})"]
    tool = resolve_tool(name, known)
    if tool is None:
        return []
    kind = _KINDS.get(tool)
    within = (inner or "").strip()
    if kind is None:
        return [tool]
    if kind == "shell":
        if within in ("", "*"):
            return ["shell(*)"]
        # `git add:*` is any command that begins so; `npm run test` that one alone.
        words = within.removesuffix(":*").rstrip()
        return [f"shell({words} *)"] if within.endswith(":*") else [f"shell({within})"]
    if kind == "read" and not within:
        return []
    return [f"{kind}({_glob(within)})"] if within else [kind]


def _glob(pattern: str) -> str:
    """Return a path pattern as rules have it: there `//` begins one of the whole disk."""
    if pattern.startswith("//"):
        return pattern[1:]
    return pattern.removeprefix("/") if pattern.startswith("/") else pattern
