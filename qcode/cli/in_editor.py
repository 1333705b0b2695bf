"""A conversation's editors: what they hand over reaches it, what it does is told to them."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import tempfile
from typing import TYPE_CHECKING

from qcode import events, paths
from qcode.bridge.protocol import Prompt
from qcode.bridge.server import Bridge
from qcode.cli.composer import pointed_of
from qcode.errors import QcodeError, UsageError
from qcode.ui.printable import encodable, one_line

if TYPE_CHECKING:
    from qcode.cli.conversation import Conversation
    from qcode.events import Event
    from qcode.session import Session

log = logging.getLogger(__name__)

HINT_COLUMNS = 40
CHANGED_MOST = 500
"""Files named; of more it is said that any may have changed."""
_PLACE = re.compile(r"(.*?)(?::(\d{1,7}))?(?::(\d{1,7}))?")


class InEditor:
    """The bridge of a conversation."""

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk
        self._folders: list[tempfile.TemporaryDirectory[str]] = []
        self._telling: set[asyncio.Task[None]] = set()
        self.bridge = Bridge(
            paths.runtime_dir(),
            talk.cwd,
            prompt=self._prompt,
            changed=self._changed,
            key=os.environ.get("QCODE_BRIDGE_KEY", "")[:200],
        )

    async def start(self, session: Session) -> None:
        """Listen, if that is possible; a session goes on without."""
        try:
            await self.bridge.start(session.id)
        except QcodeError as error:
            log.info("no editor can be heard: %s", error)
        self.of(session)

    def of(self, session: Session) -> None:
        """Serve this session from now on."""
        self.bridge.is_now(session.id)
        if (pointed := pointed_of(session.composer)) is not None:
            pointed.editor = self.bridge.handed
            pointed.tells_selection = self._talk.settings.editor_context
        self._talk.mentionable.editor = lambda: bool(self.bridge.handed.client)

    def hint(self) -> str:
        """Return which editor is there, and what is before the person in it."""
        return one_line(self.bridge.handed.hint, HINT_COLUMNS)

    def handle(self, event: Event) -> None:
        """Tell editors which files an event is about."""
        if not self.bridge.hears("changed"):
            return
        kept = self._talk.session.agent.checkpoints
        if isinstance(event, events.CheckpointMade):
            telling = asyncio.ensure_future(self._tell_changed(event.step))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)
        elif isinstance(event, events.ToolFinished) and event.diff and kept is None:
            self.any_changed()

    def any_changed(self) -> None:
        """Tell editors that any file may have changed."""
        self.bridge.tell("changed", files=[])

    async def _tell_changed(self, step: int) -> None:
        from qcode.checkpoints.in_session import SessionCheckpoints

        kept = self._talk.session.agent.checkpoints
        if not isinstance(kept, SessionCheckpoints):
            return
        root = self._talk.session.agent.context.workspace.root
        try:
            files = [str(root / path) for path in sorted(await kept.changed_in(step))]
        except QcodeError:
            files = []
        self.bridge.tell("changed", files=files if len(files) <= CHANGED_MOST else [])

    def open(self, place: str) -> str:
        """Have an editor open `PATH[:LINE[:COLUMN]]`; return what to say.

        Raises:
            UsageError: there is no editor, no such file, or none was named.
        """
        if not place:
            raise UsageError("/open needs a file", hint="/open src/app.py:12")
        found = _PLACE.fullmatch(place)
        path = self._talk.cwd / os.path.expanduser(found[1] if found else place)
        if not path.is_file():
            raise UsageError(f"there is no file `{place}`")
        line, column = (int(n or 0) for n in (found[2], found[3])) if found else (0, 0)
        told = self.bridge.tell("open", file=os.path.abspath(path), line=line, column=column)
        if not told:
            raise UsageError(
                "no editor is connected that opens files", hint="docs/terminal.md tells how"
            )
        return f"opened in {self.bridge.handed.client or 'the editor'}"

    def keep(self, folder: tempfile.TemporaryDirectory[str]) -> str:
        """Keep a folder that editors look into as long as the conversation goes on."""
        self._folders.append(folder)
        return folder.name

    async def close(self) -> None:
        """Hang up."""
        for telling in self._telling:
            telling.cancel()
        await self.bridge.close()
        for folder in self._folders:
            folder.cleanup()

    def _changed(self) -> None:
        if self._talk.screen is not None:
            self._talk.screen.app.invalidate()

    async def _prompt(self, message: Prompt) -> None:
        screen = self._talk.screen
        if screen is None or not self._talk.is_open:
            raise QcodeError("the session cannot take text now")
        text = encodable(message.text.replace("\r\n", "\n").replace("\r", "\n"))
        if not message.submit:
            screen.insert(text)
            return
        if text.lstrip()[:1] in ("/", "!", "#"):
            # Modes, commands and notes are the person's own word.
            screen.insert(text.strip())
            raise QcodeError("it begins like a command, so it stands in the line to be sent there")
        if screen.question is not None:
            raise QcodeError("the session asks something, and that is to be answered first")
        if text.strip():
            screen.send(text.strip("\n"))
