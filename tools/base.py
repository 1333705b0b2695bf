"""What a tool is: declared once, run through its context, answered by a result.

A tool does, and says what it touches; it never decides whether it may, never
prints and never asks. From its declaration follow the JSON schema the model
sees, the check of arguments, the permission and the rendering.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from qcode.errors import ToolError
from qcode.prompts import load
from qcode.record import Record
from qcode.tools.clip import clip
from qcode.tools.sizes import USUAL, Sizes

if TYPE_CHECKING:
    from qcode.editing.effects import FileEffect, Part
    from qcode.messages import Image, JsonObject, Message
    from qcode.sandbox.launching import Launcher
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
    """Runs a program in the sandbox, which may do anything there."""
    EXTERNAL = "external"
    """Is done by somebody outside the sandbox, who may do anything."""


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
    blocked: tuple[str, ...] = ()
    """What the sandbox kept it from."""
    essence: str = ""
    """What of the text tells whether the same call came to the same; empty: all of it."""
    images: tuple[Image, ...] = ()
    """Pictures that the model is shown once all calls of the step are answered."""


SYSTEM = (Path("/proc"), Path("/sys"), Path("/dev"))
"""What is no file of a disk: reading may wait for ever or show memory, writing acts at once."""


class PathRules(Protocol):
    """What of the files is kept from the tools; a `Boundary` is one."""

    def hidden(self, real: Path) -> str:
        """Why a path is not to be read, or nothing."""
        ...

    def protected(self, written: str) -> str:
        """Why a path, in any form, is not to be written to; or nothing.

        Also what it leads to is looked at.
        """
        ...

    def writable(self, real: Path) -> bool:
        """Whether a path lies where the policy lets things be written."""
        ...


class UsualRules(Record):
    """Where no policy says others: nothing is hidden, and folders that are obeyed are kept."""

    workspace: Workspace

    def hidden(self, real: Path) -> str:
        """Nothing is."""
        return ""

    def protected(self, written: str) -> str:
        """Folders whose files are obeyed."""
        return "it decides what is run or allowed later" if self.workspace.guards(written) else ""

    def writable(self, real: Path) -> bool:
        """Whether it is in the workspace."""
        return self.workspace.contains(real)


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
    launcher: Launcher
    """Starts all processes, in the sandbox."""
    allowed_outside: set[Path] = field(default_factory=set)
    """Real paths outside the workspace that a person allowed for this session."""
    allowed_hidden: set[Path] = field(default_factory=set)
    """Real paths that are hidden, and that a person allowed to be read."""
    allowed_writing: set[Path] = field(default_factory=set)
    """Real paths, or such of links themselves, that a person allowed to be written to although
    they are protected or the policy lets nothing be written there."""
    sizes: Sizes = USUAL
    """How much an answer holds at most."""
    guarded: PathRules | None = None
    """What is hidden and protected; None: `UsualRules`."""
    put_aside: Callable[[], Sequence[Message]] = tuple
    """What compaction put aside of the history."""
    output: Callable[[str], None] = lambda _text: None
    """Shows a person what a running tool prints; the model does not see it."""
    grant: Grant | None = None
    """What a person allowed the call beyond the sandbox. Of one call, as `output` is."""
    todos: list[dict[str, str]] = field(default_factory=list)
    """The model's todo list; changed in place, as copies of the context share it."""
    buffers: dict[Path, bytes] = field(default_factory=dict)
    """Real path -> what an editor has of a file and did not save; read instead of the file."""
    failures: dict[Path, int] = field(default_factory=dict)
    """Real path -> how many edits of the file failed since the last that did not."""
    whole_files: bool = False
    """Whether the model writes files whole whatever they are, and forgets parts of them."""
    named: set[str] = field(default_factory=set)
    """Identifiers that a person has named; known with `whole_files` alone."""
    refuses: Callable[[Path], str] = lambda _real: ""
    """Why a file is not to be changed by what the task says; known with `whole_files` alone."""
    refuses_removal: Callable[[Path], str] = lambda _real: ""
    """The same of a file that a command would remove, make or write anew."""
    is_to_go: Callable[[Path], bool] = lambda _real: False
    """Whether the task is to remove a file; known with `whole_files` alone."""
    told_lost: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    """Real path -> definitions whose loss was refused; the same again is meant."""
    rehearsal: Callable[[Sequence[FileEffect]], None] | None = None
    """Takes what an edit would do instead of its being done; None: it is done. Of one call."""
    part: Part | None = None
    """What a person allowed of an edit; None: all of it. Of one call."""
    landed: Callable[[Sequence[FileEffect]], None] | None = None
    """Hears what an edit has made of files, each edit once; None: nobody does."""

    def __post_init__(self) -> None:
        # The model is told of files there, so it has to be able to read them.
        spill = Path(os.path.realpath(self.spill_dir))
        self.allowed_outside.add(spill)
        self.allowed_hidden.add(spill)

    @property
    def rules(self) -> PathRules:
        """What is hidden and protected."""
        return self.guarded or UsualRules(self.workspace)

    def path(self, text: str, *, write: bool = False) -> Path:
        """Return the real path that a model's path names, which may be read, or written to.

        It is real now and may have a link in it a moment later, so it is to be opened by
        `qcode.beneath`, which follows none.

        Raises:
            ToolError: that is kept from the tools, and nobody allowed it.
        """
        real = self.workspace.resolve(text)
        self._check(text, real, write=write)
        return real

    def entry(self, text: str, *, write: bool = False) -> Path:
        """Return the path of a directory's entry itself, which may be a link; else like `path`.

        Raises:
            ToolError: that is kept from the tools, and nobody allowed it.
        """
        folder, name = os.path.split(text.rstrip("/"))
        if name in ("", ".", ".."):
            return self.path(text, write=write)
        real = self.workspace.resolve(folder or ".") / name
        self._check(text, real, write=write)
        return real

    def is_hidden(self, real: Path) -> bool:
        """Whether the content of a file that was found is to be left out."""
        return bool(self.rules.hidden(real)) and not _covered(real, self.allowed_hidden)

    def _check(self, text: str, real: Path, *, write: bool) -> None:
        inside = self.workspace.contains(real)
        if not inside and _covered(real, SYSTEM):
            raise ToolError(
                f"{clip(text)} is no file of a disk but shows the running system; the file tools "
                "leave that alone. Use a shell command."
            )
        if not inside and not _covered(real, self.allowed_outside):
            raise ToolError(
                f"{clip(text)} is outside the workspace ({clip(str(real))}). Use a path inside it; "
                "only the person can allow another directory."
            )
        rules = self.rules
        if (why := rules.hidden(real)) and not _covered(real, self.allowed_hidden):
            raise ToolError(
                f"{clip(text)} is hidden ({why}). Go on without it; only the person can allow it."
            )
        if write and (why := self.refuses(real)):
            raise ToolError(f"{clip(text)} was not changed. {why}")
        if not write or _covered(real, self.allowed_writing):
            return
        # Both forms: a link may lead to what is protected, or be it.
        if why := rules.protected(text) or rules.protected(str(real)):
            raise ToolError(
                f"{clip(text)} is protected ({why}), so nothing was changed. "
                "Only the person can change it, or allow that."
            )
        # What a person allowed outside may be written to, unless nothing may.
        if not rules.writable(real) and (inside or not rules.writable(self.workspace.root)):
            raise ToolError(
                f"The sandbox is read-only: {clip(text)} cannot be changed. "
                "Describe the change instead, or ask the person."
            )


def _covered(real: Path, tops: Iterable[Path]) -> bool:
    """Whether a path is one of these or lies below one."""
    return any(real == top or top in real.parents for top in tops)


P = TypeVar("P")


class Tool(ABC, Generic[P]):
    """One thing the model may do.

    `params` is a record whose fields are `Annotated[type, "text"]`;
    the text goes to the model (empty: the name says it all). `description` is
    what the model reads of the tool itself, kept in `prompts/tools/<name>.md`.
    """

    name: str
    effect: Effect
    params: type[P]
    origin: str = ""
    """Who brought it along, for a person; empty: it is qcode's own, or the program's."""

    @property
    def runs_beside(self) -> bool:
        """Whether calls may run side by side with others."""
        return self.effect is Effect.READ

    @property
    def rule(self) -> str:
        """The permission rule (`qcode.rules`) that allows every call."""
        return self.name

    def parameters(self, *, hidden: bool = False) -> JsonObject:
        """Return the JSON Schema of the arguments; it must not be changed.

        With `hidden`, parameters that the model is not told of are in it.
        """
        from qcode.tools.schema import schema

        return schema(self.params, hidden=hidden)

    def build(self, data: JsonObject) -> P:
        """Return the parameters that a call's arguments mean.

        Raises:
            ToolError: they are not those of the tool.
        """
        from qcode.tools.schema import build

        return build(self.name, self.params, data)

    def meant(self, params: P) -> tuple[Tool[Any], Any]:
        """Return the tool that a call is really for, with its parameters: usually this one.

        Permission, checkpoint and rendering are the other's then.

        Raises:
            ToolError: there is none, or the parameters are not its.
        """
        return self, params

    @property
    def description(self) -> str:
        """What the model reads of the tool, usually."""
        return self.described(USUAL)

    def described(self, sizes: Sizes) -> str:
        """Return what the model reads of it where so much is shown at once."""
        return load(f"tools/{self.name}")

    @abstractmethod
    async def run(self, params: P, context: Context) -> Result:
        """Do it.

        Raises:
            ToolError: it could not be done; the text tells the model what to do instead.
        """

    async def preview(self, params: P, context: Context) -> Sequence[FileEffect] | None:
        """Return what the call would make of files, writing nothing; None: that is not known.

        Raises:
            ToolError: as things are, it could not be done.
        """
        return None

    def touches(self, params: P) -> Touch:
        """Return what the call concerns; the default concerns nothing outside."""
        return Touch()

    def summary(self, params: P) -> str:
        """Return one line for a person: what the call is about to do, without the tool's name."""
        return ""
