"""`qcode audit`: what left this machine, by host and purpose."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from qcode import paths
from qcode.cli.process import require_stdout
from qcode.errors import QcodeError, UsageError
from qcode.network.addresses import place
from qcode.network.history import Line, Row, lines, rows
from qcode.ui.printable import printable

_UNITS = {"h": 1, "d": 24, "w": 7 * 24}
"""Hours."""
_NOTHING = "nothing left this machine"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("--session", metavar="ID", help="of one session; the begin of its id is enough")
    add("--since", metavar="WHEN", help="from a day on (2026-11-01), or the last 12h, 7d, 2w")
    add("--all", action="store_true", help="what stayed on this machine, too, each by its port")
    add("--json", action="store_true", help="print one JSON object")


def main(args: argparse.Namespace) -> int:
    """Print what is written down; return the exit code."""
    require_stdout("what left")
    since = _since(args.since) if args.since else ""
    folder = paths.state_dir() / "audit"
    try:
        said = [
            one
            for one in lines(folder)
            if one.at >= since and one.session.startswith(args.session or "")
        ]
    except OSError as error:
        raise QcodeError(f"cannot read `{error.filename}`: {error.strerror}") from error
    if args.session and not said:
        raise UsageError(
            f"nothing is written down of a session `{args.session}`",
            hint="`qcode sessions list` names them; one that reached nothing is not listed here",
        )
    left = rows(one for one in said if not one.is_loopback)
    stayed = rows(one for one in said if one.is_loopback)
    if args.json:
        print(json.dumps(_json(left, stayed, since), indent=2))
    else:
        print(printable(_table(left, stayed if args.all else _together(said))))
    return 0


def _since(text: str) -> str:
    """Return a point in time as the ledger writes it.

    Raises:
        UsageError: it is none.
    """
    now = datetime.now(UTC)
    if found := re.fullmatch(r"(\d{1,5})([hdw])", text):
        then = now - timedelta(hours=int(found[1]) * _UNITS[found[2]])
        return then.strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--since `{text}` is no point in time", hint="a day as 2026-11-01, or 12h, 7d, 2w"
        ) from None
    # A person means a day of their own.
    begun = datetime(day.year, day.month, day.day).astimezone(UTC)
    return begun.strftime("%Y-%m-%dT%H:%M:%SZ")


def _together(said: Sequence[Line]) -> tuple[Row, ...]:
    """Return all that stayed on this machine in one row."""
    found = rows(one for one in said if one.is_loopback)
    if not found:
        return ()
    sent = [row.sent for row in found if row.sent is not None]
    received = [row.received for row in found if row.received is not None]
    return (
        Row(
            "this machine",
            0,
            "all",
            sum(row.requests for row in found),
            sum(sent) if sent else None,
            sum(received) if received else None,
            max(row.last for row in found),
            any(row.is_partly_unknown for row in found),
        ),
    )


def _table(left: Sequence[Row], stayed: Sequence[Row]) -> str:
    if not left and not stayed:
        return f"{_NOTHING}; nothing is written down"
    cells: list[tuple[str, ...]] = [("host", "purpose", "requests", "sent", "received", "last")]
    cells += [_cells(row) for row in (*left, *stayed)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(cells[0]))]
    table = "\n".join(
        "  ".join(
            cell.rjust(width) if n in (2, 3, 4) else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )
    is_more = any("+" in cell for row in cells[1:] for cell in row[3:5])
    told = [] if left else [_NOTHING]
    told += ["+: and more, that nobody counted"] if is_more else []
    return "\n".join([table, *told])


def _cells(row: Row) -> tuple[str, ...]:
    more = "+" if row.is_partly_unknown else ""
    return (
        place(row.host, row.port),
        row.purpose,
        f"{row.requests:,}",
        f"{_size(row.sent)}{more if row.sent is not None else ''}",
        f"{_size(row.received)}{more if row.received is not None else ''}",
        row.last.replace("T", " "),
    )


def _size(count: int | None) -> str:
    if count is None:
        return "unknown"
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def _json(left: Sequence[Row], stayed: Sequence[Row], since: str) -> dict[str, object]:
    def told(row: Row) -> dict[str, object]:
        return {
            "host": row.host,
            "port": row.port,
            "purpose": row.purpose,
            "requests": row.requests,
            "sent": row.sent,
            "received": row.received,
            "is_partly_unknown": row.is_partly_unknown,
            "last": row.last,
        }

    return {
        "since": since or None,
        "nothing_left": not left,
        "left": [told(row) for row in left],
        "this_machine": [told(row) for row in stayed],
    }
