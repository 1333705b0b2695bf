"""What the model gets when a skill is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qcode.commands.filling import fill
from qcode.prompts import load
from qcode.skills.skill import Skill

LONGEST = 60_000
"""Characters of instructions; what is longer is cut, and can be read in parts."""


def instructions(skill: Skill, arguments: str, show: Callable[[Path], str] = str) -> str:
    """Return a skill's instructions, with what was written behind its name in them.

    Raises:
        QcodeError: its file cannot be read any more.
    """
    text = fill(body_of(skill, show), arguments)
    return load("skills/used", name=skill.name, folder=show(skill.folder), text=text)


def body_of(skill: Skill, show: Callable[[Path], str] = str) -> str:
    """Return the instructions as they are written, in bounds, its folder's name put in.

    Raises:
        QcodeError: its file cannot be read any more.
    """
    body = skill.body()
    for name in ("${CLAUDE_SKILL_DIR}", "${SKILL_DIR}"):
        body = body.replace(name, show(skill.folder))
    if len(body) <= LONGEST:
        return body
    return f"{body[:LONGEST]}\n[cut here; the rest is in {show(skill.file)}]"
