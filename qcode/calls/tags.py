"""Values between tags that nothing escapes: where does one end?

A closing tag inside a value looks like the one behind it. It is taken for the
real one only if what follows makes sense there; the rules and their reasons
stand in docs/decisions/0006.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from qcode.calls.cursor import Cursor, Ending
from qcode.calls.found import Fault, Found
from qcode.record import Record

_LONGEST_OPENER = 200
_LONGEST_TOKEN = 600
_CUT_TAG = re.compile(r"</?[^<>\n]{0,160}")


class Tags(Record):
    """The markup around the parameters of one family; see `make_tags`."""

    opener: re.Pattern[str]
    token: re.Pattern[str]
    behind: re.Pattern[str]
    """What makes a closer real, where it stands whole behind it."""
    after: tuple[str, ...]
    blank: re.Pattern[str]
    strips_newline: bool


class Nested(Record):
    """How a call that stands inside a value looks, as patterns, and the tag that ends it."""

    example: str
    """Its beginning up to the first parameter: certainly a call that is shown."""
    mention: str
    """Its beginning alone."""
    end: str


def make_tags(
    opener: str,
    closer: str,
    *,
    nested: Nested,
    after: tuple[str, ...],
    strips_newline: bool,
    blank: str = r"\s*",
) -> Tags:
    """Return the tags of a family, all of which begin with `<`.

    `opener` is the pattern of a parameter's opening tag, with its name as the
    group `key`. `after` is what may follow a real closer besides another
    parameter and the end, the end of a call first; closing tags among it end a
    value that has none. With `strips_newline`, one newline at each end is markup.
    """
    outer = "|".join(re.escape(each[1:]) for each in after if "/" in each)
    # Both alternatives begin with a literal, so the search skips to their characters.
    token = (
        rf"<(?:(?P<example>{nested.example[1:]})|(?P<closer>{re.escape(closer[1:])})"
        rf"|(?P<outer>{outer}))"
        rf"|\n[ \t]*(?:(?P<opener>{opener})|(?P<mention>{nested.mention}))"
    )
    after = (nested.end, *(each for each in after if each != nested.end))
    behind = rf"{blank}(?:{'|'.join(map(re.escape, after))}|{opener})"
    return Tags(
        re.compile(opener),
        re.compile(token),
        re.compile(behind),
        after,
        re.compile(blank),
        strips_newline,
    )


class Value(Record):
    """The text of a parameter, and whether its end was there."""

    text: str
    closed: bool


def read_value(cursor: Cursor, tags: Tags, is_next: Callable[[str], bool]) -> Value:
    """Take the value that begins at the cursor, and its closing tag if there is one.

    `is_next` tells whether the call may go on with a parameter of that name.

    Raises:
        Undecided: its end is not certain yet.
    """
    start = cursor.at
    if tags.strips_newline:
        start += _newline(cursor)
    value = _scan(cursor, tags, is_next, start, mentions=True)
    if value is None and cursor.ending is Ending.NATURAL:
        # A call that is only mentioned has no end of its own, and took the real one.
        value = _scan(cursor, tags, is_next, start, mentions=False)
    if value is None:
        cursor.at = len(cursor.text)
        return Value(cursor.text[start:], closed=False)
    return value


class _Scan:
    """How far the search for a value's end has come."""

    __slots__ = ("at", "calls", "depth", "outer", "paired", "plain")

    def __init__(self, at: int) -> None:
        self.at = at
        self.depth = 0
        """Parameters that the value shows and that are open here."""
        self.calls = 0
        """Calls that it shows and that are open here."""
        self.plain = True
        """Whether it has shown neither so far."""
        self.paired: tuple[int, int] | None = None
        """A closer behind which a parameter follows that the tool has not."""
        self.outer = -1


def _scan(
    cursor: Cursor, tags: Tags, is_next: Callable[[str], bool], start: int, *, mentions: bool
) -> Value | None:
    """Return the value up to its end; None if no end makes sense.

    What stands inside calls that the value shows is not looked at; `mentions`
    counts their bare beginnings as such.
    """
    text = cursor.text
    # A sibling may begin on the value's first line.
    begin = max(cursor.at, start - 1) if tags.strips_newline else start
    scan = cursor.memo.setdefault((f"scan {mentions}", start), _Scan(begin))
    for match in tags.token.finditer(text, scan.at):
        # If a token cannot be judged yet, the search goes on with it.
        scan.at = match.start()
        kind = match.lastgroup
        if kind in ("example", "mention"):
            scan.calls += kind == "example" or mentions
            scan.plain = False
        elif scan.calls:
            scan.calls -= match[0] == tags.after[0]
        elif kind == "opener":
            if not scan.depth and is_next(match["key"]):
                # The value has no closer of its own: its neighbour begins here. Or it has one,
                # and between them stood a parameter that the tool has not.
                if scan.paired is not None:
                    return _end(cursor, tags, start, *scan.paired)
                return _end(cursor, tags, start, match.start(), match.start("opener"))
            # A file that shows this very format: its closer closes nothing of ours.
            scan.depth += 1
            scan.plain = False
        elif kind == "outer":
            if scan.outer < 0 and scan.plain:
                scan.outer = match.start()
        elif scan.depth:
            scan.depth -= 1
        elif _is_real(cursor, tags, match.end(), is_next):
            return _end(cursor, tags, start, match.start(), match.end())
        elif scan.paired is None and scan.plain and _precedes_any(cursor, tags, match.end()):
            scan.paired = match.span()
        scan.at = match.end()
    # No token is longer than that, so none begins before and ends behind it.
    scan.at = max(scan.at, len(text) - _LONGEST_TOKEN)
    cursor.await_more()
    if cursor.ending is not Ending.NATURAL:
        return None
    # No closer makes sense: a parameter that the tool has not, or an outer closer, follows.
    if scan.paired is not None:
        return _end(cursor, tags, start, *scan.paired)
    if scan.outer >= 0 and _closes_all(cursor, tags, scan.outer):
        return _end(cursor, tags, start, scan.outer, scan.outer)
    return None


def _closes_all(cursor: Cursor, tags: Tags, at: int) -> bool:
    """Whether nothing but closing tags, or another call behind them, follows."""
    ahead = Cursor(cursor.text, at, Ending.NATURAL)
    while ahead.take(*(each for each in tags.after if "/" in each)):
        ahead.skip(tags.blank)
    return ahead.ended() or cursor.text.startswith("<", ahead.at)


def cut_in_tag(cursor: Cursor, name: str, arguments: dict[str, str]) -> Found | None:
    """Return the call if the text ends here within a tag, else None.

    An outer closer that is cut lacks nothing, unless the answer was.

    Raises:
        Undecided: the tag may go on.
    """
    if _CUT_TAG.fullmatch(cursor.text, cursor.at) is None:
        return None
    cursor.await_more()
    is_whole = cursor.text.startswith("</", cursor.at) and cursor.ending is Ending.NATURAL
    cursor.at = len(cursor.text)
    return Found(
        name,
        arguments,
        as_text=True,
        fault=Fault.NONE if is_whole else Fault.TRUNCATED,
        detail="" if is_whole else "It ends within a tag.",
        unclosed=True,
    )


def _newline(cursor: Cursor) -> int:
    """Return the length of the line break that stands here."""
    if cursor.take("\r\n", "\n"):
        length = 2 if cursor.text[cursor.at - 2 : cursor.at] == "\r\n" else 1
        cursor.at -= length
        return length
    return 0


def _end(cursor: Cursor, tags: Tags, start: int, end: int, behind: int) -> Value:
    value = cursor.text[start : max(start, end)]
    if tags.strips_newline and value.endswith("\n"):
        # The lines of the markup end alike.
        value = value[:-1]
        if cursor.text[start - 2 : start] == "\r\n":
            value = value.removesuffix("\r")
    cursor.at = behind
    cursor.reach = max(cursor.reach, behind)
    return Value(value, closed=True)


def _is_real(cursor: Cursor, tags: Tags, at: int, is_next: Callable[[str], bool]) -> bool:
    """Whether a closer makes sense, judged by what stands behind it."""
    behind = tags.behind.match(cursor.text, at)
    if behind is not None:
        key = behind["key"]
        return key is None or is_next(key)
    if len(cursor.text) - at > _LONGEST_TOKEN:
        ahead = cursor.text[at : at + 1]
        if not ahead.isspace() and ahead != "\\":
            return False
    # Near the end, or behind many blanks: with care for what is still to come.
    ahead_of = Cursor(cursor.text, at, cursor.ending)
    ahead_of.skip(tags.blank)
    if ahead_of.ended() or ahead_of.sees(*tags.after):
        return True
    key = _opener(ahead_of, tags)
    return key is not None and is_next(key)


def _precedes_any(cursor: Cursor, tags: Tags, at: int) -> bool:
    behind = tags.behind.match(cursor.text, at)
    return behind is not None and behind["key"] is not None


def _opener(cursor: Cursor, tags: Tags) -> str | None:
    if cursor.text[cursor.at] not in "<]":
        return None
    match = cursor.match(tags.opener, _LONGEST_OPENER)
    return match["key"] if match else None
