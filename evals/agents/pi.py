"""pi: four tools and a short prompt.

Settings by its documentation, "Custom models" (`models.json` with `contextWindow` and
`maxTokens`) and its `--help` (`--offline`, `PI_TELEMETRY`, `PI_SKIP_VERSION_CHECK`).
"""

from __future__ import annotations

import json
from typing import ClassVar

from qcode.evals.agents.counting import PLACEHOLDER
from qcode.evals.agents.installed import Package
from qcode.evals.agents.outside import Outside, Place, Plan, Told
from qcode.evals.agents.streamed import EDITING, objects
from qcode.evals.harness.trial import Conduct

_PROVIDER = "measured"
_EDITING = EDITING | {"write"}


class Pi(Outside):
    """`-p` in its JSON mode."""

    name: ClassVar[str] = "pi"
    package: ClassVar[Package] = Package(
        "npm", "@mariozechner/pi-coding-agent", "pi", "pi", "0.73.1"
    )

    def plan(self, place: Place) -> Plan:
        model = {
            "id": place.model,
            "contextWindow": place.window,
            "maxTokens": place.longest_answer,
        }
        provider = {
            "baseUrl": place.base_url,
            "api": "openai-completions",
            "apiKey": PLACEHOLDER,
            "models": [model],
        }
        folder = place.home / ".pi/agent"
        folder.mkdir(parents=True, exist_ok=True)
        models = {"providers": {_PROVIDER: provider}}
        (folder / "models.json").write_text(json.dumps(models), encoding="utf-8")
        return Plan(
            (
                *(str(place.program), "-p", "--mode", "json", "--offline"),
                *("--provider", _PROVIDER, "--model", place.model, place.work.prompt),
            ),
            {"PI_OFFLINE": "1", "PI_TELEMETRY": "0", "PI_SKIP_VERSION_CHECK": "1"},
        )

    def told(self, place: Place, stdout: str) -> Told:
        answer = ended = ""
        calls = failed = edits = failed_edits = 0
        for event in objects(stdout):
            match event.get("type"):
                case "message_end":
                    message = event.get("message")
                    if isinstance(message, dict) and message.get("role") == "assistant":
                        ended = str(message.get("stopReason") or "")
                        parts = message.get("content")
                        parts = parts if isinstance(parts, list) else []
                        answer = "".join(
                            str(part.get("text") or "")
                            for part in parts
                            if isinstance(part, dict) and part.get("type") == "text"
                        )
                case "tool_execution_end":
                    is_error, is_edit = (
                        bool(event.get("isError")),
                        event.get("toolName") in _EDITING,
                    )
                    calls, failed = calls + 1, failed + is_error
                    edits, failed_edits = edits + is_edit, failed_edits + (is_edit and is_error)
        return Told(answer, ended, Conduct(calls, failed, edits=edits, failed_edits=failed_edits))
