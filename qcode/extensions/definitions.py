"""Reading the files in which skills, commands and subagents are written, and what is wrong there.

Nobody is kept from a session by a file that is broken: each is told in one line, and left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from qcode.errors import QcodeError
from qcode.extensions.places import Place
from qcode.files_safe import read_small

T = TypeVar("T")

LARGEST = 256 * 1024
"""Bytes of one file: it is read by a model."""

NAME = re.compile(r"\w[\w-]{0,63}(?::\w[\w-]{0,63})*")
"""What can be typed behind a slash, and said by a model."""


def text_of(file: Path, place: Place) -> str:
    """Return what stands in a definition's file.

    Raises:
        QcodeError: it cannot be read, is no text, or is a link that leads out of the project: what
            comes with a clone is not to fetch a person's own files into a conversation.
    """
    if place.is_project and not _is_within(file, place.folder.parent):
        raise QcodeError("it is a link that leads out of the project")
    try:
        data = read_small(file, LARGEST)
    except OSError as error:
        raise QcodeError(error.strerror or str(error)) from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise QcodeError("it is not text in UTF-8") from None
    if "\0" in text:
        raise QcodeError("it is not text in UTF-8")
    return text.replace("\r\n", "\n")


def _is_within(file: Path, folder: Path) -> bool:
    real, top = os.path.realpath(file), os.path.realpath(folder)
    return os.path.commonpath([real, top]) == top


def checked_name(name: str, *, usual: str = "") -> str:
    """Return a definition's name; `usual` is what it is called where it does not say.

    Raises:
        QcodeError: it could not be typed, or would be read as something else.
    """
    name = name or usual
    if not name:
        raise QcodeError("its front matter has no `name`")
    if NAME.fullmatch(name) is None:
        raise QcodeError(
            f"its name {name[:40]!r} has other signs than letters, digits, `-` and `_`, or is "
            "longer than 64"
        )
    return name


def gather(
    files: Iterable[tuple[Place, Path]],
    read: Callable[[Path, Place], T],
    named: Callable[[T], str],
    problems: list[str],
) -> dict[str, T]:
    """Return what the files define, by name, sorted; of one name the first file counts.

    What is wrong with a file is added to `problems`, a line each.
    """
    found: dict[str, T] = {}
    for place, file in files:
        try:
            one = read(file, place)
        except QcodeError as error:
            problems.append(f"`{file}` is left out: {error}")
            continue
        found.setdefault(named(one), one)
    return dict(sorted(found.items()))
