"""All commands with their arguments, as the parsers declare them, for shells to complete."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Literal, TypeAlias

from qcode.record import Record

Takes: TypeAlias = Literal["nothing", "word", "file", "folder"]

_FILES = frozenset({"FILE", "PATH", "MODEL"})
_FOLDERS = frozenset({"DIR"})
_PARSER = argparse.ArgumentParser


class Option(Record):
    """One option of a command."""

    names: tuple[str, ...]
    about: str = ""
    takes: Takes = "nothing"
    choices: tuple[str, ...] = ()
    """All that its value can be, where that is known."""


class Node(Record):
    """A command, by the words that lead to it."""

    words: tuple[str, ...]
    about: str
    options: tuple[Option, ...]
    commands: tuple[tuple[str, str], ...]
    """What may follow, each with its help."""
    choices: tuple[str, ...]
    """What its first argument can be."""
    takes_files: bool
    """Whether its arguments may be files."""


def tree() -> tuple[Node, ...]:
    """Return all commands, the program itself first."""
    from qcode.cli import COMMANDS

    top = argparse.ArgumentParser(add_help=True)
    import_module("qcode.cli.interactive").configure(top)
    # Answered before any parser is made.
    version = Option(("-V", "--version"), "print the version")
    root = _node((), "", top)
    nodes = [
        Node(
            (),
            "",
            (*root.options, version),
            tuple(COMMANDS.items()),
            (),
            takes_files=False,
        )
    ]
    for name, about in COMMANDS.items():
        parser = argparse.ArgumentParser()
        import_module(f"qcode.cli.{name}").configure(parser)
        nodes += _nodes((name,), about, parser)
    return tuple(nodes)


def _nodes(words: tuple[str, ...], about: str, parser: argparse.ArgumentParser) -> Iterator[Node]:
    yield _node(words, about, parser)
    for action in _actions(parser):
        helps = _helps(action)
        for name, below in _below(action).items():
            yield from _nodes((*words, name), helps.get(name, ""), below)


def _node(words: tuple[str, ...], about: str, parser: argparse.ArgumentParser) -> Node:
    options: list[Option] = []
    commands: list[tuple[str, str]] = []
    choices: list[str] = []
    takes_files = False
    for action in _actions(parser):
        if below := _below(action):
            helps = _helps(action)
            commands += [(name, helps.get(name, "")) for name in below]
        elif action.option_strings:
            options.append(_option(action))
        else:
            choices += map(str, action.choices or ())
            takes_files = takes_files or str(action.metavar) in _FILES
    return Node(words, about, tuple(options), tuple(commands), tuple(choices), takes_files)


def _option(action: argparse.Action) -> Option:
    takes: Takes = "word"
    if action.nargs == 0:
        takes = "nothing"
    elif action.metavar in _FILES:
        takes = "file"
    elif action.metavar in _FOLDERS:
        takes = "folder"
    about = "" if action.help in (None, argparse.SUPPRESS) else str(action.help)
    known = tuple(str(choice) for choice in action.choices or ())
    return Option(tuple(action.option_strings), about.replace("%%", "%"), takes, known)


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions  # noqa: SLF001 - argparse tells it in no other way


def _below(action: argparse.Action) -> Mapping[str, argparse.ArgumentParser]:
    """Return the parsers of what may follow, by name; none if it is no choice of commands."""
    known = action.choices
    if not isinstance(known, dict):
        return {}
    return {str(name): each for name, each in known.items() if isinstance(each, _PARSER)}


def _helps(action: argparse.Action) -> dict[str, str]:
    found = vars(action).get("_choices_actions", ())
    return {str(choice.dest): choice.help or "" for choice in found}
