"""Skills, commands and subagents as people write them, in a project or a home."""

from __future__ import annotations

import os
from pathlib import Path

from program import Program

from qcode.extensions.places import Place


def own(maker: str = "qcode") -> Path:
    """Return the folder of the person's own things."""
    if maker == "qcode":
        return Path(os.environ["XDG_CONFIG_HOME"]) / "qcode"
    return Path(os.environ["HOME"]) / f".{maker}"


def written(file: Path, text: str) -> Path:
    """Write a file, its folder too."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def skill(folder: Path, name: str, about: str = "", text: str = "Do it.", more: str = "") -> Path:
    """Write a skill below `folder/skills`; `more` are lines of its front matter."""
    head = f"name: {name}\ndescription: {about or f'does {name}'}\n{more}"
    return written(folder / "skills" / name / "SKILL.md", f"---\n{head}---\n{text}\n")


def command(folder: Path, name: str, text: str, head: str = "") -> Path:
    """Write a command below `folder/commands`."""
    front = f"---\n{head}---\n" if head else ""
    return written(folder / "commands" / f"{name}.md", f"{front}{text}\n")


def agent(folder: Path, name: str, text: str = "You look.", head: str = "") -> Path:
    """Write a subagent below `folder/agents`."""
    front = f"name: {name}\ndescription: looks as {name}\n{head}"
    return written(folder / "agents" / f"{name}.md", f"---\n{front}---\n{text}\n")


def place(folder: Path, *, is_project: bool = False) -> Place:
    return Place(folder, "qcode", is_project=is_project)


def trust(project: Path) -> None:
    """Trust a project as it stands now."""
    ended = Program(project).run("trust", "-y")
    assert ended.code == 0, ended.err
