"""`qcode facts`: what sessions found out about a project, to be seen and changed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from qcode.cli.composer import store_of
from qcode.cli.options import add_place, enter_directory
from qcode.errors import UsageError
from qcode.facts.store import Fact, Store, today
from qcode.facts.telling import listed
from qcode.manifests import PURPOSES
from qcode.ui.printable import printable


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_place(parser)
    parser.set_defaults(action=lambda store, _args: shown(store))
    actions = parser.add_subparsers(metavar="list|add|forget|edit")
    listing = actions.add_parser("list", help="the default")
    listing.set_defaults(action=lambda store, _args: shown(store))
    adding = actions.add_parser("add", help="write a command down; it is kept until forgotten")
    adding.add_argument("purpose", choices=PURPOSES)
    adding.add_argument("command", metavar="COMMAND")
    adding.set_defaults(action=lambda store, args: _add(store, args.purpose, args.command))
    forgetting = actions.add_parser("forget", help="by the numbers of the list, or `all`")
    forgetting.add_argument("which", metavar="NUMBER", nargs="+")
    forgetting.set_defaults(action=lambda store, args: forgotten(store, args.which))
    editing = actions.add_parser("edit", help="print the file, to be opened in an editor")
    editing.set_defaults(action=lambda store, _args: str(store.file))


def main(args: argparse.Namespace) -> int:
    """Do what is asked; return the exit code."""
    store = store_of(enter_directory(args).resolve())
    print(printable(args.action(store, args)))
    return 0


def shown(store: Store) -> str:
    """Return the list of facts.

    Raises:
        QcodeError: the file is damaged.
    """
    return listed(store.load(), store.valid(today()))


def forgotten(store: Store, which: Sequence[str]) -> str:
    """Forget facts by their numbers, or all of them; return what to say.

    Raises:
        UsageError: there is no such number.
        QcodeError: the file is damaged, or cannot be written.
    """
    if list(which) == ["all"]:
        # Also the way out where the file is damaged.
        store.file.unlink(missing_ok=True)
        return "nothing is known any more"
    known = store.load()
    numbers = {int(word) if word.isdecimal() else 0 for word in which}
    if not numbers or not numbers <= set(range(1, len(known) + 1)):
        raise UsageError("name facts by their numbers, or `all`", hint="`qcode facts` lists them")
    gone = {known[number - 1].command for number in numbers}
    store.change(lambda facts: [fact for fact in facts if fact.command not in gone])
    return f"forgotten: {', '.join(sorted(gone))}"


def _add(store: Store, purpose: str, command: str) -> str:
    command = " ".join(command.split())
    if not command:
        raise UsageError("there is no command to write down")
    fact = Fact(
        next(one for one in PURPOSES if one == purpose),
        command,
        date=today().isoformat(),
        kept=True,
    )
    store.change(lambda facts: [*(each for each in facts if each.command != command), fact])
    return f"noted: {purpose}: {command}"
