"""Splitting a growing text into what is said, what is thought and what is called.

The text is looked at once: what is certainly no call is given out at once, and
from the first sign of a call on it is held until the format whose sign it is
has decided. What was decided early is what would have been decided with the
whole text in hand, so the cuts of the stream make no difference.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from qcode.calls.cursor import Cursor, Ending, Undecided
from qcode.calls.formats import Format, Place, at
from qcode.calls.formats.fenced import FENCES
from qcode.calls.formats.strays import skip
from qcode.calls.formats.thinking import CLOSERS
from qcode.calls.found import CLOSED, CONTENT, REASONING, Fault, Region
from qcode.calls.offered import Offered
from qcode.record import Record, replace

WASTE = 8 << 20
"""Characters that may be looked at for calls that turn out to be none; then markup is text."""

_EAGER = 2048
"""A held text up to this length is looked at again whenever it grows."""
_CREDIT = 8
"""How often, on average, each further character may be copied while it is held."""
_ATTEMPT = 512
"""Characters that an attempt in vain counts for at least."""
_MARKS = re.compile(r"[>}\])`]")
"""Without one of these a call hardly ends."""
_QUOTES = "\"'“‘«"
_CUT_TAG = re.compile(r"</?[^\s<>]{0,40}|\][^\s]{0,40}")
"""An outer closer that was cut, behind a call."""
_INDENT = 8
"""Blanks before an opener that starts a line."""
_FENCE_LINE = 64
"""Characters within which a line shows whether it closes a code block."""


class Text(Record):
    """A piece of content or reasoning, in order."""

    channel: str
    text: str


class Calls(Record):
    """A region with calls, as the format read it and as it stood in the text."""

    channel: str
    region: Region
    text: str
    format: str


class Closed(Record):
    """All content so far was reasoning: its opening tag stood in the prompt."""


Item = Text | Calls | Closed


class _Signs:
    """The openers of all formats, prepared for the search."""

    def __init__(self) -> None:
        self.anywhere = dict(at(Place.ANYWHERE))
        self.line = dict(at(Place.LINE))
        self.message = dict(at(Place.MESSAGE))
        by_length = sorted(self.anywhere, key=len, reverse=True)
        # Alternatives that begin with a literal let the search skip to its characters.
        tags = "|".join(re.escape(each[1:]) for each in by_length if each.startswith("<"))
        others = [re.escape(each) for each in by_length if not each.startswith("<")]
        line = "|".join(re.escape(each) for each in self.line)
        self.search = re.compile(
            "|".join([f"<(?:{tags})", *others, rf"\n[ \t]{{0,{_INDENT}}}(?={line})"])
        ).search
        self.everywhere = {
            opener: (*self.anywhere.get(opener, ()), *self.line.get(opener, ()))
            for opener in (*self.anywhere, *self.line)
        }
        # One opener may begin with another: the formats of both are asked, the longer first.
        for table in (self.anywhere, self.everywhere):
            for opener in sorted(table, key=len):
                for shorter in table:
                    if opener != shorter and opener.startswith(shorter):
                        table[opener] = (*table[opener], *table[shorter])
        longer_first = sorted(self.everywhere, key=len, reverse=True)
        self.at_any = re.compile("|".join(map(re.escape, by_length))).match
        self.at_line = re.compile("|".join(map(re.escape, longer_first))).match
        begun = {opener[:n] for opener in self.anywhere for n in range(1, len(opener))}
        self.begun = frozenset(begun)
        self.longest = max(map(len, self.anywhere))
        first = re.escape("".join(sorted({opener[0] for opener in self.anywhere})))
        self.first = re.compile(f"[{first}]").search
        self.any_sign = re.compile(f"[\n{first}]").search


@cache
def _signs() -> _Signs:
    return _Signs()


class Scanner:
    """Feed it a text in pieces, then `finish`; both return what is certain by then.

    `channel` is what the text is to begin with.
    """

    def __init__(self, offered: Offered, channel: str = CONTENT) -> None:
        self._offered = offered
        self._signs = _signs()
        self._channel = channel
        self._ending = Ending.OPEN
        self._buffer = "\n"
        """One character that was given out already, then what was not."""
        self._at = 1
        self._waiting: list[str] = []
        """Pieces that came while a region was undecided."""
        self._waiting_length = 0
        self._held = False
        self._memo: dict[tuple[str, int], Any] = {}
        self._credit = 0
        self._retry_length = 0
        self._line_blank = True
        """Whether only blanks were given out since the start of the line."""
        self._message_blank = True
        """Whether only blanks were given out since the message, or its content, began."""
        self._content_blank = True
        self._after_calls = False
        """Whether only blanks were given out since the last call."""
        self._fence = ""
        """The backticks that opened the code block which the text is in."""
        self._at_line_sign = False
        """Whether what is undecided is a sign by standing at the start of a line."""
        self._wasted = 0
        self._out: list[Item] = []

    @property
    def held(self) -> str:
        """The beginning of a region that is not decided yet, for whoever shows progress."""
        return self._buffer[self._at : self._at + 400] if self._held else ""

    def feed(self, text: str) -> list[Item]:
        """Take the next piece."""
        if not text:
            return []
        if self._held:
            self._waiting.append(text)
            self._waiting_length += len(text)
            self._credit += len(text) * _CREDIT
            if not self._worth_a_look(text):
                return []
            text = "".join(self._waiting)
            self._waiting.clear()
            self._waiting_length = 0
        elif self._is_plain(text):
            self._line_blank = self._after_calls = False
            self._content_blank = self._content_blank and self._channel != CONTENT
            self._buffer = text[-1]
            self._at = 1
            return [Text(self._channel, text)]
        self._buffer = self._buffer[self._at - 1 :] + text
        self._at = 1
        return self._scan()

    def _is_plain(self, text: str) -> bool:
        """Whether a piece is certainly text, to be given out without a further look."""
        return (
            self._at == len(self._buffer)
            and not self._message_blank
            and not self._fence
            and self._buffer[-1] != "\n"
            and self._signs.any_sign(text) is None
            and not text.isspace()
        )

    def finish(self, ending: Ending) -> list[Item]:
        """There is no more."""
        self._ending = ending
        self._buffer = self._buffer[self._at - 1 :] + "".join(self._waiting)
        self._at = 1
        self._waiting.clear()
        return self._scan()

    def _worth_a_look(self, text: str) -> bool:
        length = len(self._buffer) - self._at + self._waiting_length
        if length <= _EAGER or length >= self._retry_length:
            return True
        if self._credit >= length and _MARKS.search(text):
            self._credit -= length
            return True
        return False

    def _scan(self) -> list[Item]:
        self._held = False
        try:
            while self._step():
                pass
        except Undecided:
            self._held = True
            if self._at != 1:  # places in the text stay the same from here on
                self._buffer = self._buffer[self._at - 1 :]
                self._at = 1
                self._memo.clear()
            self._retry_length = 2 * len(self._buffer)
        out, self._out = self._out, []
        return out

    def _step(self) -> bool:
        """Get past the next sign of a call; False if all was given out that can be."""
        if self._fence:
            return self._leave_fence()
        if self._wasted > WASTE:
            self._give_out(len(self._buffer))
            return False
        if self._message_blank and self._begin_message():
            return True
        text = self._buffer
        if not self._at_line_sign:
            begin = self._at - 1 if text[self._at - 1] == "\n" else self._at
            match = self._signs.search(text, begin)
            if match is None:
                self._give_out(self._certain())
                return False
            # Kept while the sign is undecided: what made it one may have been given out.
            self._at_line_sign = text[match.start()] == "\n"
            self._give_out(match.end() if self._at_line_sign else match.start())
        is_line, start = self._at_line_sign, self._at
        taken = self._try(is_line=is_line)
        self._at_line_sign = False
        if not taken and is_line and self._channel == CONTENT:
            self._enter_fence(start)
        return True

    def _begin_message(self) -> bool:
        """Try what counts at the start of a message only; whether something was taken."""
        text = self._buffer
        start = self._at
        while start < len(text) and text[start].isspace():
            start += 1
        if start == len(text):
            return False
        cursor = Cursor(text, start, self._ending)
        opener = cursor.sees(*self._signs.message)
        if not opener:
            # The signs of other places are looked for as everywhere.
            self._message_blank = self._message_blank and bool(
                cursor.sees(*self._signs.anywhere, *self._signs.line)
            )
            return False
        self._give_out(start)
        for form in self._signs.message[opener]:
            if self._read(form):
                return True
        self._message_blank = bool(cursor.sees(*self._signs.anywhere, *self._signs.line))
        return False

    def _try(self, *, is_line: bool) -> bool:
        """Ask the formats whose opener stands here; without a call the opener is text."""
        text, start = self._buffer, self._at
        table = self._signs.everywhere if is_line else self._signs.anywhere
        match = (self._signs.at_line if is_line else self._signs.at_any)(text, start)
        assert match is not None
        opener = match[0]
        for form in table[opener]:
            if self._read(form):
                return True
        self._message_blank = False
        self._give_out(start + (1 if is_line else len(opener)))
        return False

    def _read(self, form: Format) -> bool:
        text, start = self._buffer, self._at
        cursor = Cursor(
            text,
            start,
            self._ending,
            line_start=self._line_blank,
            message_start=self._message_blank,
            after_calls=self._after_calls,
            memo=self._memo,
        )
        region = form.read(cursor, self._offered)
        if region is not None and (region.is_text or self._is_quoted(form, region)):
            self._wasted += max(cursor.reach - start, _ATTEMPT)
            self._give_out(region.end)
            return True
        if region is None or (self._channel == REASONING and not _is_draft(region, text, start)):
            self._wasted += max(cursor.reach - start, _ATTEMPT)
            return False
        self._take(form, region)
        return True

    def _is_quoted(self, form: Format, region: Region) -> bool:
        """Whether a region is spoken of: quoted, or with prose around it on its line."""
        text, start = self._buffer, self._at
        if text[start - 1] == "`":
            return True
        if not region.calls or self._channel != CONTENT or form.place is not Place.ANYWHERE:
            return False
        if text[start - 1] in _QUOTES:
            return True
        if self._line_blank:
            return False
        behind = Cursor(text, region.end, self._ending)
        skip(behind)
        if behind.ended():
            return False
        rest = text[region.end : behind.at]
        return "\n" not in rest and not behind.sees(*self._signs.anywhere)

    def _take(self, form: Format, region: Region) -> None:
        if region.calls and region.calls[-1].fault is Fault.TRUNCATED:
            # What was cut has no end: all that follows is of it.
            region = replace(region, end=len(self._buffer))
        text = self._buffer[self._at : region.end]
        for channel, piece in region.pieces:
            self._out.append(Text(channel, piece))
        if region.calls:
            self._out.append(Calls(self._channel, region, text, form.name))
            self._message_blank = False
            self._after_calls = True
            self._content_blank = self._content_blank and self._channel != CONTENT
        else:
            self._wasted += _ATTEMPT
        if region.channel == CLOSED and self._channel == CONTENT:
            self._out.append(Closed())
            self._content_blank = True
        if region.channel:
            self._channel = CONTENT if region.channel == CLOSED else region.channel
            if self._channel == CONTENT:
                self._message_blank = self._content_blank
        self._at = region.end
        self._memo.clear()
        self._line_blank = True

    def _give_out(self, end: int) -> None:
        """Say that the text up to there is text."""
        if end <= self._at:
            return
        piece = self._buffer[self._at : end]
        self._at = end
        self._memo.clear()
        if self._after_calls and not piece.isspace():
            self._after_calls = False
            if self._ending is not Ending.OPEN and self._begins_sign(piece.strip()):
                return  # of an outer closer that was cut
        line = piece.rpartition("\n")
        if line[1]:
            self._line_blank = not line[2] or line[2].isspace()
        else:
            self._line_blank = self._line_blank and piece.isspace()
        if not piece.isspace():
            self._message_blank = False
            self._content_blank = self._content_blank and self._channel != CONTENT
        self._out.append(Text(self._channel, piece))

    def _begins_sign(self, text: str) -> bool:
        """Whether a text is the cut beginning of some family's markup, and no word."""
        return text in self._signs.begun or _CUT_TAG.fullmatch(text) is not None

    def _certain(self) -> int:
        """Return the end of what cannot be the beginning of an opener."""
        text = self._buffer
        end = len(text)
        if self._ending is not Ending.OPEN:
            return end
        signs = self._signs
        begin = max(self._at, end - signs.longest + 1)
        while (match := signs.first(text, begin)) is not None:
            if text[match.start() :] in signs.begun:
                end = match.start()
                break
            begin = match.end()
        # An opener may follow at the start of a line: what leads up to it is held.
        newline = text.rfind("\n", max(self._at - 1, end - _INDENT - 3), end)
        if newline >= 0:
            rest = text[newline + 1 :].lstrip(" \t")
            if any(opener.startswith(rest) for opener in signs.line):
                return max(newline + 1, self._at)
        return end

    def _enter_fence(self, start: int) -> None:
        """From here to the closing fence all is text, if a code block begins here."""
        mark = self._buffer[start]
        if not self._buffer.startswith(FENCES, start):
            return
        end = start
        while end < len(self._buffer) and self._buffer[end] == mark:
            end += 1
        self._fence = self._buffer[start:end]
        self._give_out(end)

    def _leave_fence(self) -> bool:
        text = self._buffer
        begin = self._at
        while True:
            found = text.find("\n", begin)
            if found < 0:
                self._give_out(len(text))
                return False
            begin = found + 1
            line_end = text.find("\n", begin)
            line = text[begin : line_end if line_end >= 0 else len(text)]
            if line_end < 0 and self._ending is Ending.OPEN:
                bare = line.strip(" \t\r")
                if len(line) < _FENCE_LINE and not bare.strip(self._fence[0]):
                    self._give_out(begin - 1)  # it may become the closing fence
                    return False
                continue
            bare = line.strip(" \t\r")
            if bare.startswith(self._fence) and not bare.strip(self._fence[0]):
                self._fence = ""
                self._give_out(begin + len(line))
                return True


def _is_draft(region: Region, text: str, start: int) -> bool:
    """Whether what reasoning holds is a whole call, or markup; a part of one is text there."""
    if not region.calls:
        return True
    if any(call.fault is not Fault.NONE or call.unclosed for call in region.calls):
        return False
    # A draft without an end must not run into what comes after the reasoning.
    return not any(text.find(closer, start, region.end) >= 0 for closer in CLOSERS)
