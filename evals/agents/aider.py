"""aider, one message without a person, its edit format as it chooses for a model it does not know.

Settings by its documentation: `aider.chat/docs/scripting.html` (one message and out),
`…/config/adv-model-settings.html` (the window of a model it does not know) and
`…/config/options.html`. It runs no commands by itself: `--yes-always` leaves those out that the
model suggests.
"""

from __future__ import annotations

import json
import re
from typing import ClassVar

from qcode.evals.agents.installed import Package
from qcode.evals.agents.outside import Outside, Place, Plan, Told
from qcode.evals.harness.trial import Conduct

_APPLIED = re.compile(r"^Applied edit to ", re.MULTILINE)
_FAILED = re.compile(
    r"^(?:The LLM did not conform to the edit format|.*SEARCH/REPLACE blocks? failed to match)",
    re.MULTILINE,
)
_MESSAGE = re.compile(r"^#### ", re.MULTILINE)
_NOTE = re.compile(r"^>.*$", re.MULTILINE)


class Aider(Outside):
    """One message; it sends more by itself where edits do not apply or the linter complains."""

    name: ClassVar[str] = "aider"
    package: ClassVar[Package] = Package(
        "pip", "aider-chat", "aider", "aider", "0.86.2", python="3.11"
    )
    traces: ClassVar[tuple[str, ...]] = (".aider*",)
    counts_calls: ClassVar[bool] = False

    def plan(self, place: Place) -> Plan:
        home = place.home
        model = f"openai/{place.model}"
        known = {
            "max_input_tokens": place.window,
            "max_tokens": place.longest_answer,
            "max_output_tokens": place.longest_answer,
            "input_cost_per_token": 0,
            "output_cost_per_token": 0,
            "litellm_provider": "openai",
            "mode": "chat",
        }
        metadata = home / "aider-models.json"
        metadata.write_text(json.dumps({model: known}), encoding="utf-8")
        options = (
            *("--model", model, "--message-file", str(place.prompt), "--yes-always"),
            *("--model-metadata-file", str(metadata), "--no-show-model-warnings"),
            *("--no-auto-commits", "--no-dirty-commits", "--no-gitignore", "--no-detect-urls"),
            *("--analytics-disable", "--no-check-update", "--no-show-release-notes"),
            *("--no-pretty", "--no-fancy-input", "--no-suggest-shell-commands"),
            *("--chat-history-file", str(home / "aider.md")),
            *("--input-history-file", str(home / "aider.input")),
        )
        return Plan(
            (str(place.program), *options),
            {
                "AIDER_ANALYTICS_DISABLE": "true",
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "LITELLM_TELEMETRY": "False",
            },
        )

    def told(self, place: Place, stdout: str) -> Told:
        applied, failed = len(_APPLIED.findall(stdout)), len(_FAILED.findall(stdout))
        conduct = Conduct(edits=applied + failed, failed_edits=failed)
        try:
            history = (place.home / "aider.md").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return Told("", conduct=conduct)
        # Behind the last thing that was said to the model, without aider's own notes.
        last = _MESSAGE.split(history)[-1].partition("\n")[2]
        return Told(_NOTE.sub("", last).strip(), conduct=conduct)
