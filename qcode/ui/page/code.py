"""Code and differences in colour, line by line; the only place that knows pygments.

What is coloured comes from files and models: colouring is given up where it would take long,
and never changes what is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from typing import Any

BLOCK_CHARS = 30_000
"""Longer blocks stay plain."""
LINE_CHARS = 2_000
"""Blocks with longer lines, too: they are data, and lexers look back and forth in them."""
PAGE_CHARS = 400_000
"""Of a page; what comes after stays plain."""

_HUNK = re.compile(r"^@@ .*@@|^\*\*\* (?:Begin|Update|Add|Delete)", re.MULTILINE)
_FILES = ("diff --git ", "--- ", "+++ ", "index ", "*** ", "new file", "deleted file", "rename ")
_NUMBERED = re.compile(r"^ *\d+[\t→]", re.MULTILINE)


class Colours:
    """Colours the code of one page."""

    def __init__(self) -> None:
        self._left = PAGE_CHARS

    def code(self, safe: str, language: str = "", file: str = "") -> str:
        """Return safe text as HTML, in colour if it is known in which language it is."""
        if language in ("diff", "patch", "udiff"):
            return difference(safe)
        lexer = self._lexer(safe, language, file)
        return "\n".join(_lines(lexer, safe)) if lexer else escape(safe)

    def numbered(self, safe: str, file: str) -> str:
        """Return the lines of a file with their numbers, as `read_file` gives them."""
        every = safe.split("\n")
        cut = [_NUMBERED.match(line) for line in every]
        count = next((n for n, match in enumerate(cut) if match is None), len(every))
        if count < 2:
            return escape(safe)
        bare = "\n".join(line[m.end() :] for line, m in zip(every, cut[:count], strict=False) if m)
        coloured = self.code(bare, file=file).split("\n")
        out = [f'<span class="l">{escape(m[0])}</span>' for m in cut[:count] if m]
        both = [number + line for number, line in zip(out, coloured, strict=True)]
        return "\n".join([*both, *(escape(line) for line in every[count:])])

    def _lexer(self, text: str, language: str, file: str) -> Any:
        if not (language or file) or len(text) > min(BLOCK_CHARS, self._left):
            return None
        if max(map(len, text.split("\n"))) > LINE_CHARS:
            return None
        lexer = _known(language[:40], _ending(file))
        if lexer is not None:
            self._left -= len(text)
        return lexer


def _ending(file: str) -> str:
    name = re.split(r"[/\\]", file)[-1][-80:]
    return name if re.fullmatch(r"[\w.+-]+", name) else ""


@lru_cache(64)
def _known(language: str, name: str) -> Any:
    from pygments.lexers import find_lexer_class_for_filename, get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        if language:
            lexer: Any = get_lexer_by_name(language)
        else:
            found = find_lexer_class_for_filename(name)
            lexer = found() if found else None
    except (ClassNotFound, ValueError):
        return None
    if lexer is not None and lexer.name in ("Text only", "Text output"):
        return None
    return lexer


def _lines(lexer: Any, text: str) -> Iterator[str]:
    """Yield each line as HTML; the text of it is that of the line, whatever the lexer makes."""
    line: list[str] = []
    # The other way in would change line ends and drop empty lines at the ends.
    for _at, token, value in lexer.get_tokens_unprocessed(text):
        name = _class(token)
        for number, part in enumerate(value.split("\n")):
            if number:
                yield "".join(line)
                line.clear()
            if part:
                words = escape(part)
                line.append(f'<span class="{name}">{words}</span>' if name else words)
    yield "".join(line)


@lru_cache(500)
def _class(token: Any) -> str:
    return next((name for kind, name in _classes() if token in kind), "")


@lru_cache(1)
def _classes() -> list[tuple[Any, str]]:
    from pygments.token import Comment, Keyword, Name, Number, Operator, String

    return [
        (Comment, "c"),
        (String, "s"),
        (Number, "m"),
        (Keyword, "k"),
        (Operator.Word, "k"),
        (Name.Function, "n"),
        (Name.Class, "n"),
        (Name.Decorator, "t"),
        (Name.Builtin, "t"),
        (Name.Tag, "k"),
        (Name.Attribute, "t"),
        (Name.Constant, "m"),
    ]


def is_difference(text: str) -> bool:
    """Whether a text is a patch."""
    return bool(_HUNK.search(text[:20_000])) or text.startswith("diff --git ")


def is_numbered(text: str) -> bool:
    """Whether a text is lines of a file with their numbers."""
    return _NUMBERED.match(text) is not None


def difference(safe: str) -> str:
    """Return a patch as HTML, in colours that do not stand alone: the signs stay."""
    return "\n".join(map(_changed, safe.split("\n")))


def _changed(line: str) -> str:
    kind = ""
    if line.startswith(_FILES):
        kind = "file"
    elif line.startswith("@@"):
        kind = "hunk"
    elif line.startswith("+"):
        kind = "add"
    elif line.startswith("-"):
        kind = "del"
    return f'<span class="{kind}">{escape(line)}</span>' if kind else escape(line)


def between(before: str, after: str) -> str:
    """Return what an edit takes out and puts in, as the lines of a patch."""
    from difflib import unified_diff

    old, new = before.split("\n"), after.split("\n")
    if len(old) * len(new) > 4_000_000:
        return "\n".join([*(f"-{line}" for line in old), *(f"+{line}" for line in new)])
    lines = list(unified_diff(old, new, lineterm="", n=3))[2:]
    return "\n".join(line for line in lines if not line.startswith("@@ -1"))
