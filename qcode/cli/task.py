"""The task of a headless run: the argument, stdin, or both."""

from __future__ import annotations

import os
import stat
import sys

from qcode.cli.noting import Note
from qcode.errors import UsageError

STDIN_PATIENCE_S = 3.0
"""How long a pipe beside a prompt may stay silent. CI runners leave pipes open for ever."""


def read_prompt(given: str | None, note: Note) -> str:
    """Return the task: the argument, stdin, or both.

    Raises:
        UsageError: there is none, or stdin cannot be read.
    """
    wants_stdin = given is None or given == "-"
    piped = _stdin_text(patient=wants_stdin, note=note)
    if wants_stdin:
        text = piped
    else:
        text = f"{given}\n\n{piped}" if piped.strip() else given or ""
    if not text.strip():
        raise UsageError("there is no task", hint='qcode run "what to do", or pipe it to stdin')
    return text


def typed(given: str | None) -> str:
    """Return what of the task a person typed, and may point at things by `@`.

    What comes by a pipe may be anybody's words: a bug report, the output of a program.
    """
    return "" if given in (None, "-") else str(given)


def _stdin_text(*, patient: bool, note: Note) -> str:
    """Return what is piped to stdin; nothing when it is a terminal or closed."""
    try:
        fd = sys.stdin.fileno() if sys.stdin else -1
        kind = os.fstat(fd).st_mode
    except (OSError, ValueError):
        return ""
    if os.isatty(fd):
        return ""
    if not patient:
        if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or stat.S_ISREG(kind)):
            return ""
        import select

        if not stat.S_ISREG(kind) and not select.select([fd], [], [], STDIN_PATIENCE_S)[0]:
            note(
                f"nothing came on stdin within {STDIN_PATIENCE_S:g} s; going on without it "
                "(use `-` instead of a prompt to wait for it)"
            )
            return ""
    try:
        data = sys.stdin.buffer.read()
    except OSError as error:
        raise UsageError(f"cannot read stdin: {error.strerror}") from error
    if b"\0" in data[:8192]:
        raise UsageError("stdin is binary", hint="pipe text, or name the file in the prompt")
    return data.decode("utf-8", "replace")
