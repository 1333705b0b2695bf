"""Whether a command certainly only reads, and only what may be read.

Certain means: each word is known (`words`), each program and option is on the list
(`table`), each path leads into the workspace. It decides whether a person is asked, no
more; what a command can do is the sandbox's affair.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from qcode.record import Record
from qcode.shell.table import (
    BUILTINS,
    FIND_ALONE,
    FIND_PATHS,
    FIND_VALUES,
    RG,
    TABLE,
    Options,
)
from qcode.shell.words import Simple, Unknown, read

WORK = 600
"""Path components that are looked up for one text: more are not worth the time."""
DIRECTORIES = 6
"""In how many directories a command may come to run."""


class Place(Record):
    """Where a command would run, and what may be read there."""

    cwd: str
    """A real path."""
    readable: Callable[[str], str]
    """Why a real path is not to be read unasked (outside, hidden, protected), or nothing."""
    search: tuple[str, ...]
    """PATH of the command."""
    written: Callable[[str], bool]
    """Whether a real directory is one in which a command may have put a program."""


class _Doubt(Exception):
    """It is not certain, and why."""


def doubt(text: str, place: Place) -> str:
    """Return why it is not certain that a text only reads, or nothing."""
    found = read(text)
    if isinstance(found, Unknown):
        return found.reason
    return next(filter(None, doubts(found, place)), "")


def doubts(commands: Sequence[Simple], place: Place) -> list[str]:
    """Return for each command of a text why it is not certain, or nothing."""
    looking = _Looking(place)
    return [looking.at(command) for command in looking.pipelines(commands)]


class _Looking:
    """One text being looked at: where its commands can run, and how much work is left."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.left = WORK
        self.seen: dict[str, str] = {}
        self.programs: dict[str, str] = {}
        self.directories: set[str] = {place.cwd}
        self.moves_to = ""
        """Where the command that was looked at last goes, if it is a `cd`."""

    def pipelines(self, commands: Sequence[Simple]) -> Iterator[Simple]:
        """Yield the commands, with `directories` set to where each can run.

        A `cd` may fail or be left out, so after one there are two directories, unless
        `&&` says which.
        """
        passed, failed = {self.place.cwd}, set[str]()
        for number, command in enumerate(commands):
            piped = command.after == "|"
            starts_pipe = number + 1 < len(commands) and commands[number + 1].after == "|"
            if not piped:
                skipped_passed, skipped_failed = set[str](), set[str]()
                if command.after == "&&":
                    self.directories, skipped_failed = passed, failed
                elif command.after == "||":
                    self.directories, skipped_passed = failed, passed
                else:
                    self.directories = passed | failed
                here = self.directories
            self.moves_to = ""
            yield command
            if not piped:
                passed, failed = skipped_passed | here, skipped_failed | here
                if self.moves_to and not starts_pipe:  # in a pipe it moves a subshell alone
                    went = {_joined(each, self.moves_to) for each in here}
                    passed = skipped_passed | went

    def at(self, command: Simple) -> str:
        """Return the doubt about one command."""
        try:
            if len(self.directories) > DIRECTORIES:
                raise _Doubt("it changes the directory too often to be analysed")
            self.command(command)
        except _Doubt as found:
            return str(found)
        return ""

    def command(self, command: Simple) -> None:
        if command.is_globbed:
            raise _Doubt("it has a pattern for file names")
        name, *rest = command.texts
        if name not in TABLE and name not in ("cd", "find", "rg", "sed"):
            shown = name if name.isprintable() and len(name) <= 40 else "it"
            raise _Doubt(f"{shown} is not known to only read")
        self.program(name)
        match name:
            case "cd":
                self.moves(rest)
            case "find":
                self.find(rest)
            case "sed":
                self.sed(rest)
            case _:
                self.options(name, RG if name == "rg" else TABLE[name], rest)

    def program(self, name: str) -> None:
        """Make sure that a name means the system's program."""
        if name in BUILTINS:
            return
        if name not in self.programs:
            self.programs[name] = self.shadowed(name)
        if self.programs[name]:
            raise _Doubt(self.programs[name])
        for other in TABLE[name].also if name in TABLE else ():
            self.program(other)

    def shadowed(self, name: str) -> str:
        for folder in self.place.search:
            self.left -= 2
            program = os.path.join(folder, name)
            if not os.path.isabs(folder):
                return f"{name} may be a program of the workspace"
            if os.path.lexists(program):
                real = os.path.realpath(folder)
                return f"{name} is a program of the workspace" if self.place.written(real) else ""
        return ""

    def moves(self, words: Sequence[str]) -> None:
        if len(words) != 1 or not words[0] or words[0].startswith("-"):
            raise _Doubt("where cd goes is not known")
        self.path(words[0])
        for directory in self.directories:
            written = os.path.join(directory, words[0])
            # Bash takes `..` from the words, all others from the file system.
            if not os.path.isdir(written) or os.path.realpath(written) != os.path.realpath(
                os.path.normpath(written)
            ):
                raise _Doubt("where cd goes is not known")
        self.moves_to = words[0]

    def find(self, words: Sequence[str]) -> None:
        rest = list(words)
        while rest and rest[0] in ("-H", "-P"):
            rest.pop(0)
        while rest and not rest[0].startswith("-") and rest[0] not in ("(", ")", "!", ","):
            self.path(rest.pop(0))
        while rest:
            part = rest.pop(0)
            if part in FIND_ALONE:
                continue
            if part not in FIND_VALUES | FIND_PATHS:
                raise _Doubt(f"find {_short(part)} is not known to only read")
            if not rest:
                raise _Doubt(f"find {part} has no value")
            value = rest.pop(0)
            if part in FIND_PATHS:
                self.path(value)

    def sed(self, words: Sequence[str]) -> None:
        if len(words) < 2 or words[0] != "-n" or not _SED_PRINTS.fullmatch(words[1]):
            raise _Doubt("sed is only known to read as sed -n 'N,Mp'")
        for word in words[2:]:
            if word.startswith("-") and word != "-":
                raise _Doubt("sed is only known to read as sed -n 'N,Mp'")
            self.path(word)

    def options(self, name: str, known: Options, words: Sequence[str]) -> None:
        if known.operands == "anything":
            return
        operands: list[str] = []
        given: set[str] = set()
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if word == "--":
                operands += rest
                break
            if word.startswith("--"):
                given.add(self.long(name, known, word, rest))
            elif known.numbers and _NUMBER.fullmatch(word):
                continue
            elif word.startswith("-") and word != "-":
                given.add(self.short(name, known, word, rest))
            else:
                operands.append(word)
        if known.operands == "pattern" and not given & _INSTEAD_OF_PATTERN:
            operands = operands[1:]
        self.operands(name, known, operands)

    def long(self, name: str, known: Options, word: str, rest: list[str]) -> str:
        """Look at an option like `--color=auto`; return its name."""
        option, glued, value = word[2:].partition("=")
        alone, with_value = _forms(known.long)
        if glued and option in with_value:
            self.value(value)
        elif not glued and option in with_value - alone and rest:
            self.value(rest.pop(0))
        elif glued or option not in alone:
            raise _Doubt(f"{name} {_short(word)} is not known to only read")
        return option

    def short(self, name: str, known: Options, word: str, rest: list[str]) -> str:
        """Look at short options in one word; return the one that takes a value, if any."""
        for place, option in enumerate(word[1:], 2):
            if option in known.flags:
                continue
            if option not in known.values or not (word[place:] or rest):
                raise _Doubt(f"{name} {_short(word)} is not known to only read")
            self.value(word[place:] or rest.pop(0))
            return option
        return ""

    def operands(self, name: str, known: Options, operands: Sequence[str]) -> None:
        many = known.most is not None and len(operands) > known.most
        from_pipe = not operands or "-" in operands
        if many or (operands and known.operands == "none") or (known.only_files and from_pipe):
            raise _Doubt(f"{name} with these operands is not known to only read")
        if known.operands == "format" and not all(each.startswith("+") for each in operands):
            raise _Doubt("date may set the clock")
        if known.numbers and any(each.startswith("+") for each in operands):
            raise _Doubt(f"{name} may take what begins with + for an option")
        if known.operands in ("paths", "pattern"):
            for operand in operands:
                self.path(operand)

    def value(self, text: str) -> None:
        """Look at an option's value: elsewhere the option may take none, and this be a path."""
        if len(text) > 1:
            self.path(text)

    def path(self, text: str) -> None:
        """Make sure that a path leads to what may be read, wherever the command runs."""
        if text in ("-", "/dev/null"):
            return
        for directory in self.directories:
            joined = os.path.join(directory, text)
            if joined not in self.seen:
                self.left -= joined.count("/") + 1
                if self.left < 0:
                    raise _Doubt("it has too many paths to be analysed")
                self.seen[joined] = self.place.readable(os.path.realpath(joined))
            if self.seen[joined]:
                raise _Doubt(self.seen[joined])


_SED_PRINTS = re.compile(r"(?:\d{1,9}|\$)(?:,(?:\d{1,9}|\$))?p")
_NUMBER = re.compile(r"-\d+")
_INSTEAD_OF_PATTERN = {"e", "f", "regexp", "file", "files", "type-list"}


@lru_cache
def _forms(long: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the long options that may stand alone, and those that take a value."""
    parts = long.split()
    return (
        frozenset(part for part in parts if not part.endswith("=")),
        frozenset(part.removesuffix("=") for part in parts if part.endswith("=")),
    )


def _joined(directory: str, written: str) -> str:
    return os.path.normpath(os.path.join(directory, written))


def _short(word: str) -> str:
    return word if len(word) <= 40 else f"{word[:40]}…"
