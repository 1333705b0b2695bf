"""From settings to a session's composer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qcode import paths
from qcode.composing import Composing, Memory, Note, Part, Surroundings
from qcode.config import Settings
from qcode.memory.files import NAMES, Places
from qcode.tools.base import Context


def composer_for(
    settings: Settings, context: Context, note: Note, mask: Callable[[str], str]
) -> Composing:
    """Return what makes the messages of a session; `mask` takes secrets out of what is told."""
    parts: list[Part] = []
    if settings.memory:
        places = Places(
            context.workspace.root,
            paths.config_dir(),
            Path.home(),
            NAMES if settings.memory_files is None else settings.memory_files,
        )
        parts.append(Memory(places, context.is_hidden, note))
    if settings.surroundings:
        parts.append(Surroundings(context.workspace.root))
    return Composing(parts, note, mask)


def memory_of(composer: object) -> Memory | None:
    """Return the instruction files of a session; None if they are turned off."""
    parts = composer.parts if isinstance(composer, Composing) else ()
    return next((part for part in parts if isinstance(part, Memory)), None)
