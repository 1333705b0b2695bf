"""What Claude Code's settings mean here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from qcode.importing.hooks import take_hooks
from qcode.importing.rules import take_rules
from qcode.importing.servers import take_servers
from qcode.importing.taken import Settings, Taken
from qcode.permissions import Mode

_MODES = {
    "default": Mode.DEFAULT.value,
    "plan": Mode.PLAN.value,
    "acceptEdits": Mode.AUTO_EDIT.value,
    "bypassPermissions": Mode.YOLO.value,
}
_MODEL = re.compile(r"claude-[a-z0-9.-]+(?:\[\w+\])?")
_PASSED_OVER = frozenset(
    {"$schema", "cleanupPeriodDays", "includeCoAuthoredBy", "attribution", "statusLine", "theme"}
    | {"outputStyle", "spinnerTipsEnabled", "forceLoginMethod", "feedbackSurveyState", "language"}
    | {"alwaysThinkingEnabled", "autoUpdatesChannel", "enabledPlugins", "extraKnownMarketplaces"}
    | {"enableAllProjectMcpServers", "enabledMcpjsonServers", "disabledMcpjsonServers"}
    | {"skipDangerousModePermissionPrompt", "effortLevel"}
)
_HIS_OWN_MODEL = re.compile(r"ANTHROPIC_|CLAUDE_|AWS_|VERTEX_|CLOUD_ML_")


def take(into: Taken, values: Mapping[str, Any], source: str, environ: Mapping[str, str]) -> None:
    """Take over a `settings.json`."""
    settings = Settings(values, source, into)
    _model(settings, environ)
    settings.chosen(
        "permissions.defaultMode",
        "approval_mode",
        _MODES,
        "qcode has no such mode; rules allow what you need not be asked",
    )
    for kind in ("allow", "ask", "deny"):
        take_rules(into, kind, settings.texts(f"permissions.{kind}"), source)
    settings.leave_if("permissions.additionalDirectories", "give them with `--add-dir`")
    _sandbox(settings)
    settings.leave_if("apiKeyHelper", "qcode takes the key from a variable")
    for name in settings.table("env"):
        why = "qcode sets none; export it in your shell"
        if _HIS_OWN_MODEL.match(name):
            why = "it is for Claude Code's own way to its models"
        settings.leave(f"the variable `{name}`", why)
    if settings.get("disableAllHooks") is True:
        settings.leave_if("hooks", "they are all turned off")
    else:
        take_hooks(into, settings.table("hooks"), "claude", source)
    take_servers(into, settings.table("mcpServers"), source)
    settings.the_rest(lambda path: path.split(".")[0] in _PASSED_OVER)


def take_state(into: Taken, values: Mapping[str, Any], source: str, folder: str) -> None:
    """Take over `~/.claude.json`: servers, those of this folder too, and what the editor is like.

    All else in it is the tool's own state.
    """
    take_servers(into, _table(values, "mcpServers"), source)
    project = _table(_table(values, "projects"), folder)
    if own := _table(project, "mcpServers"):
        into.note(f"MCP servers that {source} has for this folder alone are there everywhere")
        take_servers(into, own, f"{source}, this folder")
    rules = project.get("allowedTools")
    if isinstance(rules, list):
        texts = [one for one in rules if isinstance(one, str)]
        for text in texts:
            into.leave(f"allow: {text}", "it holds for one folder alone", source)
    if values.get("editorMode") == "vim":
        into.take("vi", value=True, source=source)
    theme = values.get("theme")
    if isinstance(theme, str) and (found := re.match("dark|light", theme)):
        into.take("theme", found[0], source)


def take_servers_file(into: Taken, values: Mapping[str, Any], source: str) -> None:
    """Take over a `.mcp.json`."""
    take_servers(into, _table(values, "mcpServers"), source)


def _model(settings: Settings, environ: Mapping[str, str]) -> None:
    name = settings.text("model")
    if not name:
        return
    if not _MODEL.fullmatch(name):
        why = "an alias of Claude Code; name a model with its provider, as in `anthropic/NAME`"
        settings.leave(f'`model = "{name}"`', why)
        return
    settings.take("model", f"anthropic/{name.partition('[')[0]}")
    if "ANTHROPIC_API_KEY" not in environ:
        settings.into.variables["ANTHROPIC_API_KEY"] = "the key of the model"


def _sandbox(settings: Settings) -> None:
    network = "sandbox.network"
    settings.get("sandbox.enabled")  # it is, by default
    settings.take("network_hosts", settings.texts(f"{network}.allowedDomains"))
    settings.take("cache_dirs", settings.texts("sandbox.filesystem.allowWrite"))
    settings.take("hidden", settings.texts("sandbox.filesystem.denyRead"))
    settings.leave_if("sandbox.excludedCommands", "what leaves the sandbox is asked about")
    settings.leave_if("sandbox.filesystem.denyWrite", "say it by a rule: deny `edit(…)`")
    settings.get("sandbox.autoAllowBashIfSandboxed")


def _table(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = values.get(name)
    return value if isinstance(value, Mapping) else {}
