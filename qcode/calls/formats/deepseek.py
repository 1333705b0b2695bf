"""DeepSeek V3 and V3.1: special tokens.

Source: the chat templates of DeepSeek-V3 and V3.1. The bars are U+FF5C and the
blanks U+2581; servers and people also write them in ASCII, twice, or not at all.
"""

from __future__ import annotations

import re

from qcode.calls.sections import SectionFormat

_BARS = ("｜", "|", "||", "")
_BLANKS = ("▁", "_", " ")


def _token(words: str) -> tuple[str, ...]:
    return tuple(f"<{bar}{words.replace(' ', blank)}{bar}>" for bar in _BARS for blank in _BLANKS)


_SEPARATOR = r"<(?:[｜|]{0,2})tool[▁_ ]sep(?:[｜|]{0,2})>"

FORMATS = (
    SectionFormat(
        "deepseek",
        section=_token("tool calls begin"),
        call=_token("tool call begin"),
        call_end=_token("tool call end"),
        section_end=_token("tool calls end"),
        header=re.compile(
            rf"\s*(?:function{_SEPARATOR}(?=[^\s<{{]))?(?P<name>[^\s<>{{}}|｜`]{{1,120}})\s*"
            rf"(?:{_SEPARATOR})?\s*(?:```(?:json)?\s*)?"
            r"(?=[{\[]|<[｜|]{0,2}tool[▁_ ]call[▁_ ]end)"
        ),
    ),
)
