"""What was found, held against a person's own file: what comes to it, and what stays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcode import config, settings_file
from qcode.errors import UsageError
from qcode.hooks.hooks import Hook, configured
from qcode.importing.taken import Left, One, Taken
from qcode.record import Record

_ENDPOINT = ("model", "base_url", "api_key_env")
_WITH_IT = (*_ENDPOINT, "context_window", "max_output_tokens", "extra_body")
"""What suits one model alone: it is taken over from one file, or not at all."""


class Kept(Record):
    """Something of the person's file that stays, although it was found otherwise."""

    key: str
    here: Any
    there: Any
    source: str


class Plan(Record):
    """What is to be written."""

    removed: tuple[str, ...] = ()
    """Keys that no longer suit the model."""
    values: tuple[One, ...] = ()
    items: tuple[One, ...] = ()
    servers: tuple[One, ...] = ()
    hooks: tuple[One, ...] = ()
    kept: tuple[Kept, ...] = ()
    left: tuple[Left, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be written."""
        return not (self.removed or self.values or self.items or self.servers or self.hooks)

    def written(self, text: str) -> str:
        """Return what a file's text becomes; pure.

        Raises:
            ValueError: something stands there in a form that is not changed by rule.
        """
        for key in self.removed:
            text = settings_file.without(text, key)
        for one in self.values:
            text = _at(one.key, lambda t, o=one: settings_file.changed(t, o.key, o.value), text)
        for key in dict.fromkeys(one.key for one in self.items):
            added = [one.value for one in self.items if one.key == key]
            text = _at(key, lambda t, k=key, a=added: settings_file.extended(t, k, a), text)
        for one in self.servers:
            key, _, name = one.key.partition(".")
            text = _at(
                one.key,
                lambda t, k=key, n=name, v=one.value: settings_file.changed_table(t, k, n, v),
                text,
            )
        for one in self.hooks:
            key, _, name = one.key.partition(".")
            text = _at(
                one.key,
                lambda t, k=key, n=name, v=one.value: settings_file.with_entry(t, k, n, v),
                text,
            )
        return text


def planned(taken: Taken, present: Mapping[str, Any], file: Path, *, overwrite: bool) -> Plan:
    """Return what is to be written to a file in which `present` stands.

    What is there already is not replaced but with `overwrite`; lists and hooks are added to.
    Of two that were found, the first one counts.
    """
    making = _Making(taken, present, file, overwrite=overwrite)
    return Plan(
        making.removed(),
        tuple(making.values()),
        tuple(making.items()),
        tuple(making.servers()),
        tuple(making.hooks()),
        tuple(making.kept),
        tuple(making.left),
    )


class _Making:
    def __init__(
        self, taken: Taken, present: Mapping[str, Any], file: Path, *, overwrite: bool
    ) -> None:
        self._present = present
        self._overwrite = overwrite
        self.kept: list[Kept] = []
        self.left: list[Left] = list(taken.left)
        self._taken = taken
        self._sound = [one for one in taken.values if self._is_sound(one, one.value, file)]
        self._items = [one for one in taken.items if self._is_sound(one, [one.value], file)]
        named = (one.source for one in self._sound if one.key in _ENDPOINT[:2])
        self._of_model = next(named, None)

    def _is_sound(self, one: One, value: Any, file: Path) -> bool:
        """Whether qcode takes a value; if not, it is left out with the reason."""
        try:
            config.checked(one.key, value, file)
            if one.key == "network_hosts":
                from qcode.sandbox.hosts import parse

                parse(one.value)
        except (UsageError, ValueError) as error:
            why = str(error).replace(f" in `{file}`", "")
            self.left.append(Left(f"`{one.key}`", why, one.source))
            return False
        return True

    @property
    def _keeps_model(self) -> bool:
        return not self._overwrite and any(key in self._present for key in _ENDPOINT)

    def removed(self) -> tuple[str, ...]:
        """Return what suited the model that is replaced, and stands in its way."""
        if self._of_model is None or self._keeps_model:
            return ()
        new = {one.key for one in self._sound if one.source == self._of_model}
        return tuple(key for key in _WITH_IT if key in self._present and key not in new)

    def values(self) -> list[One]:
        """Return the keys to be set."""
        found: dict[str, One] = {}
        for one in self._sound:
            if one.key in _WITH_IT and self._of_model not in (None, one.source):
                self._leave_second(one, self._of_model or "")
            elif one.key in found:
                if found[one.key].value != one.value:
                    self._leave_second(one, found[one.key].source)
            elif self._present.get(one.key) == one.value:
                continue
            elif one.key in self._present and not self._overwrite:
                self._keep(one, self._present[one.key])
            elif one.key in _WITH_IT and self._keeps_model:
                self._keep(one, None)
            else:
                found[one.key] = one
        order = list(config.KEYS)
        return sorted(found.values(), key=lambda one: order.index(one.key))

    def items(self) -> list[One]:
        """Return what comes to lists."""
        found: dict[tuple[str, str], One] = {}
        for one in self._items:
            if one.value not in self._present.get(one.key, ()):
                found.setdefault((one.key, one.value), one)
        order = list(config.KEYS)
        return sorted(found.values(), key=lambda one: order.index(one.key))

    def servers(self) -> list[One]:
        """Return the servers to be defined."""
        there = self._present.get("mcp_servers", {})
        found: dict[str, One] = {}
        for one in self._taken.servers:
            here = there.get(one.key.partition(".")[2])
            if one.key in found:
                if found[one.key].value != one.value:
                    self._leave_second(one, found[one.key].source)
            elif here == one.value:
                continue
            elif here is not None and not self._overwrite:
                self._keep(one, here)
            else:
                found[one.key] = one
        return list(found.values())

    def hooks(self) -> list[One]:
        """Return the hooks to be added."""
        known = {_same(hook) for hook in _hooks(self._present.get("hooks", {}))}
        found = []
        for one in self._taken.hooks:
            event = one.key.partition(".")[2]
            (hook,) = _hooks({event: [one.value]})
            if _same(hook) not in known:
                known.add(_same(hook))
                found.append(one)
        return found

    def _keep(self, one: One, here: Any) -> None:
        self.kept.append(Kept(one.key, here, one.value, one.source))

    def _leave_second(self, one: One, first: str) -> None:
        why = f"that of {first} is taken over"
        self.left.append(Left(f"`{one.key}`", why, one.source))


def _hooks(table: Any) -> tuple[Hook, ...]:
    return configured([("", "qcode", False, table)]).hooks if isinstance(table, Mapping) else ()


def _same(hook: Hook) -> tuple[str, str, str]:
    return hook.event, hook.matcher, hook.command


def _at(key: str, change: Any, text: str) -> str:
    try:
        return str(change(text))
    except ValueError as error:
        raise ValueError(f"`{key}`: {error}") from error
