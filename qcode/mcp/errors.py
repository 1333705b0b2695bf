"""What can go wrong with a server."""

from __future__ import annotations

from qcode.errors import QcodeError


class ServerError(QcodeError):
    """A server cannot be used: the message names it and says why."""


class LoginNeeded(ServerError):
    """The server wants to know who asks, and nobody has logged in to it."""
