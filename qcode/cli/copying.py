"""`/copy [N]`: the last answer, or its Nth block of code, to the clipboard.

By the terminal itself (OSC 52), which works over ssh, too, and by the system's own program
where there is one.
"""

from __future__ import annotations

import base64
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from qcode.errors import UsageError
from qcode.messages import AssistantMessage
from qcode.ui.printable import printable

if TYPE_CHECKING:
    from qcode.session import Session

MOST_BYTES = 74_994
"""That a terminal is told at once: xterm and others take 100,000 characters of base64."""
_TIMEOUT_S = 3.0
_PROGRAMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    # where it works, and what it is
    ("WAYLAND_DISPLAY", ("wl-copy",)),
    ("DISPLAY", ("xclip", "-selection", "clipboard")),
    ("DISPLAY", ("xsel", "--clipboard", "--input")),
)

Write = Callable[[str], None]


def copy(session: Session, text: str, write: Write | None = None) -> str:
    """Copy the last answer, or its Nth block of code; return what was copied where.

    `write` puts characters to the terminal as they are; None: stdout, if it is one.

    Raises:
        UsageError: there is nothing to copy, or no such block.
    """
    answer = _last_answer(session)
    what = "the last answer"
    if which := text.strip():
        blocks = blocks_of(answer)
        if not which.isdecimal() or not 0 < int(which) <= len(blocks):
            have = {0: "no block of code", 1: "one block of code"}.get(
                len(blocks), f"blocks of code 1 to {len(blocks)}"
            )
            raise UsageError(f"the last answer has {have}", hint="`/copy` takes all of it")
        answer, what = blocks[int(which) - 1], f"block {which}"
    # As it was shown: what is pasted must not be more than what was read.
    answer = printable(answer)
    ways = put(answer, os.environ, write or _to_stdout)
    if not ways:
        raise UsageError(
            "nothing here can be copied to",
            hint="a terminal with OSC 52, or pbcopy, wl-copy, xclip or xsel",
        )
    lines = answer.count("\n") + (not answer.endswith("\n"))
    return f"copied {what}, {lines} line{'' if lines == 1 else 's'}, by {' and '.join(ways)}"


def put(text: str, environ: Mapping[str, str], write: Write) -> list[str]:
    """Put a text into the clipboard by all ways there are; return which."""
    ways = []
    data = text.encode("utf-8", "replace")
    if argv := program(environ):
        from qcode.sandbox.plain import feed

        if feed(argv, data, env=environ, timeout_s=_TIMEOUT_S):
            ways.append(os.path.basename(argv[0]))
    # A longer one would be cut in silence, or dropped.
    if len(data) <= MOST_BYTES and environ.get("TERM", "dumb") not in ("", "dumb", "linux"):
        write(osc52(data, inside_tmux=bool(environ.get("TMUX"))))
        ways.append("the terminal")
    return ways


def osc52(data: bytes, *, inside_tmux: bool = False) -> str:
    """Return what has a terminal take data into its clipboard."""
    sequence = f"\x1b]52;c;{base64.b64encode(data).decode()}\x07"
    return f"\x1bPtmux;\x1b{sequence}\x1b\\" if inside_tmux else sequence


def program(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the program that fills the clipboard here, with its arguments; empty: none."""
    known = [("PATH", ("pbcopy",))] if sys.platform == "darwin" else list(_PROGRAMS)
    # A folder that is named relatively is that of the project.
    places = [p for p in environ.get("PATH", "").split(os.pathsep) if os.path.isabs(p)]
    for variable, (name, *rest) in known:
        if environ.get(variable) and (found := shutil.which(name, path=os.pathsep.join(places))):
            return (found, *rest)
    return ()


def blocks_of(answer: str) -> list[str]:
    """Return what stands in the fences of an answer, in order."""
    from qcode.markdown import fence_of, is_end_of

    blocks: list[str] = []
    fence = ""
    inside: list[str] = []
    for line in answer.split("\n"):
        if not fence:
            fence, inside = fence_of(line), []
        elif is_end_of(fence, line):
            blocks.append("".join(f"{each}\n" for each in inside))
            fence = ""
        else:
            inside.append(line)
    if fence and inside:  # the answer was cut
        blocks.append("".join(f"{each}\n" for each in inside))
    return blocks


def _last_answer(session: Session) -> str:
    for message in reversed(session.history.messages):
        if isinstance(message, AssistantMessage) and message.text.strip():
            return message.text.strip("\n")
    raise UsageError("nothing was answered yet")


def _to_stdout(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
