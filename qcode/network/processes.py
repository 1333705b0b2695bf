"""Offline: which programs may be started, as they could send what this process must not.

What a session runs is started in a sandbox without network, and qcode's own programs by
modules that are known. Anything else that starts one (a plugin's code, a library) is refused.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from qcode.errors import OfflineError

MAY_START = ("qcode.sandbox.", "qcode.local.", "qcode.cli.editor", "qcode.evals.", "git.")
"""The modules that start programs; tests/test_imports.py holds qcode's against the code. The
last is GitPython's, which asks a repository for its newest commits by a git that fetches nothing.
"""

HARMLESS = ("platform", "ctypes.util", "uuid", "locale")
"""Of Python's own, that ask the system something by a program of it."""

_MEANS = frozenset(
    {"subprocess", "os", "pty", "contextvars", "threading", "asyncio", "concurrent"}
    | {"multiprocessing"}
)
"""By which a program is started, whoever wants it."""


def check_start(args: tuple[Any, ...]) -> None:
    """Check that whoever starts a program now may.

    Raises:
        OfflineError: it is none that is known.
    """
    starter = _starter(sys._getframe(1))  # noqa: SLF001 - there is no other way to a stack
    if starter.startswith(MAY_START) or starter in HARMLESS:
        return
    program = args[0] if args and isinstance(args[0], str) else "a program"
    by = f" by {starter}" if starter else ""
    raise OfflineError(
        f"offline: `{program}`, started{by}, would reach the network",
        hint="offline programs are started in the sandbox alone (the tool's launcher does), "
        "or leave out offline",
    )


def _starter(frame: FrameType | None) -> str:
    """Return the module that starts a program; empty if it cannot be told."""
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        top = name.partition(".")[0]
        if top not in _MEANS and not name.startswith("qcode.network"):
            return name
        frame = frame.f_back
    return ""
