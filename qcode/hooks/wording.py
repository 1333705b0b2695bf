"""A call in the words of Claude Code, for hooks that were written for it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from qcode.record import Record

CLAUDE: Mapping[str, str] = {
    "run_shell_command": "Bash",
    "read_file": "Read",
    "write_file": "Write",
    "edit": "Edit",
    "multi_edit": "MultiEdit",
    "apply_patch": "Edit",
    "notebook_edit": "NotebookEdit",
    "glob": "Glob",
    "grep_search": "Grep",
    "list_directory": "LS",
    "todo_write": "TodoWrite",
    "agent": "Task",
    "skill": "Skill",
}
_ALSO: Mapping[str, tuple[str, ...]] = {
    "edit": ("replace",),
    "multi_edit": ("Edit",),
    "apply_patch": ("Write", "MultiEdit"),
    "run_shell_command": ("Shell", "ShellTool"),
    "grep_search": ("search_file_content",),
    "list_directory": ("ListFiles",),
    "agent": ("Agent", "task"),
}
"""Other names under which tools are known, to Qwen Code and Claude Code of other versions."""
_PATHS = ("file_path", "path", "notebook_path", "directory")


class Worded(Record):
    """A call as a hook is told of it."""

    name: str
    arguments: dict[str, Any]


def names_of(tool: str) -> tuple[str, ...]:
    """Return all names that a matcher may mean a tool by."""
    return (tool, CLAUDE.get(tool, ""), *_ALSO.get(tool, ()))


def worded(
    tool: str, arguments: Mapping[str, Any], paths: tuple[str, ...], cwd: str, *, claude: bool
) -> Iterator[Worded]:
    """Yield a call as it is told: once, but a patch in Claude's words once for each file.

    Otherwise a hook that guards files would not hear of them. Paths are absolute.
    """
    given = {
        key: os.path.join(cwd, value) if key in _PATHS and isinstance(value, str) else value
        for key, value in arguments.items()
    }
    name = CLAUDE.get(tool, tool) if claude else tool
    if claude and tool == "run_shell_command" and "is_background" in given:
        given["run_in_background"] = given.pop("is_background")
    if claude and tool == "apply_patch":
        for path in paths or ("",):
            yield Worded(name, {"file_path": os.path.join(cwd, path), **given})
        return
    yield Worded(name, given)


def unworded(tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments that a hook gives back, in qcode's words."""
    given = dict(arguments)
    if tool == "run_shell_command" and "run_in_background" in given:
        given["is_background"] = given.pop("run_in_background")
    if tool == "apply_patch":
        given.pop("file_path", None)  # told of each file, and no argument of the call
    return given


def response(tool: str, text: str, paths: tuple[str, ...], *, failed: bool) -> dict[str, Any]:
    """Return what a call came to, as a hook is told."""
    told: dict[str, Any] = {"content": text, "is_error": failed}
    if tool == "run_shell_command":
        told |= {"stdout": text, "stderr": "", "interrupted": False}
    elif paths:
        told |= {"filePath": paths[0], "success": not failed}
    return told
