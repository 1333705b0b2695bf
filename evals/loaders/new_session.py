"""A task from a session of qcode that went well: what the person asked, from where it began.

The files before the first message come from the session's checkpoints, the prompt is what the
person said, and the check is the last test command in it that passed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from qcode.checkpoints.keeper import Checkpoints
from qcode.checkpoints.states import State, below, find
from qcode.checkpoints.store import Store
from qcode.errors import UsageError
from qcode.evals.harness.task import Content, Task
from qcode.evals.loaders import new
from qcode.evals.loaders.base import as_content
from qcode.evals.loaders.new import Known
from qcode.facts.commands import purpose_of
from qcode.journal import loading
from qcode.messages import AssistantMessage, Message, ToolMessage, UserMessage
from qcode.protection.roles import role_at

_SHELL = "run_shell_command"
_TESTS = ("test", "data", "conftest")


def make(
    kept: Checkpoints,
    file: Path,
    out: Path,
    environ: Mapping[str, str],
    *,
    name: str = "",
    suite: str = "own",
    check: str = "",
    prompt: str = "",
) -> Known:
    """Return the task and its answer: `kept` are the session's file states, `file` its journal.

    `out` is the file that it is to be added to.

    Raises:
        UsageError: nobody said anything in it, no test passed, or its tests pass at the start.
        SandboxError: there is no sandbox to run them in.
    """
    loaded = loading.load(file)
    task_id = name or f"{suite}-session-{loaded.id}"
    new.check_free(task_id, out)
    said = loaded.conversation.everything()
    asked = prompt or words(said)
    if not asked:
        raise UsageError(f"nobody asked anything in session {loaded.id}")
    command = check or passed(said)
    if not command:
        raise UsageError(
            f"no test was run and passed in session {loaded.id}",
            hint="name the command that judges it: --check COMMAND",
        )
    timeline = kept.timeline
    if timeline.position < 1:
        raise UsageError(f"session {loaded.id} changed no files")
    first = files_of(kept.store, timeline.points[0].state)
    last = files_of(kept.store, timeline.points[timeline.position].state)
    changed = [path for path in sorted(first.keys() | last.keys())
               if first.get(path) != last.get(path)]  # fmt: skip
    overlay = {path: last.get(path) for path in changed if role_at(path) in _TESTS}
    answer = {path: last.get(path) for path in changed if path not in overlay}
    if not answer:
        raise UsageError(f"session {loaded.id} changed nothing but tests")
    with new.room() as top:
        for at, files in (("before", {**first, **overlay}), ("after", last)):
            (top / at).mkdir()
            new.lay_out(files, top / at)
        found = new.compare(
            command,
            new.run(command, top / "before", environ, "before the change"),
            new.run(command, top / "after", environ, "with the change"),
            is_pytest="pytest" in command,
        )
    task = Task(
        id=task_id,
        suite=suite,
        prompt=asked,
        check=new.check_of(found, overlay),
        files=first,
        category="session",
        source=f"session {loaded.id}",
    )
    return Known(task, answer)


def words(said: Sequence[Message]) -> str:
    """Return what the person said in a session, all of it, in order."""
    return "\n\n".join(
        message.text.strip()
        for message in said
        if isinstance(message, UserMessage)
        and not message.is_nudge
        and not message.is_summary
        and message.text.strip()
    )


def passed(said: Sequence[Message]) -> str:
    """Return the last command in a session that is one of tests and passed; nothing: none did."""
    commands: dict[str, str] = {}
    last = ""
    for message in said:
        if isinstance(message, AssistantMessage):
            for call in message.tool_calls:
                if call.name == _SHELL and (command := _command(call.arguments)):
                    commands[call.id] = command
        elif isinstance(message, ToolMessage) and not message.is_error:
            command = commands.get(message.call_id, "")
            if command and purpose_of(command) == "test":
                last = command
    return last


def files_of(store: Store, state: State) -> dict[str, Content]:
    """Return the ordinary files of a state; links are left out, and so are secrets.

    Raises:
        QcodeError: an object is missing.
    """
    found: dict[str, Content] = {}
    for path in below(store, state):
        entry = find(store, state, path)
        if entry is None or not entry.is_file or new.SECRET.search(path):
            continue
        found[path] = as_content(store.get(entry.oid), runs=bool(entry.mode & 0o100))
    return found


def _command(arguments: str) -> str:
    try:
        value = json.loads(arguments)
    except ValueError:
        return ""
    command = value.get("command") if isinstance(value, dict) else None
    return command.strip() if isinstance(command, str) else ""
