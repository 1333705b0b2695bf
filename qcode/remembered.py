"""The rules that a person had remembered for good: their own file, by workspace."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from qcode.errors import UsageError
from qcode.files_safe import read_small
from qcode.settings_file import string

_HEAD = "# What qcode may do without asking, by workspace. Delete a line to be asked again.\n"


def load(file: Path, root: Path) -> tuple[str, ...]:
    """Return the rules that allow in a workspace; `root` is its real path.

    Raises:
        UsageError: the file cannot be read.
    """
    return _all(file).get(str(root), ())


def add(file: Path, root: Path, rules: Iterable[str]) -> None:
    """Remember rules for a workspace; the file is replaced as a whole and is the person's alone.

    Raises:
        UsageError: the file is there and cannot be read.
        OSError: it cannot be written.
    """
    _change(file, root, lambda known: (*known, *rules))


def remove(file: Path, root: Path, rule: str) -> None:
    """Forget a rule of a workspace; nothing happens if it is not known.

    Raises:
        UsageError: the file is there and cannot be read.
        OSError: it cannot be written.
    """
    _change(file, root, lambda known: (each for each in known if each != rule))


def _change(file: Path, root: Path, change: Callable[[tuple[str, ...]], Iterable[str]]) -> None:
    import fcntl

    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(file.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two sessions may be answered at once
        known = _all(file)
        rules = tuple(dict.fromkeys(change(known.pop(str(root), ()))))
        if rules:
            known[str(root)] = rules
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with open(descriptor, "w", encoding="utf-8") as new:
                new.write(_written(known))
                new.flush()
                os.fsync(new.fileno())
            os.replace(name, file)
        except BaseException:
            os.unlink(name)
            raise
    finally:
        os.close(lock)


def _all(file: Path) -> dict[str, tuple[str, ...]]:
    try:
        data = read_small(file)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(f"cannot read the remembered rules `{file}`: {error.strerror}") from error
    import tomllib

    try:
        tables = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            f"cannot read the remembered rules `{file}`: {error}", hint="mend or delete it"
        ) from error
    found: dict[str, tuple[str, ...]] = {}
    for root, table in tables.items():
        rules = table.get("allow") if isinstance(table, dict) else None
        if not isinstance(rules, list) or not all(isinstance(rule, str) for rule in rules):
            raise UsageError(
                f"`{root}` in `{file}` must have a list of rules named `allow`",
                hint="mend or delete it",
            )
        found[root] = tuple(rules)
    return found


def _written(known: dict[str, tuple[str, ...]]) -> str:
    parts = [_HEAD]
    for root in sorted(known):
        lines = "".join(f"  {string(rule)},\n" for rule in known[root])
        parts.append(f"\n[{string(root)}]\nallow = [\n{lines}]\n")
    return "".join(parts)
