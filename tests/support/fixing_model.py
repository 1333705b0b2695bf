"""A scripted model that repairs `calc.py` for whichever agent asks, with the tools it is told of.

```python
with ScriptedServer(FixingModel()) as server: ...
```

The repository has `return a - b` in `calc.py`, which is to be `a + b`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import responses_server
from responses_server import ResponsesServer, message
from scripted_server import Reply, Seen, call, text

from qcode.evals.agents import Endpoint, Limits, Work
from qcode.evals.harness.task import Check, Task

BROKEN = "def add(a, b):\n    return a - b\n"
WHOLE = "def add(a, b):\n    return a + b\n"
LAST_WORDS = "add subtracted; it adds now."

TASK = Task(
    "fix-add",
    "own",
    "add in calc.py subtracts. Make it add.",
    Check("python -c 'import calc; assert calc.add(2, 3) == 5'"),
    files={"calc.py": BROKEN},
)

_SHELLS = ("run_shell_command", "bash", "shell_command", "exec_command", "shell")
_REPAIR = "sed -i.bak 's/a - b/a + b/' calc.py && rm calc.py.bak"
_FENCE = "mswea_bash_command"
"""Of mini-swe-agent's text form."""
_SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"


class FixingModel:
    """First repairs the file, then says so; without tools by commands in fences if it is asked for
    them, else it writes the file in its answer."""

    def __init__(self, *, submits: bool = False, for_ever: bool = False) -> None:
        """`submits`: the end is a command, as mini-swe-agent wants it; `for_ever`: it has none."""
        self._submits = submits
        self._for_ever = for_ever
        self._repaired = False

    def __call__(self, seen: Seen) -> Reply:
        tools = seen.json.get("tools") or []
        if not tools and _FENCE in str(seen.json["messages"]):
            return text(f"THOUGHT: next.\n\n```{_FENCE}\n{self._command()}\n```")
        if not tools:
            is_title = "calc.py" not in str(seen.json["messages"][-1])
            fence = "```"
            whole = f"{LAST_WORDS}\n\ncalc.py\n{fence}\n{WHOLE}{fence}\n"
            return text("A title") if is_title else text(whole)
        if command := self._command():
            name, arguments = _shell(tools, command)
            return call(name, **arguments)
        return text(LAST_WORDS)

    def _command(self) -> str:
        """Return the next command; empty: it is done."""
        if self._for_ever:
            return "sleep 1"
        if not self._repaired:
            self._repaired = True
            return _REPAIR
        return f"{_SUBMIT} && echo {LAST_WORDS!r}" if self._submits else ""


class ResponsesModel(ResponsesServer):
    """The same by the Responses API, with the shell that Codex tells of."""

    def __init__(self) -> None:
        arguments = json.dumps({"cmd": _REPAIR, "command": _REPAIR})
        repair = responses_server.call("exec_command", arguments)
        super().__init__(
            [responses_server.answer(repair), responses_server.answer(message(LAST_WORDS))]
        )


def work_in(folder: Path, base_url: str, *, time_s: float = 100.0, **limits: Any) -> Work:
    """Return the task laid out below a folder, for an agent to work on."""
    places = [folder / name for name in ("repo", "home", "artefacts")]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
    repo, home, artefacts = places
    (repo / "calc.py").write_text(BROKEN)
    return Work(
        TASK,
        TASK.prompt,
        repo,
        home,
        artefacts,
        Endpoint("scripted", base_url, context_window=32768, temperature=0.0, seed=7),
        Limits(time_s, **limits),
        0,
    )


def _shell(tools: list[dict[str, Any]], command: str) -> tuple[str, dict[str, Any]]:
    """Return the tool that runs commands, and what it is to be given."""
    for tool in tools:
        function = tool.get("function", tool)
        if function.get("name") in _SHELLS:
            schema = function.get("parameters") or {}
            known = schema.get("properties") or {}
            arguments: dict[str, Any] = {
                name: False if known.get(name, {}).get("type") == "boolean" else "Repair add"
                for name in schema.get("required") or ()
            }
            field = "cmd" if "cmd" in known else "command"
            return function["name"], {**arguments, field: command}
    raise LookupError(f"no shell among {[t.get('function', t).get('name') for t in tools]}")
