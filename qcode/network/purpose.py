"""What a connection is for: said around what makes it, asked where bytes pass.

It travels with the context, so that tasks and `asyncio.to_thread` take it along. Libraries
with threads of their own lose it; for them a host can be told of beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from qcode.record import Record

OTHER = "other"
"""Of connections that nobody said anything about."""


class Purpose(Record):
    """What a connection is for."""

    name: str
    """`model`, `summary`, `warm-up`, `doctor`, `mcp:NAME`, `oauth`, `fetch`, `command`,
    `download`, `telemetry` (docs/privacy.md)."""
    meter: str = ""
    """Who has the bytes read off the sockets, as nobody else counts them; empty: nobody."""


_UNSAID = Purpose("")
_here: ContextVar[Purpose] = ContextVar("what connections are for", default=_UNSAID)
_session: ContextVar[str] = ContextVar("whose connections they are", default="")
_expected: dict[str, Purpose] = {}


def here(otherwise: str = "") -> str:
    """Return what connections made now are for, or `otherwise` where nobody said."""
    return _here.get().name or otherwise


def begin(name: str, *, meter: str = "") -> None:
    """Say what connections are for from now on, in this task or thread."""
    _here.set(Purpose(name, meter))


@contextmanager
def meant_for(name: str) -> Iterator[None]:
    """Say what connections are for in a block."""
    before = _here.set(Purpose(name))
    try:
        yield
    finally:
        _here.reset(before)


def expect(host: str, name: str) -> None:
    """Say what connections to a host are for, made by a library in threads of its own."""
    _expected[host.lower()] = Purpose(name, meter=name)


def of(host: str) -> Purpose:
    """Return what a connection to a host is for, made now; a purpose without name if unknown."""
    found = _here.get()
    return found if found.name else _expected.get(host.lower(), _UNSAID)


def session() -> str:
    """Return the id of the session that this is done for; empty outside of one."""
    return _session.get()


def begin_session(session_id: str) -> None:
    """Say whose connections they are from now on, in this task."""
    _session.set(session_id)
