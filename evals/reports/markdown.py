"""The report as Markdown: for a pull request, or the summary of a job."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from qcode.evals.harness.trial import Header, Trial
from qcode.evals.reports.columns import TABLES, Column, dollars, percent
from qcode.evals.reports.results import Arm
from qcode.evals.reports.summary import Row, Summary
from qcode.evals.reports.taxonomy import KINDS, TITLES
from qcode.ui.reports.quoting import inline

MOST_FAILURES = 200
"""That are listed one by one; the other reports have all."""
MOST_TASKS = 500
"""Rows of the table of tasks."""


def markdown(summary: Summary) -> str:
    """Return the report; the same summary gives the same text."""
    return "\n\n".join(_parts(summary)) + "\n"


def _parts(summary: Summary) -> Iterator[str]:
    header = summary.header
    yield f"# Evaluation {inline(header.id)}"
    yield table(("", ""), [(name, inline(value, 400)) for name, value in facts(header)], right=2)
    if summary.damaged:
        yield f"{summary.damaged:,} damaged lines of the results file were left out."
    if not summary.trials:
        yield "No trial has ended yet."
        return
    for title, columns in TABLES:
        yield f"## {title}"
        yield _rows(summary.rows, columns)
        yield "  \n".join(f"*{column.title}*: {column.about}." for column in columns)
    yield from _pass_at(summary.rows)
    yield from _kinds(summary)
    yield "## Tasks"
    yield from _tasks(summary)
    yield from _failures(summary)


def facts(header: Header) -> Iterator[tuple[str, str]]:
    """Yield what an evaluation was made with, in a line each; what is not known is left out."""
    for name, value in (
        ("suites", ", ".join(header.suites)),
        ("agents", ", ".join(header.agents)),
        ("models", ", ".join(header.models)),
        ("trials of a task", f"{header.trials}"),
        ("seed", f"{header.seed}"),
        ("limits", _pairs(header.limits)),
        ("settings", _pairs(header.settings)),
        ("versions", _pairs(header.versions)),
        ("tasks' digest", header.tasks_digest[:16]),
        ("machine", header.machine),
        ("started", header.started),
    ):
        if value:
            yield name, value


def _pairs(values: Mapping[str, object]) -> str:
    parts = []
    for name, value in sorted(values.items()):
        if value is None or value in ("", [], {}):
            continue
        if isinstance(value, float):
            parts.append(f"{name} {value:g}")
        elif isinstance(value, str | int):
            parts.append(f"{name} {value}")
        else:
            parts.append(f"{name} {json.dumps(_told(value), ensure_ascii=False, default=str)}")
    return ", ".join(parts)


def _told(value: object) -> object:
    """Return a value without what was left open in it."""
    match value:
        case Mapping():
            told = {str(name): _told(each) for name, each in value.items()}
            return {name: each for name, each in told.items() if each not in (None, "", [], {})}
        case list() | tuple():
            return [_told(each) for each in value]
        case _:
            return value


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: int = 1) -> str:
    """Return a table; from the column `right` on figures stand to the right.

    Cells are Markdown already: texts of others went through `inline`.
    """
    marks = ["---" if at < right else "---:" for at in range(len(heads))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, marks, *rows))


def _rows(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    heads = ("agent", "model", "suite", *(column.title for column in columns))
    return table(
        heads,
        [(*_who(row), *(column.text(row) for column in columns)) for row in rows],
        right=3,
    )


def _who(row: Row) -> tuple[str, str, str]:
    return inline(row.arm.agent), inline(row.arm.model), inline(row.suite)


def _pass_at(rows: Sequence[Row]) -> Iterator[str]:
    ks = sorted({each.k for row in rows for each in row.pass_at})
    if ks in ([], [1]):
        return
    yield "## pass@k"
    lines = []
    for row in rows:
        found = {each.k: each for each in row.pass_at}
        lines.append((*_who(row), *(percent(found[k].value) if k in found else "–" for k in ks)))
    yield table(("agent", "model", "suite", *(f"pass@{k}" for k in ks)), lines, right=3)
    yield (
        "The chance that one of k trials passes, unbiased, over the tasks that were tried at "
        "least k times."
    )


def _kinds(summary: Summary) -> Iterator[str]:
    rows = summary.wholes
    kinds = [kind for kind in KINDS if any(kind in row.kinds for row in rows)]
    if not kinds:
        return
    yield "## What went wrong"
    heads = ("", *(inline(row.arm.name) for row in rows))
    yield table(
        heads,
        [(TITLES[kind], *(f"{row.kinds.get(kind, 0) or ''}" for row in rows)) for kind in kinds],
    )


def _tasks(summary: Summary) -> Iterator[str]:
    arms = [row.arm for row in summary.wholes]
    cells = by_task(summary.trials)
    lines = [
        (inline(task), *(marks(found.get(arm, ())) for arm in arms))
        for task, found in list(cells.items())[:MOST_TASKS]
    ]
    yield table(("task", *(inline(arm.name) for arm in arms)), lines, right=len(arms) + 1)
    yield "✓ passed, ✗ failed, ! was not judged; one sign a trial."
    if len(cells) > MOST_TASKS:
        yield f"{len(cells) - MOST_TASKS:,} more tasks are in the other reports."


def by_task(trials: Sequence[Trial]) -> dict[str, dict[Arm, list[Trial]]]:
    """Return the trials of each task by who tried, in order."""
    cells: dict[str, dict[Arm, list[Trial]]] = {}
    for trial in trials:
        arm = Arm(trial.agent, trial.model)
        cells.setdefault(trial.task, {}).setdefault(arm, []).append(trial)
    return cells


def marks(trials: Sequence[Trial]) -> str:
    """Return a sign for each trial."""
    return "".join(mark(trial) for trial in trials)


def mark(trial: Trial) -> str:
    """Return the sign of a trial."""
    return "!" if trial.reason == "error" else "✓" if trial.passed else "✗"


def _failures(summary: Summary) -> Iterator[str]:
    failed = [trial for trial in summary.trials if not trial.passed]
    if not failed:
        return
    yield "## Each failure"
    rows = []
    for trial in failed[:MOST_FAILURES]:
        failure = summary.failures[trial.key]
        rows.append(
            (
                inline(f"{trial.task}#{trial.number}"),
                inline(Arm(trial.agent, trial.model).name),
                inline(trial.reason),
                TITLES[failure.kind],
                inline(failure.evidence, 240),
                dollars(trial.effort.cost_usd),
            )
        )
    heads = ("trial", "who", "judged", "class", "evidence", "cost")
    yield table(heads, rows, right=5)
    if len(failed) > MOST_FAILURES:
        yield f"{len(failed) - MOST_FAILURES:,} more failures are in the other reports."
