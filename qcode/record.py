"""Frozen records that cost next to nothing to define.

A frozen, slotted dataclass takes about 1 ms of CPU to create, since its methods
are compiled from text; qcode has some forty small ones on the way to the first
request, and a budget of 300 ms for a whole run. A `Record` is the same to type
checkers (PEP 681) and to its users: positional and keyword arguments, defaults,
`==`, `hash`, `repr`, `match`. It is created in 0.02 ms, and its values are made
a little slower; a class of which many are made gets a function of its own for that.

Modules that define records need `from __future__ import annotations`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

R = TypeVar("R", bound="Record")


def _initialise(self: Record, *values: object, **named: object) -> None:
    kind: Any = type(self)
    kind.__made__ += 1
    if kind.__made__ == _MANY:
        kind.__init__ = _initialiser(kind)
    fields = kind.__match_args__
    if len(values) > len(fields):
        raise TypeError(f"{kind.__name__} takes {len(fields)} values")
    put = object.__setattr__
    for field, value in zip(fields, values, strict=False):
        put(self, field, value)
    for field in fields[len(values) :]:
        if field in named:
            put(self, field, named.pop(field))
        elif field in kind.__field_defaults__:
            put(self, field, kind.__field_defaults__[field])
        else:
            raise TypeError(f"{kind.__name__} needs `{field}`")
    if named:
        raise TypeError(f"{kind.__name__} has no `{next(iter(named))}` to be given")


@dataclass_transform(frozen_default=True)
class _RecordType(type):
    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _RecordType:
        fields = tuple(namespace.get("__annotations__", ()))
        namespace["__field_defaults__"] = {
            field: namespace.pop(field) for field in fields if field in namespace
        }
        namespace["__slots__"] = namespace["__match_args__"] = fields
        namespace["__made__"] = 0
        namespace.setdefault("__init__", _initialise)
        return super().__new__(mcs, name, bases, namespace)


class Record(metaclass=_RecordType):
    """A frozen record; fields are the annotated names of the class."""

    if not TYPE_CHECKING:  # checkers derive what follows from the fields

        def __setattr__(self, name, value):
            raise AttributeError(f"{type(self).__name__} is frozen")

        def __delattr__(self, name):
            raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record) or type(self) is not type(other):
            return False
        return _values(self) == _values(other)

    def __hash__(self) -> int:
        return hash((type(self), _values(self)))

    def __repr__(self) -> str:
        inner = ", ".join(f"{field}={getattr(self, field)!r}" for field in _fields(self))
        return f"{type(self).__name__}({inner})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), _values(self)


_MANY = 30
"""Made of one class; only then it is worth while to compile a function for them."""


def _initialiser(kind: Any) -> Any:
    """Return what makes a record of one class, some eight times quicker than the general way.

    It is as strict: what is missing, unknown or too much is a `TypeError`.
    """
    defaults: dict[str, object] = kind.__field_defaults__
    names: tuple[str, ...] = kind.__match_args__
    known = {f"default_{name}": value for name, value in defaults.items()}
    known["put"] = object.__setattr__
    wanted = [f"{name}=default_{name}" if name in defaults else name for name in names]
    lines = [f"    put(self, {name!r}, {name})" for name in names]
    text = "\n".join([f"def __init__({', '.join(['self', *wanted])}):", *lines, "    pass"])
    exec(text, known)  # noqa: S102 -- nothing but the names of a class's fields is in it
    return known["__init__"]


def _fields(record: Record) -> tuple[str, ...]:
    return type(record).__match_args__


def _values(record: Record) -> tuple[object, ...]:
    return tuple(getattr(record, field) for field in _fields(record))


def replace(record: R, **changes: object) -> R:
    """Return the record with some of its fields changed."""
    present = dict(zip(_fields(record), _values(record), strict=True))
    return type(record)(**{**present, **changes})
