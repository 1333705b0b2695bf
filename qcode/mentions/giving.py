"""What mentions point at, read and given: as the tools would read it, with the same limits."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from qcode.bridge.handed import Handed
from qcode.errors import QcodeError, ToolError
from qcode.memory.files import shares
from qcode.mentions import in_editor
from qcode.mentions.images import MOST, image, is_image
from qcode.mentions.parse import Mention, mentions
from qcode.messages import Image
from qcode.prompts import load
from qcode.record import Record
from qcode.tools.base import Context
from qcode.tools.list_directory import ListDirectory
from qcode.tools.list_directory import Params as Listing
from qcode.tools.read_file import Params as Reading
from qcode.tools.read_file import ReadFile

MENTIONS = 30
"""Of one message that are followed."""
_FILE_LIKE = re.compile(r".*[^/]\.[A-Za-z][A-Za-z0-9]{0,4}")


class Place(Record):
    """Where something is defined."""

    path: str
    """Relative to the workspace."""
    first: int
    last: int


class Symbols(Protocol):
    """Knows where names are defined."""

    async def definitions(self, name: str) -> Sequence[Place]:
        """Return the places; none if the name is not known."""
        ...


class Reach(Record):
    """How far mentions reach."""

    outside: bool = True
    """Whether files outside the workspace are given: the person at the keyboard named them."""
    refusal: Callable[[str, int], str] = lambda _host, _port: ""
    """Why a page's host is not to be reached; nothing if it is."""


class Given(Record):
    """What one mention came to."""

    of: str
    text: str = ""
    image: Image | None = None


class Pointing:
    """Follows the mentions in what a person says."""

    def __init__(
        self,
        context: Context,
        note: Callable[[str], None],
        *,
        home: Path,
        reach: Reach | None = None,
        sees: Callable[[], bool] = lambda: False,
        symbols: Symbols | None = None,
        tokens: int,
    ) -> None:
        """`tokens` are for all that one message points at.

        `sees` says whether the model that answers now takes pictures.
        """
        self.symbols = symbols
        self.resources: Callable[[str, str], Awaitable[str]] | None = None
        """Reads what a server has, by its name and the URI; None: there are no servers."""
        self.editor: Handed | None = None
        """What editors handed over; None: none can."""
        self._context = context
        self._note = note
        self._home = home
        self._reach = reach or Reach()
        self._sees = sees
        self._tokens = tokens

    async def follow(self, said: str) -> tuple[str, tuple[Image, ...]]:
        """Return what the model is told, and shown, of what a text points at.

        What cannot be given is told to the person, and the message goes without it.
        """
        found = mentions(said)
        if len(found) > MENTIONS:
            self._note(f"only the first {MENTIONS} of {len(found)} mentions are followed")
        given = []
        for mention in found[:MENTIONS]:
            try:
                one = await self._give(mention)
            except (ToolError, OSError, UnicodeError) as error:
                why = error.strerror if isinstance(error, OSError) else str(error)
                self._note(f"`{mention.written}` is not given: {why}")
                continue
            if one is not None:
                given.append(one)
        pictures = [one.image for one in given if one.image is not None]
        if len(pictures) > MOST:
            self._note(f"only the first {MOST} of {len(pictures)} pictures are shown")
        return self._told([one for one in given if one.image is None]), tuple(pictures[:MOST])

    def _told(self, given: Sequence[Given]) -> str:
        if not given:
            return ""
        rooms = shares([len(one.text) for one in given], self._tokens * 4)
        items = [item(one, room) for one, room in zip(given, rooms, strict=True)]
        return load("mentions/pointed_at", items="\n\n".join(items))

    async def _give(self, mention: Mention) -> Given | None:
        match mention.kind:
            case "path":
                return await self._path(mention)
            case "symbol":
                places = await self._places(mention.value)
                if len(places) != 1:
                    some = ", ".join(f"{p.path}:{p.first}" for p in places[:5])
                    raise ToolError(
                        f"it is defined {len(places)} times: {some}" if places
                        else "no definition of that name is known"
                    )  # fmt: skip
                return await self._symbol(mention.value, places[0])
            case "git":
                from qcode.mentions.revisions import changes

                root, is_hidden = self._context.workspace.root, self._context.is_hidden
                text = await asyncio.to_thread(changes, root, mention.value, is_hidden)
                return Given(f"git {mention.value}", text)
            case "resource":
                server, _, uri = mention.value.partition(":")
                if self.resources is None:
                    raise ToolError(f"there is no MCP server `{server}`")
                try:
                    return Given(mention.value, await self.resources(server, uri))
                except QcodeError as error:
                    raise ToolError(str(error)) from error
            case "url":
                from qcode.mentions.pages import page

                self._note(f"fetching {mention.value}")
                return Given(mention.value, await page(mention.value, self._reach.refusal))

    async def _in_editor(self, mention: Mention, editor: Handed) -> Given | None:
        """Return what an editor handed over, where a mention is of that."""
        context, show = editor.context, self._context.workspace.show
        if context is None:
            raise ToolError("no editor is connected that handed it over")
        if mention.value == "diagnostics":
            text = in_editor.diagnosed(context, show, self._context.is_hidden)
            return Given("diagnostics of the editor", text)
        if context.file:
            self._check(self._context, Path(context.file))
        if mention.value == "selection":
            return Given(*in_editor.selected(context, show))
        if not context.file:
            raise ToolError("no file is open in the editor")
        name = show(Path(context.file))
        if context.modified:
            self._note(f"`{name}` has changes in the editor that are not saved: they are not given")
        return await self._path(Mention("path", name, written=mention.written, is_quoted=True))

    async def _path(self, mention: Mention) -> Given | None:
        name = mention.value
        if self.editor is not None and not mention.is_quoted and name in in_editor.NAMES:
            is_file = (self._context.workspace.root / name).exists()
            if self.editor.context is not None or not is_file:
                return await self._in_editor(mention, self.editor)
        path = str(self._home / name[2:]) if name.startswith("~/") else name
        real = self._context.workspace.resolve(path)
        if not real.exists():
            return await self._missing(mention, real)
        context = self._context
        if not context.workspace.contains(real) and self._reach.outside:
            # The person named it, so it may be read; that is all that is allowed.
            allowed = {*context.allowed_outside, real}
            context = dataclasses.replace(context, allowed_outside=allowed)
        self._check(context, real)
        if real.is_dir():
            listed = await ListDirectory().run(Listing(path), context)
            return Given(f"{name.rstrip('/')}/", listed.text)
        if await asyncio.to_thread(is_image, real):
            if not self._sees():
                raise ToolError(
                    "this model is not known to see pictures; `vision = true` in the configuration "
                    "says that it does"
                )
            return Given(name, image=await asyncio.to_thread(image, context.path(path), name))
        return await self._lines(name, path, mention.first, mention.last, context)

    async def _lines(self, name: str, path: str, first: int, last: int, context: Context) -> Given:
        if not first:
            return Given(name, (await ReadFile().run(Reading(path), context)).text)
        read = await ReadFile().run(Reading(path, first - 1, last - first + 1), context)
        return Given(f"{name} lines {first}-{last}", read.text)

    def _check(self, context: Context, real: Path) -> None:
        """Check that a path may be read, in words for the person.

        Raises:
            ToolError: it may not.
        """
        if context.is_hidden(real):
            raise ToolError(f"it is hidden ({context.rules.hidden(real)})")
        if not context.workspace.contains(real) and not self._reach.outside:
            raise ToolError("it is outside the workspace; `--add-dir` adds its directory")

    async def _missing(self, mention: Mention, real: Path) -> Given | None:
        name = mention.value
        if not mention.first and not mention.is_quoted:
            places = await self._places(name)
            if len(places) == 1:
                return await self._symbol(name, places[0])
        near = await asyncio.to_thread(_near, self._context, real, name)
        # `@alice` is a person, `@types/node` a package: no reason to speak up.
        is_meant = mention.is_quoted or bool(mention.first or _FILE_LIKE.fullmatch(name))
        if near or is_meant or name.endswith("/") or name.startswith((".", "~", "/")):
            guess = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ToolError(f"there is no such file{guess}")
        return None

    async def _places(self, name: str) -> Sequence[Place]:
        is_name = re.fullmatch(r"[\w.:#$]{1,200}", name)
        return await self.symbols.definitions(name) if self.symbols and is_name else ()

    async def _symbol(self, name: str, place: Place) -> Given:
        context = self._context
        self._check(context, context.workspace.resolve(place.path))
        given = await self._lines(place.path, place.path, place.first, place.last, context)
        return Given(f"{name} in {given.of}", given.text)


def _near(context: Context, real: Path, name: str) -> list[str]:
    """Return up to three paths that may be meant by one that does not exist."""
    import difflib

    from qcode import beneath
    from qcode.tools.files import same_name

    show = context.workspace.show
    lower = {each.lower(): each for each in sorted(beneath.names(real.parent))}
    near = difflib.get_close_matches(real.name.lower(), list(lower), 3, 0.75)
    found = [show(real.parent / lower[each]) for each in near]
    if not found and ("." in name or "/" in name):
        found = same_name(context, real.name)
    return [path for path in found if not context.is_hidden(context.workspace.root / path)][:3]


def item(one: Given, room: int) -> str:
    """Return what is given as the model reads it, cut at so many characters."""
    text = one.text
    if len(text) > room:
        cut = text[:room]
        cut = cut[: cut.rfind("\n")] if "\n" in cut else cut
        text = f"{cut}\n{load('mentions/cut', line=str(cut.count(chr(10)) + 1))}"
    # The text stays as it is, so that edits of it work; the tag gives way.
    tag, number = "content", 1
    while f"</{tag}" in text:
        number += 1
        tag = f"content-{number}"
    of = re.sub(r'[\s"<>]+', " ", os.fsencode(one.of).decode("utf-8", "replace"))
    return f'<{tag} of="{of}">\n{text}\n</{tag}>'
