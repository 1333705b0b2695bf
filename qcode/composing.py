"""The message of what a person says: what the model has to know with it, before and behind.

Before it stands first what seldom changes, so that a server need not read it again, then what
is true only now; behind it what the person points at. Nothing else comes after what the person
said, since a small model does what it read last.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from qcode.errors import QcodeError
from qcode.facts.place import file_of
from qcode.memory.files import Found, Places, find
from qcode.memory.telling import TOKENS, told
from qcode.messages import Image, UserMessage
from qcode.prompts import load
from qcode.record import Record

if TYPE_CHECKING:
    from qcode.bridge.handed import Handed
    from qcode.bridge.protocol import Context
    from qcode.facts.store import Store
    from qcode.mentions.giving import Pointing

SOON_S = 1.0
"""What lasts longer needs an explanation."""

Note = Callable[[str], None]
"""Tells a person something that is neither answer nor error."""


class Budgets(Record):
    """How many tokens each part may take of the model's window."""

    memory: int = TOKENS
    """Instruction files, all together."""
    mentions: int = 12_000
    """What one message points at."""
    map: int = 0
    """A map of the repository; 0: none."""


class Told(Record):
    """What one part adds to a message."""

    before: str = ""
    after: str = ""
    images: tuple[Image, ...] = ()


class Part(Protocol):
    """Knows something that the model has to be told with a message."""

    async def tell(self, said: str, *, is_first: bool) -> Told:
        """Return what there is to tell; `said` is what the person typed of the message.

        Raises:
            OSError, QcodeError: it cannot be found out; the message goes without it.
        """
        ...


@runtime_checkable
class Lasting(Part, Protocol):
    """Tells before the first message what is the same for any."""

    def ahead(self) -> str:
        """Return what `tell` will say, as the files are now."""
        ...


@runtime_checkable
class ReadsAll(Part, Protocol):
    """Goes by all of a message, what qcode put into it as well."""

    async def tell_all(self, text: str, said: str, *, is_first: bool) -> Told:
        """Return what there is to tell; raises as `tell` does."""
        ...


class Composing:
    """Puts together what its parts have to tell; a session's composer."""

    def __init__(
        self, parts: Sequence[Part], note: Note, mask: Callable[[str], str] = lambda text: text
    ) -> None:
        """`mask` takes the secrets out of what is told."""
        self.parts = tuple(parts)
        self._note = note
        self._mask = mask

    async def compose(self, text: str, *, is_first: bool, said: str | None = None) -> UserMessage:
        """Return what the model gets; `said` is what a person typed of it, by default all."""
        typed = text if said is None else said
        found = [await self._told(part, text, typed, is_first) for part in self.parts]
        return UserMessage(
            text,
            before=self._joined(told.before for told in found),
            after=self._joined(told.after for told in found),
            images=tuple(image for told in found for image in told.images),
        )

    def ahead(self) -> str:
        """Return what stands before the first message, as far as files go; nobody is told of it."""
        try:
            return self._joined(part.ahead() for part in self.parts if isinstance(part, Lasting))
        except (OSError, QcodeError):
            return ""  # that is told when the message is made

    async def _told(self, part: Part, text: str, said: str, is_first: bool) -> Told:
        try:
            if isinstance(part, ReadsAll):
                return await part.tell_all(text, said, is_first=is_first)
            return await part.tell(said, is_first=is_first)
        except (OSError, QcodeError) as error:
            self._note(f"the model is told less than usual: {error}")
            return Told()

    def _joined(self, texts: Iterable[str]) -> str:
        return self._mask("\n\n".join(filter(None, texts)))


class RepositoryMap:
    """The files that seem to matter for the first message, told before it.

    It differs by the message, so it stands behind the instructions.
    """

    def __init__(
        self, root: Path, is_hidden: Callable[[Path], bool], note: Note, tokens: int
    ) -> None:
        self._root = root
        self._is_hidden = is_hidden
        self._note = note
        self._tokens = tokens

    async def tell(self, said: str, *, is_first: bool) -> Told:
        """Draw it once; a person who waits for a large repository is told why."""
        if not is_first:
            return Told()
        import asyncio

        from qcode.daemon import in_daemon
        from qcode.repomap import render_map

        def draw() -> str:
            return render_map(self._root, self._tokens, said, is_hidden=self._is_hidden)

        drawing = asyncio.ensure_future(in_daemon(draw))
        done, _ = await asyncio.wait({drawing}, timeout=SOON_S)
        if not done:
            self._note("reading what the files of this repository define; the next time is quick")
        drawn = await drawing
        return Told(before=load("map", map=drawn.rstrip("\n"))) if drawn else Told()


class Surroundings:
    """Where the session takes place, told right before the first message."""

    def __init__(self, cwd: Path, *, named: bool = True) -> None:
        """`named`: whether the model is told where the directory lies."""
        self._cwd = cwd
        self._named = named

    async def tell(self, said: str, *, is_first: bool) -> Told:
        """Tell it once: it is true for that moment."""
        if not is_first:
            return Told()
        from qcode.surroundings import surroundings

        return Told(before=surroundings(self._cwd, named=self._named))


class Known:
    """What earlier sessions found out, told right before the first message."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder = folder
        self._root = root

    def store(self) -> Store:
        """Return the facts of the workspace."""
        from qcode.facts.store import Store

        return Store(self._folder, self._root)

    async def tell(self, said: str, *, is_first: bool) -> Told:
        """Tell what still holds."""
        if not is_first or not file_of(self._folder, self._root).exists():
            return Told()
        from qcode.facts.store import today
        from qcode.facts.telling import told as told_of

        return Told(before=told_of(self.store().valid(today())))


class PointedAt:
    """What the person points at with `@`, told and shown behind each message."""

    def __init__(self, pointing: Callable[[], Pointing]) -> None:
        """`pointing` makes what follows mentions, when there is the first one."""
        self._make = pointing
        self._made: Pointing | None = None
        self.resources: Callable[[str, str], Awaitable[str]] | None = None
        """Reads what servers of tools have."""
        self.editor: Handed | None = None
        """What editors handed over; None: none can."""
        self.tells_selection = False
        """Whether the selection is told with each message, though it is not pointed at."""
        self._told: Context | None = None

    @property
    def pointing(self) -> Pointing:
        """What follows mentions."""
        if self._made is None:
            self._made = self._make()
            self._made.resources = self.resources
            self._made.editor = self.editor
        return self._made

    async def tell(self, said: str, *, is_first: bool) -> Told:
        """Tell and show what the message points at."""
        if self._selects() and "@selection" not in said:
            said = f"{said}\n@selection"
        if "@" not in said:
            return Told()
        text, images = await self.pointing.follow(said)
        return Told(after=text, images=images)

    def _selects(self) -> bool:
        """Whether something is selected that is to be told, and was not yet."""
        context = self.editor.context if self.editor and self.tells_selection else None
        if context is None or context.selection is None or context == self._told:
            return False
        self._told = context
        return bool(context.selection.text)


class Memory:
    """The instruction files, told before the first message."""

    def __init__(
        self,
        places: Places,
        is_hidden: Callable[[Path], bool],
        note: Note,
        tokens: int = TOKENS,
    ) -> None:
        self.places = places
        self._is_hidden = is_hidden
        self._note = note
        self._tokens = tokens

    def find(self) -> Found:
        """Return the files as they are now."""
        return find(self.places, self._is_hidden)

    async def tell(self, said: str, *, is_first: bool) -> Told:
        """Tell them once, and the person what was left out."""
        if not is_first:
            return Told()
        # Not in a thread: it is a matter of a few small files.
        found = self.find()
        for note in found.notes:
            self._note(note)
        return Told(before=told(found, self.places, self._tokens))

    def ahead(self) -> str:
        """Return what `tell` will say, as the files are now."""
        return told(self.find(), self.places, self._tokens)
