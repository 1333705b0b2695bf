"""`qcode facts`: what sessions found out about a project, to be seen and changed."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from qcode.cli.composer import store_of
from qcode.cli.options import add_place, enter_directory
from qcode.errors import QcodeError, UsageError
from qcode.facts.store import Fact, Store, today
from qcode.facts.telling import listed
from qcode.files_safe import read_small
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
    editing = actions.add_parser(
        "edit", help="open the file in $VISUAL or $EDITOR; without a terminal print its path"
    )
    editing.set_defaults(action=lambda store, _args: _edit(store))


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


def _edit(store: Store) -> str:
    """Have a person change the facts in an editor of theirs; return what to say.

    They get a copy, so that facts are what they were until all of it is right.

    Raises:
        QcodeError: what they wrote is not taken; it is kept, and the message says where.
    """
    from qcode.cli.editor import edit, editor

    words = editor()
    if not words:
        return str(store.file)
    before = store.data()
    copy = _copy(store, before if before is not None else store.text(()).encode())
    shown = copy.read_bytes()
    try:
        edit(words, copy)
        written = read_small(copy)
        if written == shown:
            copy.unlink()
            return "nothing was changed"
        facts = store.put(written, before)
    except (OSError, ValueError, QcodeError) as error:
        if _is_same(copy, shown):
            copy.unlink(missing_ok=True)
            raise
        why = error.message if isinstance(error, QcodeError) else " ".join(str(error).split())
        raise QcodeError(
            f"the facts stay as they were: {why}", hint=f"what you wrote is in `{copy}`"
        ) from error
    copy.unlink()
    return f"{len(facts)} fact{'s' if len(facts) != 1 else ''} kept"


def _copy(store: Store, data: bytes) -> Path:
    """Write a copy for an editor next to the facts, for the person alone to read."""
    try:
        store.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(
            dir=store.file.parent, prefix=f"{store.file.stem}.edited-", suffix=".json"
        )
        with open(descriptor, "wb") as file:
            file.write(data)
    except OSError as error:
        raise QcodeError(f"cannot write next to `{store.file}`: {error.strerror}") from error
    return Path(name)


def _is_same(file: Path, data: bytes) -> bool:
    try:
        return file.read_bytes() == data
    except OSError:
        return False
