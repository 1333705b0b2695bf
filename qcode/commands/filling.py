"""A command's text in its pieces, and what was written behind its name put in; pure.

```
$ARGUMENTS  {{args}}      all that was written behind the name
$1 … $9  $ARGUMENTS[0]    its words
!{git log}  !`git log`    what a shell command prints
@{notes.md}  @notes.md    a file, given behind the message
```

What stands in a fence is shown to the model as it is, but for arguments. Arguments are words, and
stay so: in a shell command they are quoted, and no piece begins in them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from qcode.errors import QcodeError
from qcode.markdown import fence_of, is_end_of
from qcode.record import Record

_ALL = re.compile(r"\$ARGUMENTS(?:\[(\d)\])?(?![A-Za-z_])|\{\{\s*args\s*\}\}|\$([1-9])(?!\d)")
_BEGIN = re.compile(r"!\{|(?:(?<=[\s(:])|(?<!.))!`|@\{")


class Piece(Record):
    """A part of a command's text."""

    kind: str
    """`text`, `shell` or `file`."""
    text: str


def pieces(body: str) -> list[Piece]:
    """Return the pieces of a command's text, in order.

    Raises:
        QcodeError: one of them has no end.
    """
    found: list[Piece] = []
    plain: list[str] = []
    fence = ""
    outside: list[str] = []

    def flush() -> None:
        if outside:
            for piece in _pieces("".join(outside)):
                if piece.kind == "text":
                    plain.append(piece.text)
                else:
                    _close(plain, found)
                    found.append(piece)
            outside.clear()

    # A piece may go over lines, but not into a fence.
    for line in body.splitlines(keepends=True):
        bare = line.rstrip("\n")
        if fence:
            plain.append(line)
            fence = "" if is_end_of(fence, bare) else fence
        elif fence := fence_of(bare):
            flush()
            plain.append(line)
        else:
            outside.append(line)
    flush()
    _close(plain, found)
    return found


def _close(plain: list[str], found: list[Piece]) -> None:
    if text := "".join(plain):
        found.append(Piece("text", text))
    plain.clear()


def _pieces(text: str) -> list[Piece]:
    found = []
    at = 0
    while (start := _BEGIN.search(text, at)) is not None:
        if text[at : start.start()]:
            found.append(Piece("text", text[at : start.start()]))
        begin, mark = start.end(), start[0]
        end = text.find("`", begin) if mark == "!`" else _closing(text, begin)
        if end < 0:
            line = text[: start.start()].rsplit("\n", 1)[-1] + mark
            raise QcodeError(f"its `{line.strip()[-40:]}` has no end")
        kind = "file" if mark == "@{" else "shell"
        if inner := text[begin:end].strip():
            found.append(Piece(kind, inner))
        at = end + 1
    if text[at:]:
        found.append(Piece("text", text[at:]))
    return found


def _closing(text: str, begin: int) -> int:
    """Return where the bracket closes that was opened before `begin`; -1: nowhere."""
    depth = 1
    for at in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return at
    return -1


def words_of(arguments: str) -> list[str]:
    """Return the words of what was written, those in quotes as one."""
    try:
        return shlex.split(arguments)
    except ValueError:
        return arguments.split()


def fill(text: str, arguments: str, *, hint: str = "") -> str:
    """Return a text with the arguments in it, or behind it where it has no place for them.

    `$1` is left as it is where there are none and `hint` names none: it is likely awk's.
    """
    if not takes_arguments(text):
        return f"{text}\n\n{arguments}" if arguments else text
    return put_in(text, arguments, hint=hint)


def takes_arguments(text: str) -> bool:
    """Whether there is a place for what is written behind the name."""
    return _ALL.search(text) is not None


def put_in(text: str, arguments: str, *, hint: str = "", quoted: bool = False) -> str:
    """Return a piece with the arguments in their places; `quoted`: as words of a shell."""
    words = words_of(arguments)

    def put(match: re.Match[str]) -> str:
        which = match[1] if match[1] is not None else match[2]
        if which is None:
            return _whole(match[0], arguments, words) if quoted else arguments
        if match[2] is not None and not (arguments or hint):
            return match[0]
        number = int(which) - (match[2] is not None)
        word = words[number] if number < len(words) else ""
        return shlex.quote(word) if quoted and word else word

    return _ALL.sub(put, text)


def _whole(mark: str, arguments: str, words: Sequence[str]) -> str:
    # Gemini CLI's form is one word of the shell, Claude Code's as many as were typed.
    if not arguments:
        return ""
    return shlex.quote(arguments) if mark.startswith("{") else shlex.join(words)
