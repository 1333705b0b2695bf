"""One skill, and finding those there are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from qcode.errors import QcodeError
from qcode.extensions.definitions import checked_name, gather, text_of
from qcode.extensions.places import FILES, Place, markdown_in
from qcode.frontmatter import Document, split
from qcode.record import Record

FILE = "SKILL.md"
LONGEST = 1024
"""Characters of a description that are kept; more is no description."""


class Skill(Record):
    """A folder with instructions for one kind of work."""

    name: str
    description: str
    """When it is of use, on one line."""
    file: Path
    """Its `SKILL.md`."""
    place: Place
    allowed: tuple[str, ...] = ()
    """What the turn in which it is run may do without asking, as its file says it."""
    paths: tuple[str, ...] = ()
    """Globs of the files that it is for; none: it is for any."""
    hint: str = ""
    """What may follow its name."""
    model: str = ""
    is_for_model: bool = True
    """Whether the model is told of it."""
    is_for_person: bool = True
    """Whether `/NAME` runs it."""

    @property
    def folder(self) -> Path:
        """Where its scripts and other files lie."""
        return self.file.parent

    def body(self) -> str:
        """Return the instructions, as the file has them now.

        Raises:
            QcodeError: it cannot be read any more.
        """
        return split(text_of(self.file, self.place)).body.strip()


def skill_folders(places: Iterable[Place]) -> tuple[Path, ...]:
    """Return the folders there are in which skills lie."""
    folders = (place.folder / "skills" for place in places)
    return tuple(folder for folder in folders if folder.is_dir())


def skills_in(places: Iterable[Place], problems: list[str]) -> dict[str, Skill]:
    """Return the skills by name; what is wrong with a file is added to `problems`."""
    return gather(_files(places), read_skill, lambda skill: skill.name, problems)


def read_skill(file: Path, place: Place) -> Skill:
    """Return the skill of a file.

    Raises:
        QcodeError: it is none; the text says why.
    """
    document = split(text_of(file, place))
    description = document.text("description", "when_to_use", "when-to-use")
    if not description:
        raise QcodeError("its front matter has no `description`, by which a model could choose it")
    return Skill(
        checked_name(document.text("name"), usual=file.parent.name),
        description[:LONGEST],
        file,
        place,
        allowed=document.listed("allowed-tools", "allowed_tools", "allowedTools") or (),
        paths=document.listed("paths", "globs") or (),
        hint=document.text("argument-hint", "argument_hint"),
        model=document.text("model"),
        is_for_model=not is_set(document, "disable-model-invocation", usually=False),
        is_for_person=is_set(document, "user-invocable", usually=True),
    )


def is_set(document: Document, name: str, *, usually: bool) -> bool:
    """Return whether a field says yes."""
    said = document.text(name, name.replace("-", "_")).lower()
    return said in ("true", "yes", "on", "1") if said else usually


def _files(places: Iterable[Place]) -> Iterator[tuple[Place, Path]]:
    for place in places:
        for file in islice(_in_folder(place.folder / "skills", place), FILES):
            yield place, file


def _in_folder(top: Path, place: Place) -> Iterator[Path]:
    yield from markdown_in(top, name=FILE)
    if place.is_project:
        return
    # People keep their own skills elsewhere, and link them here.
    try:
        entries = sorted(os.scandir(top), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        file = Path(entry.path, FILE)
        if entry.is_symlink() and file.is_file():
            yield file
