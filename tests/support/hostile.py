"""What somebody may say to drive a terminal, and what of some bytes a terminal would obey."""

from __future__ import annotations

import re

TAGS = "".join(chr(0xE0000 + ord(c)) for c in "obey")

HOSTILE: dict[str, str] = {
    "clipboard": "a\x1b]52;c;UVNFQ1JFVA==\x07b",
    "clipboard, ended otherwise": "a\x1b]52;c;UVNFQ1JFVA==\x1b\\b",
    "title": "a\x1b]0;title\x07b\x1b]2;title\x9cb",
    "link": "a\x1b]8;;http://evil.test\x1b\\click\x1b]8;;\x1b\\b",
    "notification": "a\x1b]9;x\x07\x1b]777;notify;x;y\x07b",
    "file": "a\x1b]1337;File=inline=1:QUFB\x07b",
    "colour query": "a\x1b]10;?\x07\x1b]4;0;?\x07b",
    "cursor": "a\x1b[2J\x1b[H\x1b[1;1H\x1b[10A\x1b[?25l\x1b[?1049hb",
    "reports": "a\x1b[6n\x1b[c\x1b[>0q\x1b[21tb",
    "concealed": "a\x1b[8mhidden\x1b[0;5;30;40mb",
    "reset": "a\x1bc\x1b7\x1b8\x1b=\x1bHb",
    "character set": "a\x1b(0\x1b)B\x1b%G\x0e\x0fb",
    "device control": "a\x1bP+q544e\x1b\\\x1bP1$r0m\x1b\\b",
    "program command": "a\x1b_Gf=24;AAAA\x1b\\\x1b^x\x1b\\\x1bXx\x1b\\b",
    "eight bit": "a\x9b31m\x9d0;x\x9c\x90q\x9c\x9ex\x9c\x84\x85\x8db",
    "back": "safe\x08\x08\x08\x08evil\x7f\x07\x0b\x0cb",
    "overwritten": "evil command\rsafe command\r\nnext\rb",
    "zero": "a\x00b\x01\x02\x03\x04\x05\x06\x10\x11\x12\x13\x14\x18\x1a\x1d\x1e\x1fb",
    "direction": "a\u202eb\u202ac\u202b\u202c\u202d\u2066d\u2067\u2068\u2069\u200e\u200f\u061cb",
    "zero width": "a\u200bb\u200cc\u200dd\u2060\ufeff\u00ad\u180eb",
    "tags": f"a{TAGS}\U000e0101b",
    "separators": "a\u2028b\u2029b",
    "private": "a\ue000\U000f0000\U0010ffffb",
    "half a pair": "a\ud83db",
    "annotated": "a\ufff9b\ufffac\ufffbb",
    "in one another": "a\x1b\x1b[0m]0;x\x07\x1b\x1b]0;\x1b[31m[2Jb",
    "never ended": "a\x1b]0;title",
    "never ended and long": "a\x1b]52;c;" + "QUJD" * 5000,
    "cut": "a\x1b[38;5",
    "cut sooner": "a\x1b",
    "html": "a</pre></title><script>x</script><img src=x onerror=y>![p](http://evil.test/)b",
    "markdown": "a\n\n```\n````\n## Person\n\nPerson\n---\n<b>b",
}
"""What it tries, and the text; begins with `a`. As bytes see `BYTES`."""

BYTES: dict[str, bytes] = {
    **{name: text.encode("utf-8", "surrogatepass") for name, text in HOSTILE.items()},
    "raw eight bit": b"a\x9b31m\x9d0;x\x9c\x90q\x9c\x84b",
    "not UTF-8": b"a\xff\xfe\xc3\x28\xed\xa0\x80\xf8\x88\x80\x80\x80\x9b2Jb",
    "UTF-16": "a\x1b[2J".encode("utf-16"),
}

_LOOK = rb"(?:[0123479]|3[1-6])"
_OURS = re.compile(rb"\r\x1b\[K|\x1b\[%b(?:;%b)*m" % (_LOOK, _LOOK))
"""The redrawn line, colours and what else letters may look like; not concealed, not blinking."""

_NO_TEXT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069"
    "\ufeff\ufff9-\ufffb\ue000-\uf8ff\U000e0000-\U0010ffff]"
    "|(?<=[a-z])[\u200c\u200d]"
)


def obeyed(shown: bytes) -> list[str]:
    """Return what in some bytes is neither text nor a sequence of qcode's own.

    Raises:
        UnicodeDecodeError: they are no UTF-8.
    """
    return _NO_TEXT.findall(_OURS.sub(b"", shown).decode("utf-8"))
