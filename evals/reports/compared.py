"""A comparison told: as Markdown for people, as JSON for programs (`compare.schema.json`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from qcode.evals.reports.columns import UNKNOWN, count, dollars, interval, percent, points, seconds
from qcode.evals.reports.comparing import Changed, Comparison, Pair
from qcode.evals.reports.markdown import table
from qcode.evals.reports.results import to_json
from qcode.messages import JsonObject
from qcode.ui.reports.quoting import inline

VERSION = 1
MOST_CHANGED = 100
"""Tasks that are listed of one pair; the JSON has all."""
_MOST_NAMED = 20
LIKELY = 0.05
"""So small a chance is taken for more than chance."""

_SHOWN: Mapping[str, Callable[[float | None], str]] = {
    "tokens": count,
    "written tokens": count,
    "steps": lambda value: UNKNOWN if value is None else f"{value:.1f}",
    "cost": dollars,
    "wall time": seconds,
}


def comparison_json(comparison: Comparison) -> JsonObject:
    """Return the comparison for programs."""
    out = to_json(comparison)
    for pair, told in zip(comparison.pairs, out["pairs"], strict=True):
        told["verdict"] = verdict(pair)
    return {"version": VERSION, **out}


def verdict(pair: Pair) -> str:
    """Return in a line what can be said of a difference, and what cannot.

    The interval of few tasks may be without 0 by chance alone, so that both tests have to agree.
    """
    over = f"over {pair.tasks:,} task{'' if pair.tasks == 1 else 's'}"
    if pair.difference.low > 0 or pair.difference.high < 0:
        better = "second" if pair.difference.low > 0 else "first"
        if pair.chance <= LIKELY:
            return f"the {better} is better, {over}"
        return f"the {better} may be better, but that is not sure, {over}"
    return f"no difference can be told, {over}"


def comparison_markdown(comparison: Comparison) -> str:
    """Return the comparison for people."""
    return "\n\n".join(_parts(comparison)) + "\n"


def _parts(comparison: Comparison) -> Iterator[str]:
    first, second = comparison.first.id, comparison.second.id
    yield f"# {inline(first)} (first) against {inline(second)} (second)"
    for names, what in (
        (comparison.only_first, "only the first was given"),
        (comparison.only_second, "only the second was given"),
        (comparison.other, "go by the same name and are not the same"),
    ):
        if names:
            yield f"Left out, {len(names):,} tasks that {what}: {_names(names)}."
    if comparison.differs:
        yield "What else was not the same:"
        rows = [
            (inline(name), inline(one), inline(two))
            for name, (one, two) in comparison.differs.items()
        ]
        yield table(("", "first", "second"), rows, right=3)
    for pair in comparison.pairs:
        yield from _pair(pair)


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(map(inline, names[:_MOST_NAMED]))
    return f"{shown} and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else shown


def _pair(pair: Pair) -> Iterator[str]:
    yield f"## {inline(pair.first.name)} against {inline(pair.second.name)}"
    yield f"**{verdict(pair).capitalize()}.**"
    difference = pair.difference
    between = f"{points(difference.low)} to {points(difference.high)}"
    low, high = interval(pair.first_interval), interval(pair.second_interval)
    rows = [
        ("pass rate", percent(pair.first_rate), percent(pair.second_rate)),
        ("95 %", low if pair.tasks else UNKNOWN, high if pair.tasks else UNKNOWN),
        ("tasks won", f"{pair.first_won:,}", f"{pair.second_won:,}"),
        ("errors", f"{pair.first_errors:,}", f"{pair.second_errors:,}"),
    ]
    yield table(("", "first", "second"), rows)
    yield (
        f"Difference: {points(difference.value)} points, 95 % {between} (paired bootstrap over "
        f"tasks). McNemar, exact: p = {pair.chance:.3g}."
    )
    yield table(
        ("median of a task", "first", "second", "second / first", "tasks"),
        [
            (
                ratio.name,
                _SHOWN[ratio.name](ratio.first),
                _SHOWN[ratio.name](ratio.second),
                UNKNOWN if ratio.ratio is None else f"{ratio.ratio:.2f}",
                f"{ratio.tasks:,}",
            )
            for ratio in pair.ratios
        ],
    )
    if not pair.changed:
        yield "No task came out otherwise."
        return
    yield "### Tasks that came out otherwise"
    # What was lost first: it is what there is to look at.
    order = sorted(pair.changed, key=lambda each: (each.won != "first", each.task))
    yield table(
        ("task", "first", "second", "why"),
        [
            (inline(each.task), rate(each.first), rate(each.second), _why(each))
            for each in order[:MOST_CHANGED]
        ],
        right=4,
    )
    if len(order) > MOST_CHANGED:
        yield f"{len(order) - MOST_CHANGED:,} more are in the JSON."


def rate(value: float) -> str:
    """Return a task's pass rate in the fewest signs."""
    return {0.0: "✗", 1.0: "✓"}.get(value, percent(value))


def _why(changed: Changed) -> str:
    parts = (("first", changed.first_why), ("second", changed.second_why))
    return "<br>".join(f"{name}: {inline(why, 260)}" for name, why in parts if why)
