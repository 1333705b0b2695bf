"""From a session to what is read ahead of its first request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcode.composing import Composing
from qcode.providers.llamacpp import LlamaServer
from qcode.warming import WarmUp, request_ahead

if TYPE_CHECKING:
    from qcode.cli.start import Chosen
    from qcode.session import Session


def warm_up(session: Session, chosen: Chosen) -> None:
    """Begin to read ahead; nothing is said of it, whatever comes of it."""
    base_url = chosen.target.base_url
    assert base_url is not None
    messages, composer = session.history.messages, session.composer
    # What goes before the first message; a reopened session has it in its history.
    before = composer.ahead() if isinstance(composer, Composing) and not messages else ""
    request = request_ahead(session.agent, messages, before)
    session.warm_up = WarmUp(session.agent, request, LlamaServer(base_url))
    session.warm_up.start()
