"""Qwen Code without a terminal.

Settings by its documentation, "Model Providers" (a self-hosted model by `modelProviders.openai`
with `contextWindowSize`) and "Settings" (`privacy`, `telemetry`, `general.enableAutoUpdate`), as
they come with its package.
"""

from __future__ import annotations

import json
from typing import ClassVar

from qcode.evals.agents import streamed
from qcode.evals.agents.installed import Package
from qcode.evals.agents.outside import Outside, Place, Plan, Told


class QwenCode(Outside):
    """`-y` and one prompt."""

    name: ClassVar[str] = "qwen-code"
    package: ClassVar[Package] = Package("npm", "@qwen-code/qwen-code", "qwen", "qwen", "0.24.4")

    def plan(self, place: Place) -> Plan:
        model = {
            "id": place.model,
            "name": place.model,
            "baseUrl": place.base_url,
            "envKey": "OPENAI_API_KEY",
            "generationConfig": {
                "contextWindowSize": place.window,
                # A small machine may read a first prompt for minutes.
                "timeout": int(place.work.limits.time_s * 1000),
                "streamIdleTimeoutMs": int(place.work.limits.time_s * 1000),
            },
        }
        settings = {
            "security": {"auth": {"selectedType": "openai"}},
            "model": {"name": place.model},
            "modelProviders": {"openai": [model]},
            "telemetry": {"enabled": False},
            "privacy": {"usageStatisticsEnabled": False},
            "general": {"enableAutoUpdate": False},
        }
        folder = place.home / ".qwen"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        return Plan(
            (str(place.program), "--yolo", "-o", "stream-json", "-p", place.work.prompt),
            {"OPENAI_MODEL": place.model},
        )

    def told(self, place: Place, stdout: str) -> Told:
        return streamed.told(stdout)
