"""How `bench.py` starts each program that it measures: arguments, environment, settings files.

In all texts `$prompt`, `$url` (of the model server, with /v1), `$origin` (without) and
`$model` are filled in; paths of files are relative to the home folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Adapter:
    """One program, as it is run without a person and without asking."""

    run: tuple[str, ...]
    """Arguments of a one-shot run."""
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    model: str = "bench-model"
    version: tuple[str, ...] = ("--version",)
    """Arguments that print the version; none: it has no such option."""
    final_command: str = ""
    """The command with which its model ends a session instead of words."""
    uses_tools: bool = True


OPENAI = {"OPENAI_API_KEY": "bench", "OPENAI_BASE_URL": "$url", "OPENAI_API_BASE": "$url"}
LITELLM = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}

QCODE = Adapter(
    run=("run", "--yes", "$prompt"),
    environment={"QCODE_BASE_URL": "$url", "QCODE_MODEL": "$model"},
)
FLOOR = Adapter(run=("$prompt",), environment={"BENCH_URL": "$url"}, version=())

PEERS: Mapping[str, Adapter] = {
    "codex": Adapter(
        run=("exec", "--dangerously-bypass-approvals-and-sandbox", "$prompt"),
        environment={"OPENAI_API_KEY": "bench"},
        model="gpt-5.5",  # one it knows, so that it brings its own prompt and tools
        files={
            ".codex/config.toml": """\
model = "$model"
model_provider = "bench"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.bench]
name = "bench"
base_url = "$url"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
"""
        },
    ),
    "pi": Adapter(
        run=("-p", "--offline", "--provider", "bench", "--model", "$model", "$prompt"),
        environment={"PI_OFFLINE": "1", "PI_TELEMETRY": "0", "PI_SKIP_VERSION_CHECK": "1"},
        files={
            ".pi/agent/models.json": """\
{"providers": {"bench": {
  "baseUrl": "$url", "api": "openai-completions", "apiKey": "bench",
  "models": [{"id": "$model", "contextWindow": 200000, "maxTokens": 16000}]}}}
"""
        },
    ),
    "claude": Adapter(
        run=("-p", "$prompt", "--dangerously-skip-permissions", "--model", "$model"),
        environment={
            "ANTHROPIC_BASE_URL": "$origin",
            "ANTHROPIC_API_KEY": "bench",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "IS_SANDBOX": "1",
        },
        model="claude-sonnet-4-5",
    ),
    "qwen": Adapter(
        run=("$prompt", "--yolo"),
        environment={**OPENAI, "OPENAI_MODEL": "$model"},
        files={
            ".qwen/settings.json": """\
{"security": {"auth": {"selectedType": "openai"}}, "telemetry": {"enabled": false},
 "privacy": {"usageStatisticsEnabled": false},
 "general": {"enableAutoUpdate": false, "disableAutoUpdate": true, "disableUpdateNag": true}}
"""
        },
    ),
    "gemini": Adapter(
        run=("-p", "$prompt", "--yolo", "--skip-trust", "-m", "$model"),
        environment={"GEMINI_API_KEY": "bench", "GOOGLE_GEMINI_BASE_URL": "$origin"},
        model="gemini-2.5-flash",
        files={
            ".gemini/settings.json": """\
{"security": {"auth": {"selectedType": "gemini-api-key"}}, "telemetry": {"enabled": false},
 "privacy": {"usageStatisticsEnabled": false},
 "general": {"enableAutoUpdate": false, "enableAutoUpdateNotification": false}}
"""
        },
    ),
    "opencode": Adapter(
        run=("run", "-m", "bench/$model", "--auto", "$prompt"),
        environment={
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        },
        files={
            ".config/opencode/opencode.json": """\
{"autoupdate": false, "share": "disabled", "permission": "allow",
 "model": "bench/$model", "small_model": "bench/$model",
 "provider": {"bench": {"npm": "@ai-sdk/openai-compatible", "name": "bench",
   "options": {"baseURL": "$url", "apiKey": "bench"},
   "models": {"$model": {"name": "bench", "tool_call": true,
                         "limit": {"context": 200000, "output": 16000}}}}}}
"""
        },
    ),
    "aider": Adapter(
        run=(
            *("--message", "$prompt", "--yes-always", "--no-check-update", "--analytics-disable"),
            *("--no-show-model-warnings", "--no-show-release-notes", "--model", "openai/$model"),
        ),
        environment={**OPENAI, **LITELLM},
        uses_tools=False,
    ),
    "mini": Adapter(
        run=("-t", "$prompt", "-y", "--exit-immediately", "-l", "0", "-m", "openai/$model"),
        environment={**OPENAI, **LITELLM, "MSWEA_COST_TRACKING": "ignore_errors"},
        files={".config/mini-swe-agent/.env": "MSWEA_CONFIGURED='true'\n"},
        version=(),
        final_command="echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT",
    ),
    "kimi": Adapter(
        run=("--print", "-y", "-p", "$prompt"),
        environment={"KIMI_CLI_NO_AUTO_UPDATE": "1"},
        files={
            ".kimi/config.toml": """\
default_model = "bench"
telemetry = false
[models.bench]
provider = "bench"
model = "$model"
max_context_size = 200000
[providers.bench]
type = "openai_legacy"
base_url = "$url"
api_key = "bench"
"""
        },
    ),
    "vibe": Adapter(
        run=("-p", "$prompt", "--auto-approve", "--trust"),
        environment={"OPENAI_API_KEY": "bench"},
        files={
            ".vibe/config.toml": """\
active_model = "bench"
enable_telemetry = false
enable_update_checks = false
enable_auto_update = false
[[providers]]
name = "bench"
api_base = "$url"
api_key_env_var = "OPENAI_API_KEY"
backend = "generic"
[[models]]
name = "$model"
provider = "bench"
alias = "bench"
"""
        },
    ),
}
"""By the name of the program, as it is looked for on PATH."""
