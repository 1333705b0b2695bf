"""What was found in other tools' files, in qcode's words, and what was left out of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qcode.record import Record

LISTS = frozenset({"allow", "ask", "deny", "cache_dirs", "hidden", "network_hosts", "env_pass"})
"""Keys whose items come to those that are there already."""


class One(Record):
    """One thing that was found."""

    key: str
    """Of the configuration; for `mcp_servers` and `hooks` with the name behind a dot."""
    value: Any
    source: str
    """The file it is from, for a person."""


class Left(Record):
    """One thing that is not taken over."""

    what: str
    why: str
    source: str


@dataclass(slots=True)
class Taken:
    """Everything that was found, in the order in which it was."""

    values: list[One] = field(default_factory=list)
    items: list[One] = field(default_factory=list)
    """Of lists, one each."""
    servers: list[One] = field(default_factory=list)
    hooks: list[One] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is taken over, and means something else here."""
    variables: dict[str, str] = field(default_factory=dict)
    """Names of environment variables to set, and what for."""
    files: list[str] = field(default_factory=list)
    """That were read."""

    def take(self, key: str, value: Any, source: str) -> None:
        """Take a value; that of a list is taken item by item."""
        if key in LISTS:
            self.items += [One(key, item, source) for item in value]
        else:
            self.values.append(One(key, value, source))

    def leave(self, what: str, why: str, source: str) -> None:
        """Leave something out, and say why; once."""
        left = Left(what, why, source)
        if left not in self.left:
            self.left.append(left)

    def note(self, text: str) -> None:
        """Have something said of what is taken over; once."""
        if text not in self.notes:
            self.notes.append(text)


class Settings:
    """The settings of one file, read one by one; what nobody asked for is left out in the end."""

    def __init__(self, values: Mapping[str, Any], source: str, into: Taken) -> None:
        self.values = values
        self.source = source
        self.into = into
        self._heard: set[str] = set()

    def get(self, *paths: str) -> Any:
        """Return the first value that stands at one of these dotted paths; None: there is none."""
        found = None
        for path in paths:
            value: Any = self.values
            for name in path.split("."):
                value = value.get(name) if isinstance(value, Mapping) else None
            self._heard.add(path)
            found = value if found is None else found
        return found

    def text(self, *paths: str) -> str:
        """Return the first string, or nothing."""
        value = self.get(*paths)
        return value.strip() if isinstance(value, str) else ""

    def texts(self, *paths: str) -> list[str]:
        """Return the first list's strings, or the string that stands in its place."""
        value = self.get(*paths)
        if isinstance(value, str):
            return [value] if value.strip() else []
        return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []

    def table(self, *paths: str) -> Mapping[str, Any]:
        """Return the first table, or an empty one."""
        value = self.get(*paths)
        return value if isinstance(value, Mapping) else {}

    def take(self, key: str, value: Any) -> None:
        """Take a value over."""
        self.into.take(key, value, self.source)

    def leave(self, what: str, why: str) -> None:
        """Leave something out."""
        self.into.leave(what, why, self.source)

    def leave_if(self, path: str, why: str) -> None:
        """Leave a setting out if it is set at all."""
        if self.get(path) not in (None, False, "", [], {}):
            self.leave(f"`{path}`", why)

    def chosen(self, path: str, key: str, meanings: Mapping[str, Any], otherwise: str) -> str:
        """Take the meaning of a word over; leave other words out. Return the word."""
        word = self.text(path)
        if word in meanings:
            self.take(key, meanings[word])
        elif word:
            self.leave(f'`{path} = "{word}"`', otherwise)
        return word

    def the_rest(self, passed_over: Callable[[str], bool]) -> None:
        """Say which settings nobody asked for; those that are `passed_over` mean nothing here."""
        rest = [path for path in _leaves(self.values) if not self._was_heard(path)]
        if named := sorted({path for path in rest if not passed_over(path)}):
            shown = ", ".join(f"`{path}`" for path in named[:12])
            more = f" and {len(named) - 12} more" if len(named) > 12 else ""
            self.leave(f"{shown}{more}", "no counterpart in qcode")

    def _was_heard(self, path: str) -> bool:
        return any(f"{path}.".startswith(f"{one}.") for one in self._heard)


def _leaves(values: Mapping[str, Any], depth: int = 3) -> list[str]:
    """Return the dotted paths of settings, tables of tables as one."""
    found = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value and depth > 1:
            found += [f"{name}.{path}" for path in _leaves(value, depth - 1)]
        else:
            found.append(str(name))
    return found
