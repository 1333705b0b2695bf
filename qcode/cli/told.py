"""`/tools`: what the model is told of, and what is understood besides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcode.tools.base import Effect

if TYPE_CHECKING:
    from qcode.session import Session

_WIDTH = 76


def tools(session: Session, _text: str) -> str:
    """Return the tools, those that the model is told of first."""
    agent = session.agent
    told = [spec.name for spec in agent.specs]
    rows = [f"  {spec.name:<20}{_first(spec.description)}" for spec in agent.specs]
    others = sorted(name for name in agent.tools if name not in told)
    lines = [f"{agent.provider.model} is told of {len(told)}:", *rows]
    if others:
        lines.append(f"understood besides, if it calls them: {', '.join(others)}")
    if brought := {name: tool.origin for name, tool in agent.tools.items() if tool.origin}:
        named = ", ".join(f"{name} (of {origin})" for name, origin in brought.items())
        lines.append(f"brought along: {named}")
    changing = [name for name in told if _changes(session, name)]
    lines.append(f"may change something: {', '.join(changing) or 'none'}")
    return "\n".join(lines)


def _changes(session: Session, name: str) -> bool:
    tool = session.agent.tools.get(name)
    return tool is not None and tool.effect in (Effect.EDIT, Effect.EXECUTE, Effect.EXTERNAL)


def _first(description: str) -> str:
    """Return the first sentence, on one line."""
    text = " ".join(description.split())
    sentence = text.partition(". ")[0].rstrip(".")
    return sentence if len(sentence) <= _WIDTH else f"{sentence[: _WIDTH - 1]}…"
