"""What a tool is: declared once, run through its context, answered by a result.

A tool does, and says what it touches; it never decides whether it may, never
prints and never asks. From its declaration follow the JSON schema the model
sees, the check of arguments, the permission and the rendering.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from qcode.errors import ToolError
from qcode.prompts import load
from qcode.record import Record
from qcode.tools.clip import clip

if TYPE_CHECKING:
    from qcode.sandbox.policy import Grant
    from qcode.tools.jobs import Jobs
    from qcode.workspace import Workspace


class Effect(StrEnum):
    """The worst a tool may do; decides what permission a call needs."""

    READ = "read"
    """Changes nothing; calls may run side by side."""
    STATE = "state"
    """Changes only qcode's own state of the session (todo list, job list)."""
    EDIT = "edit"
    """Changes files it names."""
    EXECUTE = "execute"
    """Runs a program, which may do anything."""


class Touch(Record):
    """What one call concerns, for permissions, checkpoints and locking."""

    paths: tuple[str, ...] = ()
    """As the model wrote them; relative ones are relative to the workspace."""
    command: str | None = None
    access: str = ""
    """What the call asks for beyond the sandbox, as the model wrote it (`qcode.access`)."""


class Result(Record):
    """What a call came to; `text` for the model, the rest for a person."""

    text: str
    summary: str = ""
    """One line: `42 lines`, `3 matches in 2 files`, `exit 1`."""
    diff: str = ""
    """Unified diff of what changed."""
    is_error: bool = False
    """The tool ran, and what it ran failed (a command's exit code, say)."""
    essence: str = ""
    """What of the text tells whether the same call came to the same; empty: all of it."""


@dataclass(slots=True)
class Context:
    """A tool's only way to the outside. One per session, but `output` and `grant` are per call."""

    workspace: Workspace
    seen: dict[Path, str]
    """Real path -> digest of the content the model last read or wrote (`workspace.digest`)."""
    spill_dir: Path
    """Where whole outputs are kept when the model gets only a part."""
    jobs: Jobs
    """Background processes of this session."""
    environment: dict[str, str]
    """For child processes; keys and tokens of providers are already taken out."""
    allowed_outside: set[Path] = field(default_factory=set)
    """Real paths outside the workspace that a person allowed for this session."""
    output: Callable[[str], None] = lambda _text: None
    """Shows a person what a running tool prints; the model does not see it."""
    grant: Grant | None = None
    """What a person allowed the call beyond the sandbox. Of one call, as `output` is."""
    todos: list[dict[str, str]] = field(default_factory=list)
    """The model's todo list; changed in place, as copies of the context share it."""
    failures: dict[Path, int] = field(default_factory=dict)
    """Real path -> how many edits of the file failed since the last that did not."""

    def __post_init__(self) -> None:
        # The model is told of files there, so it has to be able to read them.
        self.allowed_outside.add(Path(os.path.realpath(self.spill_dir)))

    def path(self, text: str) -> Path:
        """Return the real path that a model's path names.

        Raises:
            ToolError: it lies outside the workspace and nobody allowed it.
        """
        real = self.workspace.resolve(text)
        if self.workspace.contains(real) or any(
            real == top or top in real.parents for top in self.allowed_outside
        ):
            return real
        raise ToolError(
            f"{clip(text)} is outside the workspace ({clip(str(real))}). Use a path inside it; "
            "only the person can allow another directory."
        )


P = TypeVar("P")


class Tool(ABC, Generic[P]):
    """One thing the model may do.

    `params` is a record whose fields are `Annotated[type, "text"]`;
    the text goes to the model (empty: the name says it all). `description` is
    what the model reads of the tool itself, kept in `prompts/tools/<name>.md`.
    """

    name: ClassVar[str]
    effect: ClassVar[Effect]
    params: type[P]

    @property
    def description(self) -> str:
        """What the model reads of the tool."""
        return load(f"tools/{self.name}")

    @abstractmethod
    async def run(self, params: P, context: Context) -> Result:
        """Do it.

        Raises:
            ToolError: it could not be done; the text tells the model what to do instead.
        """

    def touches(self, params: P) -> Touch:
        """Return what the call concerns; the default concerns nothing outside."""
        return Touch()

    def summary(self, params: P) -> str:
        """Return one line for a person: what the call is about to do, without the tool's name."""
        return ""
