"""gpt-oss: the harmony format, with its special tokens or without.

Source: the harmony response format as OpenAI publishes it. `analysis` is
reasoning, `final` the answer, `commentary` without a recipient is visible; a
recipient in either part of the header makes the message a call.
"""

from __future__ import annotations

import re

from qcode.calls.cursor import Cursor, Ending
from qcode.calls.formats import Place
from qcode.calls.found import CONTENT, REASONING, Fault, Found, Region
from qcode.calls.jsoncalls import read_object
from qcode.calls.offered import Offered

_ENDS = ("<|call|>", "<|end|>", "<|return|>")
_NEXT = ("<|start|>", "<|channel|>")
_MESSAGE = "<|message|>"
_HEADER = re.compile(
    r"(?:<\|start\|>|<\|channel\|>|<\|constrain\|>|[\w.\-:=/ ])*?<\|message\|>|"
    r"(?:<\|start\|>|<\|channel\|>)"
    r"(?:<\|start\|>|<\|channel\|>|<\|constrain\|>|[\w.\-:=/ ]){0,300}"
    r"(?:<\|?[a-z]{0,12}\|?)?\Z"
)
_RECIPIENT = re.compile(r"\bto=([^\s<]+)")
_CHANNEL = re.compile(r"\b(analysis|commentary|final)\b")


class Harmony:
    """One header with the call behind it, or with text that is read on; or the end of a message."""

    name = "harmony"
    openers = (*_NEXT, _MESSAGE, *_ENDS)
    place = Place.ANYWHERE

    def read(self, cursor: Cursor, offered: Offered) -> Region | None:
        if cursor.take(*_ENDS):
            return Region(cursor.at, channel=CONTENT)
        begin = cursor.at
        header = cursor.match(_HEADER, 400)
        if header is None:
            return None
        recipient = _RECIPIENT.search(header[0])
        channel = _CHANNEL.findall(header[0])
        if not header[0].endswith(_MESSAGE):
            if recipient is None:
                return Region(cursor.at) if channel or cursor.message_start else None
            cut = Found(
                _name(recipient[1]), {}, fault=Fault.TRUNCATED, detail="It has no arguments."
            )
            return Region(cursor.at, (cut,))
        if recipient is None:
            if not channel and not header[0].startswith(_NEXT) and begin:
                return None
            is_reasoning = bool(channel) and channel[-1] == "analysis"
            return Region(cursor.at, channel=REASONING if is_reasoning else CONTENT)
        call = _call(cursor, _name(recipient[1]))
        return Region(cursor.at, (call,), channel=CONTENT)


def _name(recipient: str) -> str:
    return recipient.removeprefix("functions.")


def _call(cursor: Cursor, name: str) -> Found:
    cursor.space()
    if cursor.sees("{", "["):
        read = read_object(cursor, (*_ENDS, *_NEXT))
        if read.fault is not Fault.TRUNCATED:
            cursor.space()
            cursor.take(*_ENDS)
        return read.arguments_of(name)
    start = cursor.at
    ends = [at for each in (*_ENDS, *_NEXT) if (at := cursor.text.find(each, start)) >= 0]
    if not ends:
        cursor.await_more()
        cursor.at = len(cursor.text)
        body = cursor.text[start:]
        is_cut = any(body.endswith(end[:n]) for end in _ENDS for n in range(2, len(end)))
        if cursor.ending is Ending.CUT or not body or is_cut:
            return Found(name, {}, fault=Fault.TRUNCATED, detail="It ends within its body.")
        return Found(name, body, as_text=True) if body.strip() else Found(name, {})
    cursor.at = min(ends)
    body = cursor.text[start : cursor.at]
    cursor.take(*_ENDS)
    cursor.reach = max(cursor.reach, cursor.at)
    return Found(name, body, as_text=True)


_PLAIN = re.compile(
    r"(?:^|assistant)(?P<channel>analysis|commentary|final)"
    r"(?:\s*to=(?P<to>[^\s{<]+)\s*(?:code|json)?\s*(?=\S))?"
)


class PlainHarmony:
    """A whole message whose special tokens the server took away."""

    name = "harmony"
    openers = (
        "analysis",
        "commentary to=",
        "assistantanalysis",
        "assistantcommentary",
        "assistantfinal",
    )
    place = Place.MESSAGE

    def read(self, cursor: Cursor, offered: Offered) -> Region | None:
        text = cursor.text[cursor.at :]
        if text.startswith("analysis"):
            follows = text[len("analysis") : len("analysis") + 1]
            if not follows:
                cursor.await_more()
            # The word at the beginning of a sentence is followed by a blank.
            if follows in ("", " ", "\n", ":", ",", "."):
                return None
        cursor.await_more()
        heads = list(_PLAIN.finditer(text))
        if len(heads) < 2 and not (heads and heads[0]["to"]):
            return None
        calls: list[Found] = []
        pieces: list[tuple[str, str]] = []
        for head, following in zip(heads, [*heads[1:], None], strict=True):
            end = following.start() if following else len(text)
            if head["to"]:
                ending = Ending.NATURAL if following else cursor.ending
                inner = Cursor(text[:end], head.end(), ending)
                calls.append(_call(inner, _name(head["to"])))
            else:
                is_reasoning = head["channel"] == "analysis"
                pieces.append((REASONING if is_reasoning else CONTENT, text[head.end() : end]))
        return Region(len(cursor.text), tuple(calls), pieces=tuple(pieces))


FORMATS = (Harmony(), PlainHarmony())
