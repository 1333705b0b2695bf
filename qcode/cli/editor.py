"""Having a person change a text in the editor of theirs."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from qcode.errors import QcodeError, UsageError


def editor() -> list[str]:
    """Return the words that start the person's editor; none if it could not be seen or is none."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        return []
    for name in ("VISUAL", "EDITOR"):
        if written := os.environ.get(name, "").strip():
            try:
                return shlex.split(written)
            except ValueError as error:
                raise UsageError(f"`{name}` cannot be read: {error}") from error
    return []


def edit(words: list[str], file: Path) -> None:
    """Have an editor change a file, and wait until it ends.

    It is the person's own program in their own terminal, so no sandbox is around it.

    Raises:
        QcodeError: it cannot be started, or ended otherwise than well.
    """
    # Ctrl-C is for the editor; a handler, unlike SIG_IGN, is not passed on to it.
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        code = subprocess.call([*words, str(file)])
    except OSError as error:
        raise UsageError(
            f"the editor `{words[0]}` cannot be started: {error.strerror}",
            hint="set VISUAL or EDITOR to another one",
        ) from error
    finally:
        signal.signal(signal.SIGINT, before)
    if code:
        how = f"with {code}" if code > 0 else f"by signal {-code}"
        raise QcodeError(f"the editor `{words[0]}` ended {how}")
