"""`qcode cost`: what sessions cost, by day, session, project, model, and on what it was spent."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from qcode import paths
from qcode.cli.options import add_place, enter_directory
from qcode.cli.process import require_stdout
from qcode.cli.start import newest_session
from qcode.cost import tables
from qcode.cost.causes import Share, of_session
from qcode.cost.entries import Entry, of_folder, of_journal
from qcode.cost.reading import COMPARED, compared, local_power, local_seconds, prices_by_name
from qcode.cost.sums import KINDS, By, Sum, by, moment_of, total
from qcode.errors import UsageError
from qcode.journal import listing
from qcode.models import find
from qcode.models.energy import energy
from qcode.record import Record
from qcode.ui.printable import printable, safe_json

_DAYS = 30


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_place(parser)
    add = parser.add_argument
    add("session", nargs="?", metavar="ID", help="of this session alone")
    add("-c", "--continue", dest="newest", action="store_true",
        help="of the newest session of this directory alone")  # fmt: skip
    add("--by", choices=[*KINDS, "cause"],
        help="day (default), session, project, model, purpose (steps, summaries, agents, …), turn, "
        "step, or cause: what the tokens of a session were")  # fmt: skip
    add("--here", action="store_true", help="of this directory's sessions")
    add("--since", metavar="WHEN",
        help=f"a date (2026-11-28) or a span (7d, 12h); default: {_DAYS}d")  # fmt: skip
    add("--on", action="append", default=[], metavar="MODEL",
        help="what the same would have cost on this model; may be repeated")  # fmt: skip
    add("--json", action="store_true", help="for programs")


def main(args: argparse.Namespace) -> int:
    """Print it; return the exit code."""
    require_stdout("the costs")
    cwd = enter_directory(args)
    folder = paths.state_dir() / "sessions"
    since = _since(args.since, alone=bool(args.session or args.newest))
    if unknown := next((name for name in args.on if find(name) is None), None):
        raise UsageError(
            f"no model `{unknown}` is known", hint="`qcode models` lists those that are"
        )
    path = None
    if args.session and args.newest:
        raise UsageError("an ID and --continue exclude each other")
    if args.session or args.newest:
        one = listing.find(folder, args.session) if args.session else newest_session(cwd)
        path = one.path
        entries = list(of_journal(path))
    else:
        entries = list(of_folder(folder, since=since, project=str(cwd) if args.here else ""))
    entries = [entry for entry in entries if _is_after(entry, since)]
    kind: str = args.by or ("turn" if path else "day")
    rows, shares = list[Sum](), list[Share]()
    if kind == "cause":
        if path is None:
            raise UsageError("--by cause is of one session", hint="give its ID, or --continue")
        shares = of_session(path, prices_by_name)
    else:
        rows = by(entries, cast("By", kind))  # as the parser has it
    found = _Found(kind, entries, rows, shares)
    elsewhere = compared(entries, args.on or COMPARED)
    if args.json:
        print(safe_json(json.dumps(_json(found, elsewhere), ensure_ascii=False, indent=2)))
        return 0
    if not entries:
        print("nothing was asked of a model" + ("" if path else " in that time"))
        return 0
    whole = total(entries, "all")
    told = tables.causes(shares) if shares else tables.sums([*rows, whole], kind)
    if shares:
        told += ["", *tables.sums([whole], "")]
    for lines in (told, tables.estimated(entries), tables.others(elsewhere), tables.local(entries)):
        if lines:
            print(printable("\n".join([*lines, ""])))
    return 0


class _Found(Record):
    kind: str
    entries: Sequence[Entry]
    rows: Sequence[Sum]
    shares: Sequence[Share]


def _since(text: str | None, *, alone: bool) -> float:
    """Return the moment from which on requests count, in seconds of the epoch.

    Raises:
        UsageError: it is neither a date nor a span.
    """
    if text is None:
        return 0.0 if alone else time.time() - _DAYS * 86_400
    if span := re.fullmatch(r"(\d{1,5})([dh])", text.strip()):
        return time.time() - int(span[1]) * (86_400 if span[2] == "d" else 3_600)
    try:
        return datetime.fromisoformat(text.strip()).astimezone().timestamp()
    except (ValueError, OverflowError):
        raise UsageError(
            f"`{text}` is no time to count from", hint="a date (2026-11-28) or a span (7d, 12h)"
        ) from None


def _is_after(entry: Entry, since: float) -> bool:
    moment = moment_of(entry.at) or datetime.fromtimestamp(0, UTC)
    return not since or moment.timestamp() >= since


def _json(found: _Found, elsewhere: Any) -> dict[str, Any]:
    """Return all of it; tokens as numbers, US dollars, seconds; null where it is not known."""
    return {
        "by": found.kind,
        "rows": [_row(row) for row in found.rows]
        or [
            {
                "key": share.cause,
                "new_tokens": share.anew,
                "cached_tokens": share.cached,
                "output_tokens": share.output,
                "cost_usd": share.cost_usd,
            }
            for share in found.shares
        ],
        "total": _row(total(found.entries, "all")),
        "local_seconds": (seconds := local_seconds(found.entries)),
        "local_joules_assumed": round(energy(seconds, local_power().watts)) if seconds else 0,
        "elsewhere": {
            name: its and {"cost_usd": its.with_cache, "cost_usd_without_cache": its.without_cache}
            for name, its in elsewhere.items()
        },
    }


def _row(row: Sum) -> dict[str, Any]:
    usage = row.usage
    return {
        "key": row.key,
        "requests": row.requests,
        "new_tokens": usage.read_anew,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": usage.cost_usd,
        "unpriced_requests": row.unpriced,
        "estimated_requests": row.estimated,
        "seconds": round(row.duration_s, 3),
        "model": row.model or None,
        "last": row.last or None,
    }
