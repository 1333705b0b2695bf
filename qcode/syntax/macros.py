"""What the preprocessor of C hides from a grammar.

A macro may stand where the language has no such thing, and braces may be opened under one
`#if` and closed under another. The grammars of the C family read the text as it is written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qcode.syntax.faults import Fault

GRAMMARS = frozenset({"c", "cpp", "objc", "cuda", "arduino"})
_MACRO = re.compile(rb"\b_*[A-Z][A-Z0-9]*_[A-Z0-9_]+\b|\b[A-Z][A-Z0-9]{3,}\b")
_IF = re.compile(rb"^[ \t]*#[ \t]*if", re.MULTILINE)
_ENDIF = re.compile(rb"^[ \t]*#[ \t]*endif", re.MULTILINE)


def may_be_right(fault: Fault, data: bytes) -> bool:
    """Whether a fault may be one of the grammar alone."""
    if "#endif" in fault.words:
        return len(_IF.findall(data)) == len(_ENDIF.findall(data))
    begin = data.rfind(b"\n", 0, fault.at) + 1
    end = data.find(b"\n", fault.at)
    line = data[begin : end if end >= 0 else len(data)]
    previous = data[data.rfind(b"\n", 0, max(begin - 1, 0)) + 1 : max(begin - 1, 0)]
    return any(_MACRO.search(one) and _is_balanced(one) for one in (line, previous))


def _is_balanced(line: bytes) -> bool:
    return line.count(b"(") == line.count(b")") and line.count(b"[") == line.count(b"]")
