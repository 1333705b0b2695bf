"""Codex without a terminal; it speaks the Responses API alone, which the endpoint has to have.

Settings by its documentation, `developers.openai.com/codex/config-reference` (`model_providers`,
`model_context_window`, `analytics`) and `…/codex/noninteractive` (`exec --json`). Its own sandbox
is left out, as for all others: the evaluation's stands around it.
"""

from __future__ import annotations

import json
from typing import ClassVar

from qcode.evals.agents.installed import Package
from qcode.evals.agents.outside import Outside, Place, Plan, Told
from qcode.evals.agents.streamed import objects
from qcode.evals.harness.trial import Conduct

_PROVIDER = "measured"


class Codex(Outside):
    """`exec` with one prompt."""

    name: ClassVar[str] = "codex"
    package: ClassVar[Package] = Package("npm", "@openai/codex", "codex", "codex", "0.171.0")

    def plan(self, place: Place) -> Plan:
        folder = place.home / ".codex"
        folder.mkdir(parents=True, exist_ok=True)
        # A JSON string is a string of TOML as well.
        lines = (
            f"model = {json.dumps(place.model)}",
            f"model_provider = {json.dumps(_PROVIDER)}",
            f"model_context_window = {place.window}",
            "check_for_update_on_startup = false",
            "[analytics]",
            "enabled = false",
            f"[model_providers.{_PROVIDER}]",
            f"name = {json.dumps(_PROVIDER)}",
            f"base_url = {json.dumps(place.base_url)}",
            'env_key = "OPENAI_API_KEY"',
            'wire_api = "responses"',
        )
        (folder / "config.toml").write_text("\n".join([*lines, ""]), encoding="utf-8")
        return Plan(
            (
                *(str(place.program), "exec", "--json", "--skip-git-repo-check"),
                *("--dangerously-bypass-approvals-and-sandbox", "--", place.work.prompt),
            ),
            {"CODEX_HOME": str(folder)},
        )

    def told(self, place: Place, stdout: str) -> Told:
        answer = ended = ""
        failed = edits = failed_edits = 0
        for event in objects(stdout):
            kind = event.get("type")
            if kind in ("turn.failed", "error"):
                ended = "error"
            item = event.get("item")
            if kind != "item.completed" or not isinstance(item, dict):
                continue
            is_error = item.get("status") == "failed"
            match item.get("type"):
                case "agent_message":
                    answer = str(item.get("text") or "") or answer
                case "command_execution" | "mcp_tool_call":
                    failed += is_error
                case "file_change":
                    edits, failed_edits = edits + 1, failed_edits + is_error
                    failed += is_error
        return Told(
            answer,
            ended,
            Conduct(failed_calls=failed, edits=edits, failed_edits=failed_edits),
        )
