"""`/skills`: the skills that are there, and what is wrong with the others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qcode.cli.extending import extensions_of
from qcode.errors import UsageError
from qcode.ui.printable import printable

if TYPE_CHECKING:
    from qcode.session import Session
    from qcode.skills.skill import Skill

_WIDTH = 100


def skills(session: Session, text: str) -> str:
    """Return the list.

    Raises:
        UsageError: something stands behind the name.
    """
    if text:
        raise UsageError("`/skills` takes nothing", hint=f"`/{text.split()[0]}` runs a skill")
    extensions = extensions_of(session)
    found = extensions.skills if extensions is not None else None
    if found is None or not (found.all or found.problems):
        return (
            "there are no skills; one is a folder with a `SKILL.md` in `.qcode/skills/` here or in "
            "`skills/` of your configuration directory"
        )
    lines = [_line(skill) for skill in found.all.values()]
    return printable("\n".join([*lines, *found.problems]))


def _line(skill: Skill) -> str:
    about = skill.description
    cut = about if len(about) <= _WIDTH else f"{about[: _WIDTH - 1]}…"
    notes = [_place(skill)]
    if not skill.is_for_model:
        notes.append("by hand alone")
    if not skill.is_for_person:
        notes.append("for the model alone")
    if skill.paths:
        notes.append(f"for {', '.join(skill.paths)}")
    return f"  /{skill.name}: {cut} ({'; '.join(notes)})"


def _place(skill: Skill) -> str:
    folder, home = skill.folder, Path.home()
    if skill.place.is_project:
        return str(folder.relative_to(skill.place.folder.parent))
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)
