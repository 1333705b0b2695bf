"""The agents that are known by name; one line each, imported when it is asked for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from qcode.errors import UsageError

if TYPE_CHECKING:
    from qcode.evals.agents import Agent
    from qcode.evals.agents.installed import Package

AGENTS: Mapping[str, str] = MappingProxyType(
    {
        "qcode": "qcode:Qcode",
        "oneshot": "oneshot:Oneshot",
        "aider": "aider:Aider",
        "mini-swe-agent": "mini_swe_agent:MiniSweAgent",
        "mini-swe-agent-text": "mini_swe_agent:MiniSweAgentText",
        "qwen-code": "qwen_code:QwenCode",
        "opencode": "opencode:OpenCode",
        "pi": "pi:Pi",
        "codex": "codex:Codex",
    }
)
"""Name to module of `qcode.evals.agents` and class; made with the environment alone."""

OUTSIDE = tuple(name for name in AGENTS if name not in ("qcode", "oneshot"))
"""Those whose programs others wrote."""


def make(name: str, environ: Mapping[str, str], *, counted: bool = False) -> Agent:
    """Return an agent; `counted`: qcode, too, goes through the proxy that all others have.

    Raises:
        UsageError: nobody has this name.
    """
    if name not in AGENTS:
        near = difflib.get_close_matches(name, AGENTS, 1)
        hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(AGENTS)}"
        raise UsageError(f"no agent is called `{name}`", hint=hint)
    module, _, kind = AGENTS[name].partition(":")
    made: Agent = getattr(import_module(f"qcode.evals.agents.{module}"), kind)(environ)
    if counted and name == "qcode":
        from qcode.evals.agents.counted import Counted

        return Counted(made)
    return made


def packages() -> dict[str, Package]:
    """Return what is to be installed for each of those that others wrote."""
    found: dict[str, Package] = {}
    for name in OUTSIDE:
        module, _, kind = AGENTS[name].partition(":")
        found[name] = getattr(import_module(f"qcode.evals.agents.{module}"), kind).package
    return found
