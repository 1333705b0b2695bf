"""Headers and trials as JSON, and back; and what tells sets of tasks apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_type_hints

from qcode.errors import QcodeError
from qcode.evals.harness.task import Task
from qcode.record import Record

R = TypeVar("R", bound=Record)
_PLAIN = (str, int, float, bool)


def to_json(value: Any) -> Any:
    """Return records, tuples and mappings as what `json.dumps` takes."""
    if isinstance(value, Record):
        fields: tuple[str, ...] = type(value).__match_args__
        return {name: to_json(getattr(value, name)) for name in fields}
    if isinstance(value, Mapping):
        return {str(key): to_json(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(each) for each in value]
    return value


def from_json(kind: type[R], data: Any) -> R:
    """Return the record that an object is; fields that this version does not know are left out.

    Raises:
        QcodeError: it is no such record.
    """
    if not isinstance(data, Mapping):
        raise QcodeError(f"a {kind.__name__.lower()} is an object, not `{str(data)[:40]}`")
    hints = get_type_hints(kind)
    try:
        return kind(
            **{name: _value(hints[name], each) for name, each in data.items() if name in hints}
        )
    except TypeError as error:
        raise QcodeError(f"not a whole {kind.__name__.lower()}: {error}") from error


def _value(hint: Any, value: Any) -> Any:
    if isinstance(hint, type) and issubclass(hint, Record):
        return from_json(hint, value)
    is_right = hint not in _PLAIN or type(value) is hint or (hint is float and type(value) is int)
    if not is_right:
        raise TypeError(f"{str(value)[:40]!r} is no {hint.__name__}")
    if isinstance(value, list):
        return tuple(value)
    return value


def digest(tasks: Iterable[Task]) -> str:
    """Return the SHA-256 of tasks, whatever their order: so that only like is compared with like.

    What one loader knows alone counts too, since it may decide what is laid out and judged.
    """
    whole = hashlib.sha256()
    lines = (json.dumps(to_json(task), sort_keys=True, ensure_ascii=True) for task in tasks)
    for line in sorted(lines):
        whole.update(line.encode() + b"\n")
    return whole.hexdigest()
