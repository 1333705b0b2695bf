"""From settings to the hooks of a session."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qcode.composing import Note
from qcode.extensions.places import Maker, project_places
from qcode.extensions.wishes import read_settings
from qcode.hooks.hooks import Configured, configured
from qcode.sandbox.plain import Plain

if TYPE_CHECKING:
    from pathlib import Path

    from qcode.config import Settings
    from qcode.sandbox.sandbox import Sandbox
    from qcode.session import Session

_FILES = ("settings.json", "settings.local.json")


def hooks_of(settings: Settings, cwd: Path) -> Configured:
    """Return the hooks that the settings and a trusted project's files configure."""
    tables: list[tuple[str, Maker, bool, Mapping[str, Any]]] = [
        ("config.toml", "qcode", False, settings.hooks),
        (".qcode/config.toml", "qcode", True, settings.project_hooks),
    ]
    for place in project_places(cwd) if settings.extensions_trusted else ():
        for name in _FILES:
            found = read_settings(place.folder / name).get("hooks")
            if isinstance(found, Mapping):
                source = f".{place.maker}/{name}"
                tables.append((source, place.maker, True, found))
    return configured(tables)


def join(session: Session, settings: Settings, sandbox: Sandbox, note: Note) -> None:
    """Have a session's hooks step in; without any it is as before."""
    agent = session.agent
    cwd = agent.context.workspace.root
    found = hooks_of(settings, cwd)
    for problem in found.problems:
        note(problem)
    if not found.hooks:
        return
    from qcode.hooks.running import Runner
    from qcode.hooks.session import SessionHooks

    agent.hooks = SessionHooks(
        found.hooks,
        # Offline a person's own get what commands get, too: a sandbox without network.
        Runner(cwd, sandbox if settings.offline else Plain(os.environ), sandbox),
        session_id=session.id,
        transcript=session.history.journal.path,
        cwd=cwd,
        mode=lambda: agent.mode.value,
        note=note,
        mask=agent.masker.mask,
    )


def listed(session: Session, _rest: str) -> str:
    """Return the hooks in force, for `/hooks`."""
    from qcode.hooks.session import SessionHooks

    hooks = session.agent.hooks
    if not isinstance(hooks, SessionHooks):
        return "there are no hooks; `[hooks]` in `config.toml` configures some"
    return hooks.listed()
