"""mini-swe-agent: a shell and nothing else, with its `mini` settings, by tool calls or as text.

Settings by its documentation: `mini-swe-agent.com/latest/models/local_models` (a model by
litellm's `openai/`, costs that are not known are no error) and `…/usage/mini` (`-y`,
`--exit-immediately`, `-l 0`: no limit of cost of its own, as the proxy keeps it).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from qcode.evals.agents.installed import Package
from qcode.evals.agents.outside import Outside, Place, Plan, Told
from qcode.evals.harness.trial import Conduct


class MiniSweAgent(Outside):
    """It ends by a command that says so; a model that does not give it goes on to the limit."""

    name: ClassVar[str] = "mini-swe-agent"
    options: ClassVar[tuple[str, ...]] = ()
    """What it is run with beside what every task needs."""
    # Its litellm imports `mcp` and does not ask for it.
    package: ClassVar[Package] = Package(
        "pip",
        "mini-swe-agent",
        "mini",
        "mini",
        "2.4.6",
        version_option="",
        beside=("mcp",),
    )

    def plan(self, place: Place) -> Plan:
        config = place.home / ".config/mini-swe-agent"
        config.mkdir(parents=True, exist_ok=True)
        (config / ".env").write_text("MSWEA_CONFIGURED='true'\n", encoding="utf-8")
        return Plan(
            (
                *(str(place.program), "-m", f"openai/{place.model}", "-t", place.work.prompt),
                *("-y", "--exit-immediately", "-l", "0", "-o", str(_trajectory(place))),
                *self.options,
            ),
            {
                "MSWEA_CONFIGURED": "true",
                "MSWEA_COST_TRACKING": "ignore_errors",
                "MSWEA_SILENT_STARTUP": "1",
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "LITELLM_TELEMETRY": "False",
            },
        )

    def told(self, place: Place, stdout: str) -> Told:
        try:
            trajectory = json.loads(_trajectory(place).read_bytes())
        except (OSError, ValueError):
            return Told("")  # ended before it wrote any
        info = trajectory.get("info") or {}
        messages = [one for one in trajectory.get("messages") or [] if isinstance(one, dict)]
        said = [text for one in messages if one.get("role") == "assistant" if (text := _text(one))]
        submitted = str(info.get("submission") or "").strip()
        answer = "\n\n".join(part for part in (*said[-1:], submitted) if part)
        ended = str(info.get("exit_status") or "")
        failed = sum(_has(one, "exception_info") for one in messages)
        if ended == "Submitted" and failed:
            failed -= 1  # the command that submits is never run, which is noted as an exception
        unread = sum(_has(one, "interrupt_type", "FormatError") for one in messages)
        calls = None if self.counts_calls else sum(_commands(one) for one in messages)
        return Told(answer, ended, Conduct(calls=calls, failed_calls=failed, unread_calls=unread))


class MiniSweAgentText(MiniSweAgent):
    """The same with commands in fences, which models do that were not trained on tools.

    Its settings are `mini_textbased.yaml` and the model class that belongs to them.
    """

    name: ClassVar[str] = "mini-swe-agent-text"
    counts_calls: ClassVar[bool] = False
    options: ClassVar[tuple[str, ...]] = (
        *("-c", "mini_textbased.yaml"),
        *("--model-class", "litellm_textbased"),
    )


def _trajectory(place: Place) -> Path:
    suffix = "-retry" if place.work.is_retry else ""
    return place.work.artefacts / f"trajectory{suffix}.json"


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(x.get("text") or "") for x in content if isinstance(x, dict))
    return str(content or "").strip()


def _commands(message: dict[str, Any]) -> int:
    """Return how many commands a message of the model had, as the program read it."""
    extra = message.get("extra")
    actions = extra.get("actions") if isinstance(extra, dict) else None
    return len(actions) if isinstance(actions, list) else 0


def _has(message: dict[str, Any], name: str, value: str = "") -> bool:
    """Whether a message has a remark of the program, and of this value if one is given."""
    extra = message.get("extra")
    remark = extra.get(name) if isinstance(extra, dict) else None
    return bool(remark) and (not value or remark == value)
