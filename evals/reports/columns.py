"""Figures in words, and the columns of the tables that both reports show."""

from __future__ import annotations

from collections.abc import Callable

from qcode.evals.reports.stats import Interval
from qcode.evals.reports.summary import Row
from qcode.record import Record

UNKNOWN = "–"
"""What stands where nothing is known."""


def percent(value: float | None) -> str:
    """Return a share of one."""
    return UNKNOWN if value is None else f"{100 * value:.1f} %"


def points(value: float) -> str:
    """Return the difference of two shares, in percentage points."""
    return f"{100 * value:+.1f}".replace("-", "−")


def interval(value: Interval) -> str:
    """Return an interval of shares."""
    return f"{100 * value.low:.0f}–{100 * value.high:.0f} %"


def count(value: float | None) -> str:
    """Return a number of things, of tokens say, in at most three figures and a unit."""
    if value is None:
        return UNKNOWN
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size * 0.9995:
            scaled = value / (1e3 if unit == "k" else size)
            return f"{scaled:.{0 if scaled >= 99.95 else 1}f} {unit}"
    return f"{value:,.0f}"


def dollars(value: float | None) -> str:
    """Return a cost; small ones with more places."""
    if value is None:
        return UNKNOWN
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.4f}"


def seconds(value: float | None) -> str:
    """Return a time."""
    if value is None:
        return UNKNOWN
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 120:
        return f"{whole} s"
    if whole < 7_200:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def of(part: int | None, whole: int | None) -> str:
    """Return how many of how many."""
    if part is None:
        return UNKNOWN
    return f"{part:,}" if whole is None else f"{part:,} of {whole:,}"


class Column(Record):
    """One column of a table of rows."""

    title: str
    text: Callable[[Row], str]
    value: Callable[[Row], float | None]
    """What rows are sorted by."""
    about: str
    """What it is, in a sentence."""


OUTCOME = (
    Column(
        "passed",
        lambda row: f"{row.passed:,} of {row.trials:,}",
        lambda row: row.passed,
        "trials that passed, of those that were judged",
    ),
    Column(
        "rate",
        lambda row: percent(row.rate),
        lambda row: row.rate,
        "share of the judged trials that passed",
    ),
    Column(
        "95 %",
        lambda row: interval(row.interval) if row.trials else UNKNOWN,
        lambda row: row.interval.low,
        "where the true rate may well lie (Wilson)",
    ),
    Column(
        "tasks solved",
        lambda row: f"{row.solved:,} of {row.tasks:,}",
        lambda row: row.solved,
        "tasks with at least one trial that passed",
    ),
    Column(
        "errors",
        lambda row: f"{row.errors:,}",
        lambda row: row.errors,
        "trials whose set-up or endpoint failed; they are in no figure",
    ),
)
EFFORT = (
    Column(
        "read",
        lambda row: count(row.read_tokens),
        lambda row: row.read_tokens,
        "prompt tokens read anew, mean of a trial",
    ),
    Column(
        "cached",
        lambda row: count(row.cached_tokens),
        lambda row: row.cached_tokens,
        "prompt tokens that the server still had, mean of a trial",
    ),
    Column(
        "written",
        lambda row: count(row.written_tokens),
        lambda row: row.written_tokens,
        "tokens generated, mean of a trial",
    ),
    Column(
        "tokens a pass",
        lambda row: count(row.tokens_per_pass),
        lambda row: row.tokens_per_pass,
        "all tokens of all trials, for each trial that passed",
    ),
    Column(
        "cost",
        lambda row: dollars(row.cost_usd),
        lambda row: row.cost_usd,
        "mean of a trial",
    ),
    Column(
        "cost a pass",
        lambda row: dollars(row.cost_per_pass),
        lambda row: row.cost_per_pass,
        "cost of all trials, for each trial that passed",
    ),
    Column(
        "time",
        lambda row: seconds(row.wall_median_s),
        lambda row: row.wall_median_s,
        "wall time of a trial, median",
    ),
    Column(
        "90 %",
        lambda row: seconds(row.wall_p90_s),
        lambda row: row.wall_p90_s,
        "wall time that nine of ten trials stayed below",
    ),
    Column(
        "waiting",
        lambda row: UNKNOWN if row.model_share is None else f"{100 * row.model_share:.0f} %",
        lambda row: row.model_share,
        "share of the wall time spent waiting for the model",
    ),
)
CONDUCT = (
    Column(
        "steps",
        lambda row: UNKNOWN if row.steps is None else f"{row.steps:g}",
        lambda row: row.steps,
        "requests of a trial, median",
    ),
    Column("calls", lambda row: of(row.calls, None), lambda row: row.calls, "tool calls, all"),
    Column(
        "failed",
        lambda row: of(row.failed_calls, None),
        lambda row: row.failed_calls,
        "calls answered by an error",
    ),
    Column(
        "unread",
        lambda row: of(row.unread_calls, None),
        lambda row: row.unread_calls,
        "calls that could not be read at all",
    ),
    Column(
        "repaired",
        lambda row: of(row.repaired_calls, None),
        lambda row: row.repaired_calls,
        "calls read otherwise than they were written",
    ),
    Column(
        "failed edits",
        lambda row: of(row.failed_edits, row.edits),
        lambda row: row.failed_edits,
        "edits that did not apply, of all",
    ),
    Column("loops", lambda row: of(row.loops, None), lambda row: row.loops, "stops for circles"),
    Column(
        "blocked",
        lambda row: of(row.blocked, None),
        lambda row: row.blocked,
        "what the sandbox kept from it",
    ),
    Column(
        "denied",
        lambda row: of(row.denied, None),
        lambda row: row.denied,
        "calls that were not allowed",
    ),
)
TABLES = (("Outcome", OUTCOME), ("Effort", EFFORT), ("On the way", CONDUCT))
