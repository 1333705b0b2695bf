"""The embedded default: a small model fetched and served on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcode.local.progress import Progress

if TYPE_CHECKING:
    from qcode.local.service import down, status, up
    from qcode.local.state import Running

__all__ = ["Progress", "Running", "down", "status", "up"]


def __getattr__(name: str) -> object:
    # Loaded at first use: every start of qcode imports `discover`, few start a server.
    if name in __all__:
        from qcode.local import service

        return getattr(service, name)
    raise AttributeError(name)
