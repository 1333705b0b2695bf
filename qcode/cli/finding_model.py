"""Which model a conversation is held with: looked for while the person may already type."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from qcode import paths
from qcode.cli.chosen import Chosen, NoModelError, choose_model
from qcode.daemon import in_daemon
from qcode.errors import QcodeError
from qcode.ui.terminal import Terminal

if TYPE_CHECKING:
    from qcode.cli.conversation import Conversation
    from qcode.config import Settings


class NotWaitedError(QcodeError):
    """A person did not want to wait for something."""

    exit_code = 130


class _OnScreen:
    """Shows how far the embedded model is; may be told from another thread."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._loop = asyncio.get_running_loop()

    def update(self, label: str, done: int, total: int | None) -> None:
        """Say how far something is, in bytes."""
        of = f" of {total / 1e6:,.0f}" if total else ""
        self._tell(self._terminal.status, f"{label}: {done / 1e6:,.0f}{of} MB")

    def note(self, text: str) -> None:
        """Say that something was decided."""
        self._tell(self._terminal.say, text)

    def _tell(self, how: Callable[[str], None], text: str) -> None:
        with suppress(RuntimeError):  # the session was left meanwhile
            self._loop.call_soon_threadsafe(how, text)


async def choose(talk: Conversation) -> Chosen:
    """Return the model that will answer; where there is none, a person may set one up.

    Raises:
        NoModelError: there is none.
    """
    try:
        return await look_for_model(talk, talk.settings)
    except NoModelError:
        if not talk.may_set_up:
            raise
    from qcode.cli.first_run import set_up

    async with talk.screen.aside() if talk.screen is not None else nullcontext():
        plain = Terminal(sys.stdout, talk.look)
        # On the loop: nothing else is to be done, and a thread would outlive an interrupt.
        if not set_up(paths.config_dir() / "config.toml", plain.say):
            from qcode.local.discover import CHOICES as INSTEAD

            raise NoModelError(INSTEAD)
    talk.settings = talk.reload()
    return await look_for_model(talk, talk.settings)


async def look_for_model(talk: Conversation, settings: Settings) -> Chosen:
    """Return the model that settings come to.

    Raises:
        NoModelError, UsageError, QcodeError: see `choose_model`.
        NotWaitedError: the person interrupted it.
    """
    told = _OnScreen(talk.terminal)
    talk.terminal.status("looking for the model …")
    try:
        # Off the loop: servers are asked which models they have, or one is fetched.
        found = await talk.aside_of(
            in_daemon(lambda: choose_model(settings, told.note, local=talk.local, progress=told))
        )
    finally:
        talk.terminal.idle()
    if found is None:
        raise NotWaitedError("interrupted before the model was there")
    return found
