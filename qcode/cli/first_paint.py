"""The prompt of an interactive session before anything else is loaded.

Importing what a session needs takes some tenths of a second. The prompt stands there before,
and keys pressed meanwhile wait in the terminal, unechoed, for the line that reads them. What was
typed even before that is kept here until then.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import termios
from typing import Any

_PROMPT = b"\x1b[36m> \x1b[0m"
_PLAIN_PROMPT = b"> "
_before: list[Any] | None = None
_is_shown = False
_early = b""


def is_wanted(argv: list[str]) -> bool:
    """Whether there is a terminal that can take a prompt back."""
    if {"-h", "--help"} & set(argv) or os.environ.get("TERM", "dumb") in ("", "dumb", "unknown"):
        return False
    return os.isatty(0) and os.isatty(1)


def paint() -> None:
    """Show the prompt, and keep keys from being echoed."""
    global _before, _is_shown, _early
    try:
        _before = termios.tcgetattr(0)
        quiet = termios.tcgetattr(0)
        quiet[0] &= ~termios.ICRNL
        quiet[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(0, termios.TCSANOW, quiet)
        _early = _waiting_keys()
        # What was typed was echoed; it will stand in the line.
        os.write(1, b"\r" + (_PLAIN_PROMPT if os.environ.get("NO_COLOR") else _PROMPT) + b"\x1b[K")
        _is_shown = True
    except (OSError, termios.error):
        restore()


def _waiting_keys() -> bytes:
    """Return the keys pressed before the terminal was told to leave them as they are."""
    count: int = struct.unpack("i", fcntl.ioctl(0, termios.FIONREAD, b"\0" * 4))[0]
    # The terminal had made a newline of the Enter key, which is another key.
    return os.read(0, count).replace(b"\n", b"\r") if count else b""


def early_keys() -> str:
    """Return what was typed before the prompt stood there, once."""
    global _early
    keys, _early = _early, b""
    return keys.decode("utf-8", "replace")


def clear() -> None:
    """Take the prompt away: something else is to stand there."""
    global _is_shown
    if _is_shown:
        _is_shown = False
        try:
            sys.stdout.flush()
            os.write(1, b"\r\x1b[K")
        except (OSError, AttributeError):
            pass  # the terminal is gone


def restore() -> None:
    """Leave the terminal as it was found."""
    global _before
    clear()
    if _before is not None:
        try:
            termios.tcsetattr(0, termios.TCSANOW, _before)
        except (OSError, termios.error):
            pass  # it was closed
        _before = None
