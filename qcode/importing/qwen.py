"""What Qwen Code's settings mean here; those of older versions, which stood at the top, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qcode.importing.hooks import take_hooks
from qcode.importing.models import take_endpoint
from qcode.importing.rules import take_rules
from qcode.importing.servers import take_servers
from qcode.importing.taken import Settings, Taken
from qcode.memory.files import NAMES
from qcode.permissions import Mode
from qcode.sandbox.policy import Level, Network

_MODES = {
    "plan": Mode.PLAN.value,
    "default": Mode.DEFAULT.value,
    "auto-edit": Mode.AUTO_EDIT.value,
    "auto_edit": Mode.AUTO_EDIT.value,
    "autoEdit": Mode.AUTO_EDIT.value,
    "yolo": Mode.YOLO.value,
}
_LEVELS = {level.value: level.value for level in (Level.READ_ONLY, Level.WORKSPACE_WRITE)}
_NETWORKS = {"open": Network.ON.value, "closed": Network.OFF.value}
_PASSED_OVER = ("$version", "ui", "ide", "privacy", "telemetry", "general", "output", "advanced",
                "experimental", "theme", "usageStatisticsEnabled", "$schema")  # fmt: skip
_PROVIDERS = {"anthropic": "anthropic", "gemini": "gemini", "vertex-ai": "vertex_ai"}
_KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "gemini": "GEMINI_API_KEY"}


def take(
    into: Taken,
    values: Mapping[str, Any],
    source: str,
    variables: Mapping[str, str],
    environ: Mapping[str, str],
) -> None:
    """Take over a `settings.json`; `variables` are those of the `.env` file beside it."""
    settings = Settings(values, source, into)
    _model(settings, {**variables, **_texts(settings.table("env"))}, environ)
    settings.chosen(
        "tools.approvalMode" if settings.get("tools.approvalMode") else "approvalMode",
        "approval_mode",
        _MODES,
        "qcode has no mode in which a model judges calls; rules allow what you need not be asked",
    )
    for kind in ("allow", "ask", "deny"):
        take_rules(into, kind, settings.texts(f"permissions.{kind}"), source)
    allowed = settings.texts("tools.allowed", "allowedTools")
    take_rules(into, "allow", allowed, source, prefixes=True)
    denied = settings.texts("tools.exclude", "excludeTools")
    take_rules(into, "deny", denied, source, prefixes=True)
    for path in ("tools.core", "coreTools"):
        settings.leave_if(path, "a list of the only tools is not possible; deny the others")
    if names := settings.texts("context.fileName", "contextFileName"):
        settings.take("memory_files", list(dict.fromkeys([*names, *NAMES])))
    for path in ("context.includeDirectories", "includeDirectories"):
        settings.leave_if(path, "give them with `--add-dir`")
    if settings.get("general.vimMode", "vimMode", "ui.vimMode") is True:
        settings.take("vi", value=True)
    turns = settings.get("model.maxSessionTurns", "maxSessionTurns")
    if isinstance(turns, int) and turns > 0:
        settings.take("max_steps", turns)
    confining = "tools.executionSandbox"
    settings.chosen(f"{confining}.filesystem", "sandbox", _LEVELS, "no such level")
    settings.chosen(f"{confining}.network", "network", _NETWORKS, "no such level")
    settings.get(confining)
    for path in ("tools.sandbox", "sandbox"):
        settings.leave_if(path, "qcode confines commands by itself (`sandbox`, `sandbox_tier`)")
    servers = settings.table("mcpServers")
    allowed = settings.texts("mcp.allowed", "allowMCPServers")
    excluded = settings.texts("mcp.excluded", "excludeMCPServers")
    take_servers(into, servers, source, allowed=allowed, excluded=excluded)
    if settings.get("disableAllHooks", "hooksConfig.enabled") in (True, None) and (
        settings.get("disableAllHooks") is True
    ):
        settings.leave_if("hooks", "they are all turned off")
    else:
        take_hooks(into, settings.table("hooks"), "qwen", source)
    settings.the_rest(lambda path: path.split(".")[0] in _PASSED_OVER)


def _model(settings: Settings, variables: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Take over the model, where it is served, and what is sent along."""
    kind = settings.text("security.auth.selectedType", "selectedAuthType")
    name = settings.text("model.name") or settings.text("model")
    name = name or variables.get("OPENAI_MODEL", "")
    settings.get("env")
    entry = _entry(settings.table("modelProviders"), kind, name)
    name = name or str(entry.get("id") or "")
    if settings.get("security.auth.apiKey"):
        settings.leave("`security.auth.apiKey`", "qcode keeps no keys")
    own = settings.table("model.generationConfig")
    its = entry.get("generationConfig")
    _generation(settings, {**own, **(its if isinstance(its, Mapping) else {})})
    for secret in sorted(set(variables) - {"OPENAI_MODEL", "OPENAI_BASE_URL"}):
        settings.leave(f"the variable `{secret}`", "qcode sets none; export it in your shell")
    if kind == "qwen-oauth":
        settings.leave("the login of Qwen OAuth", "qcode takes an endpoint and a key")
        return
    base = str(entry.get("baseUrl") or settings.text("security.auth.baseUrl") or "")
    base = base or variables.get("OPENAI_BASE_URL", "")
    key = str(entry.get("envKey") or _KEYS.get(kind or "openai", ""))
    if (provider := _PROVIDERS.get(kind)) and name:
        if base:
            settings.leave(f"`{base}`", f"an address of the kind `{kind}` is not spoken to")
        name, base = f"{provider}/{name}", ""
    take_endpoint(settings, name, base, key, environ)


def _entry(providers: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any]:
    """Return the entry of the chosen model, or the only one that there is."""
    groups = [providers.get(kind)] if kind and kind in providers else list(providers.values())
    entries = [
        one
        for group in groups
        for one in (group if isinstance(group, list) else ())
        if isinstance(one, Mapping)
    ]
    named = [one for one in entries if one.get("id") == name]
    if named:
        return named[0]
    return entries[0] if not name and len(entries) == 1 else {}


def _generation(settings: Settings, config: Mapping[str, Any]) -> None:
    window = config.get("contextWindowSize")
    if isinstance(window, int) and not isinstance(window, bool) and window > 0:
        settings.take("context_window", window)
    sampling = config.get("samplingParams")
    extra = config.get("extra_body")
    body = {
        **(sampling if isinstance(sampling, Mapping) else {}),
        **(extra if isinstance(extra, Mapping) else {}),
    }
    most = body.pop("max_tokens", None)
    if isinstance(most, int) and not isinstance(most, bool) and most > 0:
        settings.take("max_output_tokens", most)
    if body:
        settings.take("extra_body", body)
    known = {"contextWindowSize", "samplingParams", "extra_body"}
    if rest := sorted(set(config) - known):
        settings.leave(
            ", ".join(f"`generationConfig.{key}`" for key in rest), "no counterpart in qcode"
        )


def _texts(table: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in table.items() if isinstance(value, str)}
