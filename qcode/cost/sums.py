"""Requests added up by what they have in common; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Literal, TypeAlias, get_args

from qcode.cost.entries import Entry
from qcode.messages import Usage
from qcode.record import Record

By: TypeAlias = Literal["day", "session", "project", "model", "purpose", "turn", "step"]
KINDS: tuple[By, ...] = get_args(By)


class Sum(Record):
    """Some requests together."""

    key: str
    usage: Usage
    requests: int
    duration_s: float
    """That a server was at work for them, as far as it was noted."""
    unpriced: int
    """Requests of which it is not known what they cost."""
    estimated: int = 0
    """Requests that ended before they were counted, so that their tokens are estimated."""
    model: str = ""
    """Who answered, where that was always the same."""
    last: str = ""
    """When the last one ended."""


def total(entries: Iterable[Entry], key: str = "") -> Sum:
    """Return the sum of all."""
    usage, requests, seconds, unpriced, estimated = Usage(), 0, 0.0, 0, 0
    models: set[str] = set()
    last = ""
    for entry in entries:
        its = entry.asked
        usage = usage + its.usage
        requests += 1
        seconds += its.duration_s or 0.0
        unpriced += its.usage.cost_usd is None
        estimated += its.is_estimate
        models.add(entry.model)
        last = max(last, entry.at)
    model = models.pop() if len(models) == 1 else ""
    return Sum(key, usage, requests, seconds, unpriced, estimated, model, last)


def by(entries: Iterable[Entry], kind: By) -> list[Sum]:
    """Return the sums by day (of the local time zone), session, …

    Days stand in their order, all else in that of first sight.
    """
    groups: dict[str, list[Entry]] = {}
    name = _NAMES[kind]
    for number, entry in enumerate(entries, 1):
        groups.setdefault(str(number) if kind == "step" else name(entry), []).append(entry)
    keys = sorted(groups) if kind == "day" else groups
    return [total(groups[key], key) for key in keys]


def moment_of(at: str) -> datetime | None:
    """Return the time that journals write; None: it is none."""
    try:
        return datetime.strptime(at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def day_of(entry: Entry) -> str:
    """Return the day as the person's calendar has it; `unknown` in journals without times."""
    moment = moment_of(entry.at)
    return moment.astimezone().strftime("%Y-%m-%d") if moment else "unknown"


_NAMES: dict[By, Callable[[Entry], str]] = {
    "day": day_of,
    "session": lambda entry: entry.session,
    "project": lambda entry: entry.project or "unknown",
    "model": lambda entry: entry.model or "unknown",
    "purpose": lambda entry: entry.asked.purpose or "step",
    "turn": lambda entry: f"{entry.session}#{entry.turn}",
    "step": lambda entry: entry.session,
}
