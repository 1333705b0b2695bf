"""Long pastes folded to one short mark in the line being written; pure."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable

LINES = 8
CHARACTERS = 2_000
"""What has more of either is folded."""

_MARK = re.compile(r"\[pasted #(\d+): [\d,]+ (?:lines|characters)\]")


class Pasted:
    """Keeps what was folded until the message is sent."""

    def __init__(self) -> None:
        self._kept: dict[int, str] = {}

    def fold(self, text: str) -> str:
        """Return what stands in the line for a paste: the text itself, or a mark."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        lines = text.count("\n") + (not text.endswith("\n"))
        if lines <= LINES and len(text) <= CHARACTERS:
            return text
        number = max(self._kept, default=0) + 1
        self._kept[number] = text
        size = f"{lines:,} lines" if lines > LINES else f"{len(text):,} characters"
        return f"[pasted #{number}: {size}]"

    def unfold(self, text: str) -> str:
        """Return a message with its marks replaced by what was pasted."""

        def whole(mark: re.Match[str]) -> str:
            return self._kept.get(int(mark[1]), mark[0])

        return _MARK.sub(whole, text)

    def forget(self) -> None:
        """Drop what was folded; its numbers are given again."""
        self._kept.clear()


def dragged(text: str, exists: Callable[[str], bool] = os.path.isfile) -> str | None:
    """Return the mention of a file that was dropped on the terminal; None if it is something else.

    Terminals paste its path then: quoted, with backslashes, or as a `file://` address.
    """
    text = text.strip()
    if not text or len(text) > 4096 or "\n" in text:
        return None
    if text.startswith("file://"):
        from urllib.parse import unquote, urlsplit

        path = unquote(urlsplit(text).path)
    else:
        try:
            words = shlex.split(text)
        except ValueError:
            return None
        path = words[0] if len(words) == 1 else text
    if not os.path.isabs(path) or not exists(path) or '"' in path:
        return None
    return f'@"{path}"' if re.search(r"\s", path) else f"@{path}"
