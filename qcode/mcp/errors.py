"""What can go wrong with a server."""

from __future__ import annotations

from qcode.errors import QcodeError
from qcode.mcp.listing import harmless


class ServerError(QcodeError):
    """A server cannot be used: the message names it and says why."""


class LoginNeeded(ServerError):
    """The server wants to know who asks, and nobody has logged in to it."""


def root(error: BaseException | None) -> BaseException | None:
    """Return the first single error in groups of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def in_words(error: BaseException | None, most: int = 300) -> str:
    """Return what an error says, in one line without what a terminal would obey."""
    cause = root(error)
    words = " ".join(harmless(str(cause), most).split()) if cause is not None else ""
    return words or type(cause).__name__


def is_closed(error: BaseException) -> bool:
    """Whether an error says that the connection is gone."""
    import anyio
    from mcp import MCPError
    from mcp.types import CONNECTION_CLOSED

    cause = root(error)
    if isinstance(cause, MCPError):
        return cause.code == CONNECTION_CLOSED
    return isinstance(cause, anyio.ClosedResourceError | anyio.BrokenResourceError | OSError)
