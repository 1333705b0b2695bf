"""The folders in which skills, commands, subagents, hooks and servers are looked for.

A person's own: qcode's configuration directory, then `~/.qwen` and `~/.claude`, where other
tools keep the same things. A project's: `.qcode`, `.qwen` and `.claude` in the directory worked
in. These come with a clone, so that they are used only once the person trusted them, as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from qcode.record import Record

Maker: TypeAlias = Literal["qcode", "qwen", "claude"]

MAKERS: tuple[Maker, ...] = ("qcode", "qwen", "claude")
"""Whose folders they are; where two have a thing of one name, the first counts."""


class Place(Record):
    """One folder of extensions."""

    folder: Path
    maker: Maker
    is_project: bool
    """Whether it comes with the project, and is not the person's own."""


def project_places(cwd: Path) -> tuple[Place, ...]:
    """Return the folders of a project."""
    return tuple(Place(cwd / f".{maker}", maker, is_project=True) for maker in MAKERS)


def own_places(config_dir: Path, home: Path) -> tuple[Place, ...]:
    """Return the person's own folders."""
    folders = {"qcode": config_dir, "qwen": home / ".qwen", "claude": home / ".claude"}
    return tuple(Place(folders[maker], maker, is_project=False) for maker in MAKERS)


def places(cwd: Path, config_dir: Path, home: Path, *, is_trusted: bool) -> tuple[Place, ...]:
    """Return where to look, what counts first standing first: a project's, if it is trusted."""
    own = own_places(config_dir, home)
    if not is_trusted or cwd == home:  # its folders are the person's own there
        return own
    return (*project_places(cwd), *own)


FILES = 500
"""Of one kind in one folder, at most; more than that nobody wrote by hand."""


def markdown_in(
    folder: Path, *, name: str = "", depth: int = 4, endings: tuple[str, ...] = (".md",)
) -> Iterator[Path]:
    """Yield the Markdown files in a folder in the order of their names, or those of that name.

    `endings`: of what else is looked for, with their dots.

    Links to folders are not followed, hidden ones are left out. A folder that is not there or
    cannot be read has none.
    """
    found = 0
    for top, folders, files in os.walk(folder):
        level = len(Path(top).relative_to(folder).parts)
        folders[:] = sorted(f for f in folders if not f.startswith(".")) if level < depth else []
        for file in sorted(files):
            if (file == name) if name else (file.endswith(endings) and not file.startswith(".")):
                found += 1
                if found > FILES:
                    return
                yield Path(top, file)
