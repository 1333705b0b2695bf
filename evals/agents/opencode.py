"""OpenCode without a terminal.

Settings by its documentation, `opencode.ai/docs/providers` (a custom OpenAI-compatible provider
with the model's `limit`), `…/docs/config` (`autoupdate`, `share`) and `…/docs/cli` (`run`,
`--format json`).
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
_EDITING = EDITING | {"write", "patch", "multiedit"}


class OpenCode(Outside):
    """It asks the model for a title besides, which counts as a request as all do."""

    name: ClassVar[str] = "opencode"
    package: ClassVar[Package] = Package("npm", "opencode-ai", "opencode", "opencode", "1.18.33")

    def plan(self, place: Place) -> Plan:
        name = f"{_PROVIDER}/{place.model}"
        limit = {"context": place.window, "output": place.longest_answer}
        config = {
            "$schema": "https://opencode.ai/config.json",
            "autoupdate": False,
            "share": "disabled",
            "permission": "allow",
            "model": name,
            "small_model": name,
            "provider": {
                _PROVIDER: {
                    "npm": "@ai-sdk/openai-compatible",
                    "name": _PROVIDER,
                    "options": {"baseURL": place.base_url, "apiKey": PLACEHOLDER},
                    "models": {
                        place.model: {"name": place.model, "tool_call": True, "limit": limit}
                    },
                }
            },
        }
        return Plan(
            (
                *(str(place.program), "run", "-m", name, "--auto", "--format", "json"),
                *("--", place.work.prompt),
            ),
            {
                "OPENCODE_CONFIG_CONTENT": json.dumps(config),
                "OPENCODE_DISABLE_AUTOUPDATE": "1",
                "OPENCODE_DISABLE_MODELS_FETCH": "1",
                "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
            },
        )

    def told(self, place: Place, stdout: str) -> Told:
        answer = ended = ""
        calls = failed = edits = failed_edits = 0
        for event in objects(stdout):
            part = event.get("part")
            part = part if isinstance(part, dict) else {}
            match event.get("type"):
                case "text":
                    answer = str(part.get("text") or "") or answer
                case "tool_use":
                    state = part.get("state")
                    is_error = isinstance(state, dict) and state.get("status") == "error"
                    is_edit = part.get("tool") in _EDITING
                    calls, failed = calls + 1, failed + is_error
                    edits, failed_edits = edits + is_edit, failed_edits + (is_edit and is_error)
                case "error":
                    ended = "error"
        return Told(answer, ended, Conduct(calls, failed, edits=edits, failed_edits=failed_edits))
