"""qcode as an agent that Harbor installs into a task's container.

```sh
pip install harbor && pip install --no-deps qcode-agent
harbor run -d terminal-bench@2.0 -a qcode.evals.harbor.agent:QcodeAgent -m openai/MODEL \\
    --ae OPENAI_BASE_URL=… --ae OPENAI_API_KEY=…
```

Written and tested for Harbor 0.25; only what 0.24 has as well is used.
"""

from __future__ import annotations

import json
import os
from typing import Any, ClassVar

from harbor.agents.capabilities import AgentCapabilities
from harbor.agents.installed.base import (
    ApiRateLimitError,
    BaseInstalledAgent,
    ContextWindowExceededError,
    ErrorPattern,
    with_prompt_template,
)
from harbor.environments.base import BaseEnvironment
from harbor.models.agent.context import AgentContext
from harbor.models.trajectories import Trajectory
from harbor.models.trial.paths import EnvironmentPaths

from qcode.evals.harbor import command
from qcode.evals.harbor.trajectory import events_in, spent, trajectory

_INSTRUCTION = "/tmp/qcode-instruction.md"
_OUTPUT = "qcode.jsonl"
_ERRORS = "qcode.err"


class QcodeAgent(BaseInstalledAgent):
    """`--ak max_steps=…`, `max_tokens`, `max_cost`, `max_time` (seconds): limits of qcode's own."""

    capabilities = AgentCapabilities(atif=True)
    ERROR_PATTERNS: ClassVar[list[ErrorPattern]] = [
        ErrorPattern(r"rate limit|429 Too Many", ApiRateLimitError),
        ErrorPattern(
            r"context window|exceed_context_size|maximum context", ContextWindowExceededError
        ),
        *BaseInstalledAgent.ERROR_PATTERNS,
    ]

    def __init__(
        self,
        *args: Any,
        max_steps: int | None = None,
        max_tokens: int | None = None,
        max_cost: float | None = None,
        max_time: float | None = None,
        **more: Any,
    ) -> None:
        super().__init__(*args, **more)
        self._limits = {
            "max-steps": max_steps,
            "max-tokens": max_tokens,
            "max-cost": max_cost,
            "max-time": max_time,
        }
        self._instruction = ""

    @staticmethod
    def name() -> str:
        return "qcode"

    def get_version_command(self) -> str | None:
        return f"{command.PATH}; qcode --version"

    def parse_version(self, stdout: str) -> str:
        return (stdout.split() or [""])[-1]

    async def install(self, environment: BaseEnvironment) -> None:
        """Install qcode with a Python of its own."""
        await self.ensure_system_dependencies(
            environment, ("curl", "bash", "git", "ca_certificates")
        )
        await self.exec_as_agent(environment, command=command.install(self._version or ""))

    @with_prompt_template
    async def run(
        self, instruction: str, environment: BaseEnvironment, context: AgentContext
    ) -> None:
        """Have qcode work; what it says goes to the logs that Harbor takes out of the container."""
        self._instruction = instruction
        local = self.logs_dir / "instruction.md"
        local.write_text(instruction, encoding="utf-8")
        await environment.upload_file(local, _INSTRUCTION)
        logs = EnvironmentPaths.agent_dir
        files = command.Files(_INSTRUCTION, f"{logs}/{_OUTPUT}", f"{logs}/{_ERRORS}")
        # What `--ae` gave is in the environment already; these are the caller's own.
        given = {name: os.environ[name] for name in command.ENDPOINT if os.environ.get(name)}
        await self.exec_as_agent(
            environment,
            command=f"mkdir -p {logs}; {command.run(files, self._limits)}",
            env={**given, **command.model_variables(self.model_name)},
        )

    def populate_context_post_run(self, context: AgentContext) -> None:
        """Write the trajectory and fill in tokens and cost, also of a run that was cut off."""
        try:
            text = (self.logs_dir / _OUTPUT).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return  # it never came to run
        events = list(events_in(text))
        if not events:
            return
        told = trajectory(
            events,
            instruction=self._instruction or "(not known)",
            version=self.version() or "",
            model=self.model_name or "",
        )
        written = Trajectory.model_validate(told).to_json_dict()
        (self.logs_dir / "trajectory.json").write_text(json.dumps(written, indent=1))
        used = spent(events)
        context.n_input_tokens = used.prompt_tokens
        context.n_cache_tokens = used.cached_tokens
        context.n_output_tokens = used.completion_tokens
        context.cost_usd = used.cost_usd
