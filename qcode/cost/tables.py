"""Costs as a person reads them; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from qcode.cost.causes import Share
from qcode.cost.elsewhere import Elsewhere
from qcode.cost.entries import Entry
from qcode.cost.reading import local_power, local_seconds
from qcode.cost.sums import Sum, by, total
from qcode.messages import Usage
from qcode.models.energy import energy

_WIDTH = 46
_JOULES = 3_600
"""Of a watt-hour."""


def dollars(amount: float) -> str:
    """Return US dollars with as many digits as matter: cents, and less of small amounts."""
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.4f}"


def price(usage: Usage, unpriced: int = 0) -> str:
    """Return what tokens cost; with a plus where that of some requests is not known."""
    if usage.cost_usd is None:
        return "not known"
    more = " + what is not known" if unpriced else ""
    return ("free" if usage.cost_usd == 0 else dollars(usage.cost_usd)) + more


def sums(rows: Iterable[Sum], first: str) -> list[str]:
    """Return a table; `first` is the heading of its first column."""
    rows = list(rows)
    width = min(_WIDTH, max([len(first), *(len(row.key) for row in rows)]))
    lines = [f"{first:<{width}} {'requests':>8} {'new':>12} {'cached':>12} {'out':>10}  cost"]
    for row in rows:
        key = row.key if len(row.key) <= width else "…" + row.key[1 - width :]
        usage = row.usage
        lines.append(
            f"{key:<{width}} {row.requests:>8,} {usage.read_anew:>12,} {usage.cached_tokens:>12,}"
            f" {usage.output_tokens:>10,}  {price(usage, row.unpriced)}"
        )
    return lines


def causes(shares: Sequence[Share]) -> list[str]:
    """Return what tokens were spent on, as a table."""
    whole = sum(share.anew + share.output for share in shares) or 1
    lines = [f"{'spent on':<16} {'new':>12} {'cached':>12} {'out':>10}  {'':>5} cost"]
    for share in shares:
        part = (share.anew + share.output) / whole
        cost = "" if share.cost_usd is None else dollars(share.cost_usd)
        lines.append(
            f"{share.cause:<16} {share.anew:>12,} {share.cached:>12,} {share.output:>10,}"
            f"  {part:>4.0%}  {cost}".rstrip()
        )
    return lines


def others(found: Mapping[str, Elsewhere | None]) -> list[str]:
    """Return what the same tokens would have cost on other models; None: no price is known."""
    lines = []
    for name, its in found.items():
        if its is None:
            lines.append(f"  {name:<28} no price is known")
        elif its.with_cache == its.without_cache:
            lines.append(f"  {name:<28} {dollars(its.with_cache):>10}  (its cache has no price)")
        else:
            without = dollars(its.without_cache)
            lines.append(f"  {name:<28} {dollars(its.with_cache):>10}  ({without} without a cache)")
    if not lines:
        return []
    return ["the same tokens elsewhere, as its cache would have held them:", *lines]


def by_model(entries: Sequence[Entry]) -> list[str]:
    """Return who answered, as a table; nothing where that was always the same."""
    rows = by(entries, "model")
    return sums(rows, "answered by") if len(rows) > 1 else []


def local(entries: Sequence[Entry]) -> list[str]:
    """Return how long servers worked that take no money, and about the electricity for it."""
    seconds = local_seconds(entries)
    if seconds < 1:
        return []
    power = local_power()
    used = energy(seconds, power.watts) / _JOULES
    about = f"{duration(seconds)} of computing, about {used:.1f} Wh ({power.source})"
    return [f"free, and served here: {about}"]


def estimated(entries: Sequence[Entry]) -> list[str]:
    """Return how much of the figures nobody counted; nothing where all was."""
    count = total(entries).estimated
    if not count:
        return []
    return [f"{count:,} of the requests ended before they were counted: estimated"]


def duration(seconds: float) -> str:
    """Return a span of time."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"
