"""A task as data: what is laid out, what is asked, how it is judged.

The fields are those of the task files (`*.jsonl`); loaders of public benchmarks make the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from qcode.record import Record

Content: TypeAlias = str | Mapping[str, Any] | None
"""Of a file: its text, `{"b64": …}`, `{"text": …, "exec": true}`; None: it is not to be there."""

_NO_FILES: Mapping[str, Content] = MappingProxyType({})


class Check(Record):
    """How a task is judged, in a copy of what the agent left."""

    cmd: str
    """Of the shell; exit code 0 is a pass. A last line that is a JSON object with `ok`, `reason`
    and `detail` says it better."""
    timeout_s: float = 60.0
    overlay: Mapping[str, Content] = _NO_FILES
    """Put over the copy: hidden tests, which undo edits of visible ones."""
    files: Mapping[str, Content] = _NO_FILES
    """Put into a folder of their own, `$EVAL_CHECK`."""
    more: Mapping[str, Any] = MappingProxyType({})
    """What one kind of task has alone: SWE-bench's `patch`, `fail_to_pass`, `parser`;
    `retry_lines`: so many lines of the output, its first ones, are told at a second try."""


class Task(Record):
    """One task."""

    id: str
    """Unique within all suites."""
    suite: str
    prompt: str
    """What the agent is told, word for word."""
    check: Check
    files: Mapping[str, Content] = _NO_FILES
    category: str = ""
    difficulty: str = ""
    time_limit_s: float = 600.0
    """Of the agent's wall time, on a fast endpoint."""
    setup: str = ""
    """Python, run in the folder before its first commit."""
    git: bool = True
    """Whether the folder is a repository with one commit."""
    post_git: str = ""
    """Python, run behind that commit: what lies about uncommitted."""
    protect: tuple[str, ...] = ()
    """Globs of files that have to stay byte for byte."""
    only_change: tuple[str, ...] | None = None
    """Globs of the only files that may change; None: any may."""
    retry_prompt: str = ""
    """What is said at a second try, `{output}` being the failing check's; empty: there is none."""
    script: tuple[Mapping[str, Any], ...] = ()
    """The turns that a scripted model plays; empty: the task is for real ones."""
    source: str = ""
    licence: str = ""
    more: Mapping[str, Any] = MappingProxyType({})
    """What only one loader knows: SWE-bench's `base`, `env`, `instance_id`, `repo`; `environ`, the
    variables that a container's image sets."""
