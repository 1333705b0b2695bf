"""Reading what was written down, and adding it up by host and purpose."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from qcode.record import Record


class Line(Record):
    """What one line of the ledger says."""

    at: str
    """UTC, by ISO 8601, so that texts are in order as times are."""
    session: str
    host: str
    port: int
    purpose: str
    requests: int
    connects: int
    sent: int | None
    """Bytes; None: not known."""
    received: int | None
    is_loopback: bool


class Row(Record):
    """All that went to one host for one purpose."""

    host: str
    port: int
    purpose: str
    requests: int
    """Exchanges; of what was only seen to connect, its connections."""
    sent: int | None
    """Bytes that are known to have been sent; None: of none it is known."""
    received: int | None
    last: str
    is_partly_unknown: bool = False
    """Whether there were exchanges whose bytes are not known."""


def lines(folder: Path) -> Iterator[Line]:
    """Yield all that was written down, the oldest first; what cannot be read is passed over.

    Raises:
        OSError: a file is there and cannot be read.
    """
    for file in sorted(folder.glob("*.jsonl")):
        with file.open(encoding="utf-8", errors="replace") as text:
            for written in text:
                if (line := _line(written)) is not None:
                    yield line


def _line(written: str) -> Line | None:
    try:
        found: Any = json.loads(written)
        return Line(
            str(found["at"]),
            str(found["session"]),
            str(found["host"]),
            int(found["port"]),
            str(found["purpose"]),
            int(found["requests"]),
            int(found["connects"]),
            _number(found["sent"]),
            _number(found["received"]),
            bool(found["loopback"]),
        )
    except (ValueError, KeyError, TypeError):  # cut by a crash, or of another version
        return None


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def rows(said: Iterable[Line]) -> tuple[Row, ...]:
    """Return what went where, by host, port and purpose; the most bytes sent first.

    A connection that was only seen is left out where exchanges with that host and port were
    counted: it carried these.
    """
    ones = list(said)
    counted = {(one.host, one.port) for one in ones if one.requests}
    sums: dict[tuple[str, int, str], list[Line]] = {}
    for one in ones:
        if one.requests or (one.host, one.port) not in counted:
            sums.setdefault((one.host, one.port, one.purpose), []).append(one)
    found = [_row(key, some) for key, some in sums.items()]
    return tuple(sorted(found, key=lambda row: (-(row.sent or 0), row.host, row.purpose)))


def _row(key: tuple[str, int, str], some: list[Line]) -> Row:
    host, port, what = key
    sent = [one.sent for one in some if one.sent is not None]
    received = [one.received for one in some if one.received is not None]
    return Row(
        host,
        port,
        what,
        sum(one.requests or one.connects for one in some),
        sum(sent) if sent else None,
        sum(received) if received else None,
        max(one.at for one in some),
        len(sent) < len(some) or len(received) < len(some),
    )
