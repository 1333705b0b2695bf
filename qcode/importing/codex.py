"""What Codex's settings mean here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qcode.importing.models import take_endpoint
from qcode.importing.servers import take_servers
from qcode.importing.taken import Settings, Taken
from qcode.memory.files import NAMES
from qcode.permissions import Mode
from qcode.sandbox.policy import Level, Network

_MODES = {
    "untrusted": Mode.DEFAULT.value,
    "on-failure": Mode.AUTO_EDIT.value,
    "on-request": Mode.AUTO_EDIT.value,
    "never": Mode.YOLO.value,
}
_LEVELS = {
    "read-only": Level.READ_ONLY.value,
    "workspace-write": Level.WORKSPACE_WRITE.value,
    "danger-full-access": Level.OFF.value,
}
_BUILT_IN = {
    "openai": ("", "OPENAI_API_KEY"),
    "ollama": ("http://localhost:11434/v1", ""),
    "lmstudio": ("http://localhost:1234/v1", ""),
}
_PASSED_OVER = frozenset(
    {"tui", "history", "projects", "notice", "analytics", "otel", "hide_agent_reasoning"}
    | {"show_raw_agent_reasoning", "file_opener", "disable_paste_burst", "personality"}
    | {"check_for_update_on_startup", "cli_auth_credentials_store", "feedback", "features"}
)


def take(into: Taken, values: Mapping[str, Any], source: str, environ: Mapping[str, str]) -> None:
    """Take over a `config.toml`."""
    settings = Settings(values, source, into)
    _model(settings, environ)
    word = settings.chosen(
        "approval_policy", "approval_mode", _MODES, "qcode has no such mode; rules are finer"
    )
    if word in ("on-request", "on-failure"):
        into.note(
            f'approval_policy = "{word}": commands are asked about in `auto-edit`; `yolo` asks '
            "only about what leaves the sandbox"
        )
    if settings.chosen("sandbox_mode", "sandbox", _LEVELS, "no such level") == "danger-full-access":
        into.note('sandbox = "off": nothing is confined any more, as it was in Codex')
    inside = "sandbox_workspace_write"
    if settings.get(f"{inside}.network_access") is True:
        settings.take("network", Network.ON.value)
    settings.take("cache_dirs", settings.texts(f"{inside}.writable_roots"))
    for path in (f"{inside}.exclude_tmpdir_env_var", f"{inside}.exclude_slash_tmp"):
        settings.leave_if(path, "commands get a temporary directory of their own")
    passed = settings.texts("shell_environment_policy.include_only")
    settings.take("env_pass", [name for name in passed if name.isidentifier()])
    for path in ("shell_environment_policy", "profiles", "notify", "hooks", "permissions"):
        settings.leave_if(path, _WHY[path])
    if names := settings.texts("project_doc_fallback_filenames"):
        settings.take("memory_files", list(dict.fromkeys([*NAMES, *names])))
    take_servers(into, settings.table("mcp_servers"), source)
    settings.the_rest(lambda path: path.split(".")[0] in _PASSED_OVER)


_WHY = {
    "shell_environment_policy": "commands get harmless variables and those of `env_pass`",
    "profiles": "keep a file for each, and give it with `--config`",
    "notify": "a hook at `Notification` does it (docs/hooks.md)",
    "hooks": "its hooks are written otherwise (docs/hooks.md)",
    "permissions": "its profiles have no counterpart; see `sandbox`, `cache_dirs` and `hidden`",
}


def _model(settings: Settings, environ: Mapping[str, str]) -> None:
    name, provider = settings.text("model"), settings.text("model_provider") or "openai"
    provider = settings.text("oss_provider") or provider if provider == "oss" else provider
    base, key = _BUILT_IN.get(provider, ("", ""))
    entries = settings.table("model_providers")
    its = entries.get(provider)
    if isinstance(its, Mapping):
        base, key = str(its.get("base_url") or base), str(its.get("env_key") or key)
        if its.get("wire_api") == "responses" and base:
            settings.into.note(f"{base} is asked by Chat Completions, and not by Responses")
        for more in ("http_headers", "env_http_headers", "query_params", "auth"):
            if its.get(more):
                settings.leave(f"`model_providers.{provider}.{more}`", "no counterpart in qcode")
    elif provider not in _BUILT_IN:
        settings.leave(f"the provider `{provider}`", "it is not defined in the file")
    elif provider == "openai":
        base = settings.text("openai_base_url")
    for other in sorted(set(entries) - {provider}):
        settings.leave(f"the provider `{other}`", "no model of it is chosen")
    if name or base:
        take_endpoint(settings, name, base, key, environ)
    for ours, theirs in (
        ("context_window", "model_context_window"),
        ("max_output_tokens", "model_max_output_tokens"),
    ):
        size = settings.get(theirs)
        if isinstance(size, int) and not isinstance(size, bool) and size > 0:
            settings.take(ours, size)
