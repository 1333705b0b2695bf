"""`/cost`: what a session has used, as a whole and step by step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from qcode.errors import UsageError
from qcode.journal import usage_from_json
from qcode.messages import Usage

if TYPE_CHECKING:
    from qcode.session import Session

STEPS = 200
"""The last ones, shown at most."""


def cost(session: Session, text: str) -> str:
    """Return tokens and cost; `steps`: of each step.

    Raises:
        UsageError: it is not understood.
    """
    match text.strip():
        case "":
            return _whole(session)
        case "steps":
            return _by_step(session)
        case other:
            raise UsageError(f"`/cost` does not know `{other}`", hint="`/cost` or `/cost steps`")


def _whole(session: Session) -> str:
    usage, steps = session.history.usage, len(list(steps_of(session.history.journal.path)))
    whole = usage.input_tokens
    reused = f" ({usage.cached_tokens / whole:.0%} of all that was sent)" if whole else ""
    rows = [
        f"  new     {usage.input_tokens - usage.cached_tokens:>12,} tokens read",
        f"  cached  {usage.cached_tokens:>12,} tokens not read again{reused}",
        f"  out     {usage.output_tokens:>12,} tokens written",
        f"  cost    {_price(usage)}",
    ]
    return "\n".join([f"{steps} step{'' if steps == 1 else 's'}", *rows])


def _price(usage: Usage) -> str:
    if usage.cost_usd is None:
        return "not known for this model"
    return f"${usage.cost_usd:.4f}"


def _by_step(session: Session) -> str:
    steps = list(enumerate(steps_of(session.history.journal.path), 1))
    if not steps:
        return "no step was made yet"
    rows = [f"{'step':>6} {'new':>10} {'cached':>10} {'out':>8}  cost"]
    for number, usage in steps[-STEPS:]:
        new = usage.input_tokens - usage.cached_tokens
        price = "" if usage.cost_usd is None else f"${usage.cost_usd:.4f}"
        row = f"{number:>6} {new:>10,} {usage.cached_tokens:>10,} {usage.output_tokens:>8,}  "
        rows.append(f"{row}{price}".rstrip())
    return "\n".join(rows)


def steps_of(journal: Path) -> Iterator[Usage]:
    """Yield what each step used, in order, as a journal has it."""
    with journal.open("rb") as file:
        for line in file:
            # Most lines are long, and none of ours.
            if b'"usage"' not in line[:80]:
                continue
            try:
                record = json.loads(line)
            except ValueError:  # the last line of a session that was killed
                continue
            if isinstance(record, dict) and record.get("type") == "usage":
                yield usage_from_json(record).usage
