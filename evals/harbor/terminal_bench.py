"""qcode as an agent of Terminal-Bench's own harness, before Harbor (`tb`).

```sh
pip install terminal-bench && pip install --no-deps qcode-agent
tb run -d terminal-bench-core==0.1.1 -m openai/MODEL \\
    --agent-import-path qcode.evals.harbor.terminal_bench:QcodeAgent
```

The endpoint is the caller's: `OPENAI_BASE_URL`, `OPENAI_API_KEY`. Written and tested for 0.2.18.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from terminal_bench.agents.base_agent import AgentResult
from terminal_bench.agents.failure_mode import FailureMode
from terminal_bench.agents.installed_agents.abstract_installed_agent import AbstractInstalledAgent
from terminal_bench.terminal.models import TerminalCommand
from terminal_bench.terminal.tmux_session import TmuxSession

from qcode.evals.harbor import command
from qcode.evals.harbor.trajectory import events_in, spent, trajectory

_FOLDER = "/installed-agent"
_INSTRUCTION = "instruction.md"
_OUTPUT = "qcode.jsonl"
_ERRORS = "qcode.err"


class QcodeAgent(AbstractInstalledAgent):
    """`-k max_steps=…`, `max_tokens`, `max_cost`, `max_time` (seconds): limits of qcode's own."""

    def __init__(self, model_name: str | None = None, **more: Any) -> None:
        super().__init__(**more)
        self._model = model_name
        names = ("max_steps", "max_tokens", "max_cost", "max_time")
        self._limits = {name.replace("_", "-"): more.get(name) for name in names}

    @staticmethod
    def name() -> str:
        return "qcode"

    @property
    def _env(self) -> dict[str, str]:
        given = {name: os.environ[name] for name in command.ENDPOINT if os.environ.get(name)}
        return {**given, **command.model_variables(self._model)}

    @property
    def _install_agent_script_path(self) -> Path:
        # It is sourced by the shell of the session, which `set -e` and a failure would end.
        script = f"(\n{command.install(self.version or '')}\n)\n"
        with tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False) as file:
            file.write(script)
        return Path(file.name)

    def _run_agent_commands(self, instruction: str) -> list[TerminalCommand]:
        logs = self.CONTAINER_AGENT_LOGS_PATH
        files = command.Files(f"{_FOLDER}/{_INSTRUCTION}", f"{logs}/{_OUTPUT}", f"{logs}/{_ERRORS}")
        line = f"( {command.run(files, self._limits)} )"
        # The harness has a limit of its own, for the agent as a whole.
        return [TerminalCommand(command=line, max_timeout_sec=float("inf"), block=True)]

    def perform_task(
        self, instruction: str, session: TmuxSession, logging_dir: Path | None = None
    ) -> AgentResult:
        """Have qcode work; tokens and the trajectory are read from what it left in the logs."""
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / _INSTRUCTION
            local.write_text(self._render_instruction(instruction), encoding="utf-8")
            session.copy_to_container(local, container_dir=_FOLDER, container_filename=_INSTRUCTION)
        result = super().perform_task(instruction, session, logging_dir)
        if logging_dir is None or result.failure_mode is FailureMode.AGENT_INSTALLATION_FAILED:
            return result
        try:
            text = (logging_dir / _OUTPUT).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return AgentResult(failure_mode=FailureMode.UNKNOWN_AGENT_ERROR)
        events = list(events_in(text))
        told = trajectory(
            events,
            instruction=instruction,
            version=self.version or "",
            model=self._model or "",
        )
        (logging_dir / "trajectory.json").write_text(json.dumps(told, indent=1))
        used = spent(events)
        return AgentResult(
            total_input_tokens=used.prompt_tokens or 0,
            total_output_tokens=used.completion_tokens or 0,
            # Without any event it never came to work: no endpoint, a wrong option.
            failure_mode=FailureMode.NONE if events else FailureMode.UNKNOWN_AGENT_ERROR,
        )
