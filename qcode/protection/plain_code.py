"""Code of many languages as lines without comments and layout; pure, and no parser."""

from __future__ import annotations

import re
from functools import lru_cache

from qcode.record import Record

_STRINGS = r'"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`'
_SINGLE = r"|'(?:\\.|[^'\\\n])*'"
_HASH = frozenset(
    {"rb", "sh", "bash", "bats", "pl", "t", "ex", "exs", "jl", "r", "yml", "yaml", "cfg", "toml"}
)
_DASHES = frozenset({"lua", "hs", "sql"})
_RUSTY = frozenset({"rs"})
_NO_SEMICOLONS = frozenset({"js", "jsx", "ts", "tsx", "mjs", "cjs", "mts", "cts", "vue", "svelte"})


class Line(Record):
    """One line that says something."""

    text: str
    number: int
    """From 1."""


@lru_cache(maxsize=32)
def _scanner(extension: str) -> re.Pattern[str]:
    strings = _STRINGS
    strings += r"|'(?:\\.[^']{0,8}|[^'\\\n])'" if extension in _RUSTY else _SINGLE
    if extension in _HASH:
        comments = r"(?<![\w$\\])\#(?!\{).*|^=begin[\s\S]*?^=end"
    elif extension in _DASHES:
        comments = r"--\[\[[\s\S]*?\]\]|--.*|\{-[\s\S]*?-\}"
    else:
        comments = r"//.*|/\*[\s\S]*?\*/"
        if extension == "php":
            comments += r"|\#(?!\[).*"
    return re.compile(rf"(?P<string>{strings})|(?P<comment>{comments})", re.MULTILINE)


def uncommented(extension: str, text: str) -> str:
    """Return the text without comments, line for line."""

    def replaced(match: re.Match[str]) -> str:
        if match["comment"] is None:
            return match[0]
        return "\n" * match[0].count("\n") or " "

    return _scanner(extension).sub(replaced, text)


def lines_of(extension: str, text: str) -> list[Line]:
    """Return the lines that say something, each with its layout taken out."""
    found: list[Line] = []
    for number, line in enumerate(uncommented(extension, text).splitlines(), 1):
        plain = " ".join(tokens(extension, line))
        if plain:
            found.append(Line(plain, number))
    return found


_TOKEN = re.compile(rf"{_STRINGS}{_SINGLE}|\w+|\S")


def tokens(extension: str, text: str) -> list[str]:
    """Return the words and signs of a text without comments; those that say nothing left out."""
    found: list[str] = []
    for token in _TOKEN.findall(text):
        if token == ";" and extension in _NO_SEMICOLONS:
            continue
        if token in (")", "]", "}") and found and found[-1] == ",":
            found.pop()
        if token[0] == "'" and len(token) > 1 and extension in _NO_SEMICOLONS:
            inner = token[1:-1]
            token = f'"{inner}"' if '"' not in inner and "\\" not in inner else token
        found.append(token)
    if found and found[-1] == "," and "\n" not in text:
        found.pop()
    return found
