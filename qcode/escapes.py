"""Text without what a terminal would obey, and with what nobody sees made visible.

A sequence may be split between the pieces of a stream: the end that may be a part of
one is held back. A sequence that never ends is no sequence: it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

LONGEST = 8192
"""Characters that a sequence may have, and that a stream holds back at most."""

_INTRODUCERS = "\x1b\x90\x98\x9b\x9d\x9e\x9f"
_CSI_OPEN = rf"(?:\x1b\[|\x9b)[0-?]{{0,{LONGEST}}}[ -/]{{0,{LONGEST}}}"
# Nothing that is sent for good reason has control characters in it; with them left out,
# the time to find the end grows with the text only.
_STRING_OPEN = rf"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x00-\x1f\x7f-\x9f]{{0,{LONGEST}}}"
_SHORT_OPEN = r"\x1b[ -/]{0,8}"
_WHOLE = (
    rf"{_CSI_OPEN}[@-~]"  # colours, cursor
    rf"|{_STRING_OPEN}(?:\x07|\x1b\\|\x9c)"  # title, clipboard, links, …
    r"|\x1b(?:[ -/]{1,8}[0-~]|[0-OQ-WYZ\\`-~])"  # character sets, reset, …
)
_OPEN = rf"(?:{_CSI_OPEN}|{_STRING_OPEN}\x1b?|{_SHORT_OPEN})"

_JOINERS = "\u200c\u200d"
_JOINABLE = "\u0600-\u1fff\u2190-\u2bff\u3000-\ud7ff\uf900-\ufaff\ufe0f\U00010000-\U000dffff"
"""Scripts and symbols that are written with joiners; elsewhere a joiner only hides something."""
_SELECTORS = "\ufe00-\ufe0f"
_ODD = (
    rf"(?<![{_JOINABLE}])[{_JOINERS}]|[{_JOINERS}](?![{_JOINABLE}])"
    rf"|(?<=[{_SELECTORS}])[{_SELECTORS}]"
)
"""Signs that are unseen where they stand: joiners of nothing, selectors of selectors."""


# Compiled when the first odd character comes: that costs a millisecond.
@cache
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression)


def without_sequences(text: str) -> str:
    """Return the text without whole escape sequences."""
    if _last_introducer(text, len(text)) < 0:
        return text
    return _compiled(_WHOLE).sub("", text)


def unfinished(text: str) -> int:
    """Return from where on the text may be the beginning of a sequence."""
    at = _last_introducer(text, len(text))
    if at < 0:
        return len(text)
    # An escape at the end may be half of what ends the sequence before it.
    before = _last_introducer(text, at) if at == len(text) - 1 and text[at] == "\x1b" else -1
    for start in (before, at):
        if start >= 0 and _compiled(_OPEN).fullmatch(text, start):
            return start
    return len(text)


def _last_introducer(text: str, end: int) -> int:
    if text.isascii():
        return text.rfind("\x1b", 0, end)
    return max(text.rfind(each, 0, end) for each in _INTRODUCERS)


def seen(text: str, *, before: str = "") -> str:
    """Return the text with control characters left out and unseen ones written out.

    What directs the writing, joins nothing or belongs to nobody is shown as `\\u{…}`; it may
    hide instructions or turn words round. Tabs, newlines and carriage returns stay. `before`
    is the character before the text, where it counts (see `Plain`).
    """
    if text.isascii():
        return text if text.isprintable() else text.translate(_SEEN)
    text = before + text
    if any(map(text.__contains__, _JOINERS)) or not _SELECTING.isdisjoint(text):
        text = _compiled(_ODD).sub(lambda found: _written_out(ord(found[0])), text)
    return text.translate(_SEEN)[len(before.translate(_SEEN)) :]


_SELECTING = frozenset(map(chr, range(0xFE00, 0xFE10)))


def _written_out(code: int) -> str:
    return f"\\u{{{code:x}}}"


def is_unseen(code: int) -> bool:
    """Return whether a character is nothing that is read: control, format, private, half a pair."""
    # Tags and selectors that carry bytes, and what is no character and never will be.
    if 0xE0000 <= code <= 0xE0FFF or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF:
        return True
    if chr(code).isprintable() or chr(code) in _JOINERS:
        return False
    from unicodedata import category

    kind = category(chr(code))
    signs = code in range(0x600, 0x606) or code in (0x6DD, 0x70F, 0x890, 0x891, 0x8E2)
    return kind in ("Cc", "Cs", "Co") or (kind == "Cf" and not signs)


class _Seen(dict[int, "str | int"]):
    """Filled as characters come: all of Unicode would be too much to say beforehand."""

    def __missing__(self, code: int) -> str | int:
        shown: str | int = code
        if code in (0x2028, 0x2029):
            shown = "\n"
        elif is_unseen(code):
            shown = "\ufffd" if code < 0xA0 else _written_out(code)
        self[code] = shown
        return shown


_SEEN = _Seen(dict.fromkeys((*range(0x20), 0x7F), ""))
_SEEN.update({0x09: 0x09, 0x0A: 0x0A, 0x0D: 0x0D, 0x1B: "␛"})


def with_tags_seen(text: str) -> str:
    """Return the text with tag characters written out, but for flags that are made of them.

    They are letters that only a model reads.
    """
    if text.isascii() or max(text) < "\U000e0000":
        return text
    return _compiled(_TAGS).sub(
        lambda found: found[0] if len(found[0]) > 1 else _written_out(ord(found[0])), text
    )


_TAGS = "\U0001f3f4[\U000e0061-\U000e007a]{5}\U000e007f|[\U000e0000-\U000e007f]"


class Plain:
    """Takes text in pieces; gives out what `plain` would of the whole.

    `returns` says what becomes of carriage returns.
    """

    def __init__(self, returns: Callable[[str], str]) -> None:
        self._returns = returns
        self._cut = ""
        self._end = ""
        self._before = ""

    def feed(self, text: str) -> str:
        """Take a piece, return what can be shown by now."""
        text = self._cut + text
        at = unfinished(text)
        self._cut = text[at:]
        return self._show(without_sequences(text[:at]), last=False)

    def flush(self) -> str:
        """Return what is held back: nothing more comes."""
        shown = self._show(without_sequences(self._cut), last=True)
        self._cut, self._before = "", ""
        return shown

    def _show(self, text: str, *, last: bool) -> str:
        text, self._end = self._end + text, ""
        if text and not last and text[-1] in "\r\u200c\u200d":
            text, self._end = text[:-1], text[-1]
        if not text:
            return ""
        shown = seen(self._returns(text), before=self._before)
        final = text[-1]
        counts = final in _SELECTING or _compiled(f"[{_JOINABLE}]").match(final)
        self._before = final if counts else ""
        return shown


def lines_for_returns(text: str) -> str:
    """Return the text with newlines for carriage returns, so that no line can be overwritten."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def last_state(line: str) -> str:
    """Return what is left of a line that was overwritten, as progress bars do."""
    line = line.rstrip("\r")
    return line[line.rfind("\r") + 1 :]


def plain(text: str, returns: Callable[[str], str] = lines_for_returns) -> str:
    """Return the text without sequences and control characters, the unseen written out."""
    return seen(returns(without_sequences(text)))
