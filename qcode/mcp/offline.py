"""Servers that are not reached offline."""

from __future__ import annotations

from urllib.parse import urlsplit

from qcode.errors import OfflineError
from qcode.mcp.errors import ServerError
from qcode.mcp.servers import Server
from qcode.network import guard


def check_here(server: Server) -> None:
    """Check that a server is one that may be reached: offline, on this machine.

    Raises:
        ServerError: it is not.
    """
    if not guard.is_offline() or not server.url:
        return
    try:
        parts = urlsplit(server.url)
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        return  # no address that anything could be sent to
    try:
        guard.check(host, port, wanted=f"mcp:{server.name}")
    except OfflineError as error:
        raise ServerError(
            f"the MCP server `{server.name}` cannot be used: {error.message}", hint=error.hint
        ) from error
