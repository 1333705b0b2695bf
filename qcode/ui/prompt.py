"""Reading what a person types; the only place that knows prompt_toolkit."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.history import FileHistory
from prompt_toolkit.input.typeahead import clear_typeahead
from prompt_toolkit.input.vt100 import cooked_mode
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPressEvent
from prompt_toolkit.output.plain_text import PlainTextOutput

from qcode.secrets import Masker
from qcode.ui.printable import encodable


class Prompt:
    """Asks for messages, with a history, and for answers to questions.

    For terminals that can only print: it is there between turns alone (see `qcode.ui.screen`).
    """

    listens = False
    """Whether messages can be typed while the model works."""

    def __init__(self, history: Path) -> None:
        self._suggested = ""
        self._messages: PromptSession[str] = PromptSession(
            history=History(history),
            multiline=True,
            key_bindings=_keys(),
        )

    async def message(self) -> str:
        """Return the next message.

        Raises:
            EOFError: the person pressed Ctrl-D.
        """
        suggested, self._suggested = self._suggested, ""
        text = await self._messages.prompt_async(
            "> ",
            prompt_continuation="  ",
            set_exception_handler=False,
            handle_sigint=False,
            default=suggested,
        )
        return encodable(text)

    def suggest(self, text: str) -> None:
        """Have the next message begin with a text that can be changed."""
        self._suggested = text

    async def line(self, question: str) -> str:
        """Return the line typed after a question; what was typed before it does not count.

        Raises:
            KeyboardInterrupt, EOFError: the person pressed Ctrl-C or Ctrl-D.
        """
        session: PromptSession[str] = PromptSession()
        clear_typeahead(session.app.input)
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
        text = await session.prompt_async(
            question, set_exception_handler=False, handle_sigint=False
        )
        return encodable(text)

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        """Leave the terminal to another application for a while, as it usually is."""
        with cooked_mode(sys.stdin.fileno()):
            yield


class History(FileHistory):
    """The messages typed, for the arrow keys; a convenience that never stops a session."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError:
            pass  # there is no history then

    def load_history_strings(self) -> Iterator[str]:
        try:
            yield from super().load_history_strings()
        except OSError:
            return

    def store_string(self, string: str) -> None:
        try:
            super().store_string(Masker().mask(encodable(string)))
        except OSError:
            pass


def _keys() -> KeyBindings:
    bindings = KeyBindings()
    writing = has_focus(DEFAULT_BUFFER)  # and not searching the history

    @bindings.add("enter", filter=writing)
    def _send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @bindings.add("escape", "enter", filter=writing)
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @bindings.add("c-c", filter=writing)
    def _clear(event: KeyPressEvent) -> None:
        event.current_buffer.reset()

    return bindings


@contextmanager
def keyboard(history: Path) -> Iterator[Prompt]:
    """Yield what reads the keys of a session on a terminal that can only print."""
    with create_app_session(output=PlainTextOutput(sys.stdout)), quiet_keys():
        yield Prompt(history)


@contextmanager
def quiet_keys() -> Iterator[None]:
    """Keep keys that are pressed between prompts out of the output; Ctrl-C still interrupts.

    They wait for the next prompt as they are: a terminal that edits lines itself
    would echo them and swallow a Ctrl-D.
    """
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    quiet = termios.tcgetattr(fd)
    quiet[0] &= ~termios.ICRNL  # the prompt wants the Enter key as it is
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(fd, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        try:
            termios.tcsetattr(fd, termios.TCSANOW, before)
        except termios.error:
            pass  # the terminal was closed
