"""A shell text to the words that bash makes of it, or the admission that this is not known.

The gate in front of every "no question needed": it reads a small part of the language,
the part in which what is written is what is run. All else is `Unknown` and has to be asked
about, also what is harmless. It does not try to be a parser of shell.
"""

from __future__ import annotations

import re

from qcode.record import Record

CHARACTERS = 4096
COMMANDS = 32
WORDS = 256
"""Texts with more are not read at all."""


class Word(Record):
    """One word of a command, as the program gets it."""

    text: str
    globbed: bool = False
    """It has an unquoted `*`, `?` or `[`: file names may come in its place."""


class Simple(Record):
    """One program with its arguments."""

    words: tuple[Word, ...]
    after: str
    """What joins it to the one before: `;`, `&&`, `||`, `|`; the first has `;`."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The words without how they were written."""
        return tuple(word.text for word in self.words)

    @property
    def is_globbed(self) -> bool:
        """Whether bash may put other words in the place of one."""
        return any(word.globbed for word in self.words)


class Unknown(Record):
    """A text that is not read further, and why."""

    reason: str
    place: int
    """Where in the text."""


_PLAIN = re.compile(r"(?:[A-Za-z0-9_@%+:,./=-]|(?<=[A-Za-z0-9_])[~^](?![^ \t\n;|&0-9]))+")
"""A tilde and a caret mean themselves behind a letter, as in `HEAD~1` and `HEAD^`."""
_SPACE = re.compile(r"[ \t]+")
_OPERATOR = re.compile(r"&&|\|\||[;|\n]")
_REDIRECTION = re.compile(r"(?:2>&1|2>/dev/null|>/dev/null)(?=[ \t\n;|&]|\Z)")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"([^"$`!\\]*)"')
_GLOB = re.compile(r"[*?\[\]]+")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")

_SAID = {
    "\\": "a backslash",
    "$": "an expansion ($)",
    "`": "a command substitution",
    "(": "a subshell or function",
    ")": "a subshell or function",
    "{": "a brace",
    "}": "a brace",
    "<": "a redirection",
    ">": "a redirection",
    "&": "a background command",
    "~": "a tilde",
    "#": "a comment",
    "!": "an exclamation mark",
    "^": "a caret",
    "'": "an open quote",
    '"': "an expansion in quotes",
}


def read(text: str) -> tuple[Simple, ...] | Unknown:
    """Return the programs that a text runs with exactly the words that they get."""
    if len(text) > CHARACTERS:
        return Unknown("it is too long to be analysed", CHARACTERS)
    return _Reader(text).read()


class _Stop(Exception):
    """Reading ends here."""

    def __init__(self, reason: str, place: int) -> None:
        super().__init__(reason)
        self.found = Unknown(reason, place)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.count = 0

    def read(self) -> tuple[Simple, ...] | Unknown:
        found: list[Simple] = []
        joined = ";"
        try:
            while True:
                words = self._command()
                operator = self._operator()
                if words:
                    if len(found) == COMMANDS:
                        raise _Stop("it has too many commands to be analysed", self.at)
                    found.append(Simple(tuple(words), joined))
                    joined = operator
                elif operator == "\n":
                    continue  # an empty line, also after an operator
                elif operator or joined in ("&&", "||", "|"):
                    raise _Stop("it lacks a command", self.at)
                if not operator:
                    return tuple(found) if found else Unknown("it is empty", 0)
                joined = ";" if joined == "\n" else joined
        except _Stop as stop:
            return stop.found

    def _operator(self) -> str:
        match = _OPERATOR.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match.group()

    def _command(self) -> list[Word]:
        """Return the words up to the next operator; none for an empty command."""
        words: list[Word] = []
        redirected = False
        while True:
            if space := _SPACE.match(self.text, self.at):
                self.at = space.end()
            if self.at == len(self.text) or _OPERATOR.match(self.text, self.at):
                break
            if redirection := _REDIRECTION.match(self.text, self.at):
                self.at = redirection.end()
                redirected = True
                continue
            start = self.at
            word, is_plain = self._word()
            if not words and is_plain and _ASSIGNMENT.match(word.text):
                raise _Stop(f"it sets the variable {word.text.split('=')[0]}", start)
            words.append(word)
            self.count += 1
            if self.count > WORDS:
                raise _Stop("it has too many words to be analysed", start)
        if redirected and not words:
            raise _Stop("it has a redirection without a command", self.at)
        return words

    def _word(self) -> tuple[Word, bool]:
        """Return the word here and whether none of it was quoted."""
        parts: list[str] = []
        globbed = quoted = False
        text = self.text
        while self.at < len(text):
            char = text[self.at]
            if match := _PLAIN.match(text, self.at):
                parts.append(match.group())
            elif match := _GLOB.match(text, self.at):
                globbed = True
                parts.append(match.group())
            elif match := _SINGLE.match(text, self.at) or _DOUBLE.match(text, self.at):
                quoted = True
                inner = match.group(1)
                for offset, each in enumerate(inner):
                    if not (each == "\t" or each.isprintable()):
                        raise _Stop("it has an invisible character", self.at + 1 + offset)
                parts.append(inner)
            elif ord(char) > 0xA0 and char.isalpha():
                parts.append(char)
                self.at += 1
                continue
            elif char in " \t\n;|" or text.startswith("&&", self.at):
                break
            else:
                odd = "an unusual" if char.isprintable() else "an invisible"
                said = _SAID.get(char, f"{odd} character")
                raise _Stop(f"it has {said}", self.at)
            self.at = match.end()
        return Word("".join(parts), globbed), not quoted
