"""From a command and what was written behind its name to the message that is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from qcode.commands.filling import Piece, pieces, put_in, takes_arguments

Run = Callable[[str], Awaitable[str]]
"""Runs a shell command and returns what it printed, in bounds.

Raises:
    QcodeError: it may not be run.
"""


async def message(body: str, arguments: str, run: Run, *, hint: str = "") -> tuple[str, str]:
    """Return the message, and what of it may point at files: all but what commands printed.

    Raises:
        QcodeError: the text is broken, or a command of it may not be run; nothing is to be sent.
    """
    found = pieces(body)  # all of it is read before anything is run
    if arguments and not takes_arguments(body):
        found.append(Piece("text", f"\n\n{arguments}"))
    text, said = [], []
    for piece in found:
        match piece.kind:
            case "shell":
                printed = await run(put_in(piece.text, arguments, hint=hint, quoted=True))
                text.append(printed.rstrip("\n"))
            case "file":
                mention = _mention(put_in(piece.text, arguments, hint=hint))
                text.append(mention)
                said.append(f" {mention} ")
            case _:
                filled = put_in(piece.text, arguments, hint=hint)
                text.append(filled)
                said.append(filled)
    return "".join(text).strip(), "".join(said).strip()


def _mention(path: str) -> str:
    """Return a path as a message points at it."""
    path = path.strip().strip("\"'")
    return f'@"{path}"' if any(sign.isspace() for sign in path) else f"@{path}"
