"""What a session's loop is handed: who answers, what it may do, and where the history is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from qcode.approvals import Approver
from qcode.boundary import Boundary
from qcode.compaction.compactor import Compactor
from qcode.errors import UsageError
from qcode.interposed import Hooks
from qcode.messages import Asked, JsonObject, Message, ToolCall, Usage, UserMessage
from qcode.permissions import Mode
from qcode.providers import Provider, ToolSpec
from qcode.providers.registry import Target
from qcode.record import Record as Frozen
from qcode.rules import Rules
from qcode.secrets import Masker
from qcode.showing.approach import Approach
from qcode.tools.base import Context, Tool

if TYPE_CHECKING:
    from qcode.ladder.ladder import Ladder
    from qcode.seeing import Seeing


class Record(Protocol):
    """The history as the loop needs it; whatever is added is on disk before this returns."""

    @property
    def messages(self) -> Sequence[Message]:
        """The messages so far."""
        ...

    def everything(self) -> Sequence[Message]:
        """All that was said, also what compaction put aside."""
        ...

    def append(self, message: Message) -> None:
        """Add a message at the end."""
        ...

    @property
    def summary(self) -> str:
        """What the model wrote of what was put aside; empty: nothing."""
        ...

    def compact(
        self, opening: UserMessage, kept: int, shortened: Mapping[str, str], summary: str = ""
    ) -> None:
        """Put all aside but the last `kept` messages, which `opening` goes before."""
        ...

    def piece(self, *, text: str = "", reasoning: str = "") -> None:
        """Keep a piece of an answer that is still being written."""
        ...

    def void(self) -> None:
        """Drop the pieces kept since the last message."""
        ...

    def running(self, call_id: str) -> None:
        """Note that a call is about to be run."""
        ...

    def told_by(self, protocol: str) -> None:
        """Note how the model is told of tools from here on."""
        ...

    def repaired(self, call_id: str, notes: Sequence[str]) -> None:
        """Note that a call was read otherwise than it was written."""
        ...

    def changed(self, call: ToolCall) -> None:
        """Note that a person changed a call, which is run as it is here."""
        ...

    def spent(self, asked: Asked) -> Usage:
        """Note the tokens of a request; return the session's."""
        ...

    def boundary(self) -> None:
        """Make everything so far durable."""
        ...


class Checkpoints(Protocol):
    """The states of the files around the calls that may change them."""

    async def before(self, title: str, call_id: str, paths: Sequence[str]) -> None:
        """Keep the files as they are before a call; `paths` are those that it names.

        Raises:
            QcodeError: they cannot be kept, so the call must not be run.
        """
        ...

    async def after(self) -> tuple[int, str] | None:
        """Keep what the call did; return its step's number and the ref that holds it, if any.

        Raises:
            QcodeError: it cannot be kept.
        """
        ...

    async def close(self) -> None:
        """Give up what is held open."""
        ...


class Buffers(Protocol):
    """What an editor has of files and did not save."""

    async def look(self, paths: Sequence[str]) -> None:
        """Find out what is unsaved of files that a call names, before it is judged.

        Raises:
            ToolError: the editor does not say.
        """
        ...

    async def save(self, paths: Sequence[str]) -> None:
        """Have it saved before a call changes the files.

        Raises:
            ToolError: it cannot be, so the call must not be run.
        """
        ...


class Checked(Frozen):
    """How the checks went after an edit."""

    text: str
    """For the model."""
    passed: bool


@dataclass(slots=True)
class Agent:
    """What answers: a model, what it is told, and what it may do."""

    provider: Provider
    system: str
    tools: Mapping[str, Tool[Any]]
    specs: tuple[ToolSpec, ...]
    context: Context
    approver: Approver
    mode: Mode
    max_output_tokens: int
    """Of one answer, reasoning included."""
    new_call_id: Callable[[], str]
    schemas: Mapping[str, JsonObject] = field(default_factory=dict)
    """What calls are read by: each tool's parameters, those that the model is not told too.

    By default as the model is told.
    """
    call_ids: set[str] = field(default_factory=set)
    """Of all calls in the session: some servers give the same id twice, and APIs refuse that."""
    allowed: set[str] = field(default_factory=set)
    """What a person allowed for this session and no rule can say: a tool with its very command."""
    rules: Rules = field(default_factory=Rules)
    """Permission rules; those that a person's answers make come to them."""
    remember: Callable[[tuple[str, ...]], None] | None = None
    """Keeps allowing rules for later sessions in this workspace; None: they are not kept."""
    temperature: float | None = None
    """Of every request; None leaves it to the endpoint."""
    in_answer: bool = False
    """Whether the model writes files and commands in its answer instead of calling tools
    (`qcode.edit_formats`); an answer with files that could be written ends the turn."""
    approach: Approach = field(default_factory=Approach)
    """With `in_answer`: how the next first message has it go at the task."""
    owner: Callable[[str], str] = lambda _code: ""
    """With `in_answer`: the path of the file that code without a path is of; empty: unclear."""
    after_edit: Callable[[], Awaitable[Checked]] | None = None
    """How the checks go now; asked after each call that changed a file."""
    guard: Callable[[], Awaitable[str]] | None = None
    """Puts back what a call did to protected files, and returns what the model is told of it;
    asked after each call that may have changed files."""
    checkpoints: Checkpoints | None = None
    """None where none can be kept: no git, or the person turned them off."""
    workspace_state: Callable[[], Awaitable[Hashable]] | None = None
    """Something that differs when files differ; asked only where a call repeats itself."""
    masker: Masker = field(default_factory=Masker)
    """Knows the secrets that neither the model nor a person gets to see of a result."""
    target: Target | None = None
    """What the provider was made for; None: that is not known."""
    specs_added: tuple[ToolSpec, ...] = ()
    """Of those that the model is told of, the ones that `add_tools` added; told last."""
    specs_of_archive: tuple[ToolSpec, ...] = ()
    """Of tools that the model is told of once something was put aside."""
    compactor: Compactor | None = None
    """Makes room in the model's window; None: the history stays whole."""
    boundary: Boundary | None = None
    """What the sandbox holds; None: there is none (`Unconfined`)."""
    buffers: Buffers | None = None
    """What an editor did not save; None: no editor says."""
    hooks: Hooks | None = None
    """What may step in between; None: nothing does."""
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a call may change files, from its checkpoint to its end; agents that work in the
    same files side by side share it."""
    ladder: Ladder | None = None
    """A stronger model for single steps; None: the person named none."""
    summariser: Provider | None = None
    """Who sums up when room is made; None: the provider."""
    seeing: Seeing | None = None
    """Has pictures put into words where the model does not see; None: it is shown them."""
    listen: Callable[[], Awaitable[UserMessage | None]] | None = None
    """Returns the next message that a person said during the turn, None if there is none left."""

    def __post_init__(self) -> None:
        if not self.schemas:
            self.schemas = {spec.name: spec.parameters for spec in self.specs}

    def substitute(self, answered: str = "") -> str:
        """Return who answers instead of the session's model; empty: it does so itself.

        `answered` is who did by `Done.model`; a fallback, or nobody in particular.
        """
        who = answered or self.provider.model
        usual = self.target.model if self.target is not None else self.provider.model
        return "" if who == usual else who

    def add_tools(self, tools: Iterable[Tool[Any]]) -> None:
        """Have the model told of more tools, behind those it is told of; before the first turn.

        Raises:
            UsageError: there is one of that name already; none of them is added.
        """
        new = list(tools)
        names = [*self.tools, *(tool.name for tool in new)]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UsageError(f"there are two tools named `{twice}`", hint="rename one")
        added = tuple(
            ToolSpec(tool.name, tool.described(self.context.sizes), tool.parameters())
            for tool in new
        )
        # In place: whoever brings tools while the session goes on holds on to these.
        assert isinstance(self.tools, dict)
        assert isinstance(self.schemas, dict)
        self.tools.update({tool.name: tool for tool in new})
        self.schemas.update({tool.name: tool.parameters(hidden=True) for tool in new})
        self.specs_added = (*self.specs_added, *added)
        self.specs = (*self.specs, *added)

    def tell_of_archive(self) -> None:
        """Tell the model of the tools for what was put aside, too; idempotent."""
        new = tuple(spec for spec in self.specs_of_archive if spec not in self.specs)
        if new:
            self.specs = (*self.specs, *new)
