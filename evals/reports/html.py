"""The report as one page: all of it in the file, nothing loaded, and no script needed.

What stands in it comes from models and agents: it is written as text alone, and the only script
that the page may run is its own, which puts tables in order.
"""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import PurePosixPath
from urllib.parse import quote

from qcode.evals.harness.trial import Trial
from qcode.evals.reports.columns import (
    TABLES,
    UNKNOWN,
    Column,
    dollars,
    interval,
    percent,
    seconds,
)
from qcode.evals.reports.markdown import by_task, facts, mark
from qcode.evals.reports.plots import COLOURS, Point, form_svg, scatter
from qcode.evals.reports.results import Arm
from qcode.evals.reports.style import SCRIPT, STYLE
from qcode.evals.reports.summary import ALL, Row, Summary
from qcode.evals.reports.taxonomy import KINDS, TITLES, Kind
from qcode.ui.printable import encodable, one_line, printable

_NAME = 40
"""Letters of a name beside a point."""


def page(summary: Summary) -> str:
    """Return the page; the same summary gives the same one."""
    return encodable("\n".join([*_Page(summary).lines(), ""]))


class _Page:
    def __init__(self, summary: Summary) -> None:
        self._summary = summary
        self._rows = summary.wholes
        agents = sorted({row.arm.agent for row in self._rows})
        models = sorted({row.arm.model for row in self._rows})
        # Agents beyond the colours have those of others, in another form.
        self._looks = {
            row.arm: (
                at := agents.index(row.arm.agent),
                models.index(row.arm.model) + at // COLOURS,
            )
            for row in self._rows
        }
        scaffolds = [agent.partition("@")[0] for agent in agents]
        self._agent_names = {
            agent: scaffold if scaffolds.count(scaffold) == 1 else agent
            for agent, scaffold in zip(agents, scaffolds, strict=True)
        }
        self._is_one_agent, self._is_one_model = len(agents) == 1, len(models) == 1

    def lines(self) -> Iterator[str]:
        summary = self._summary
        digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
        may_load = (
            f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
            "base-uri 'none'; form-action 'none'"
        )
        name = f"Evaluation {_shown(summary.header.id)}"
        yield "<!doctype html>"
        yield '<html lang="en"><head><meta charset="utf-8">'
        yield f'<meta http-equiv="Content-Security-Policy" content="{may_load}">'
        yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
        yield '<meta name="referrer" content="no-referrer">'
        yield f"<title>{name}</title><style>{STYLE}</style></head>"
        yield f"<body><h1>{name}</h1>"
        yield '<dl class="facts">'
        for what, value in facts(summary.header):
            yield f"<dt>{what}</dt><dd>{_shown(value)}</dd>"
        yield "</dl>"
        if summary.damaged:
            left_out = f"{summary.damaged:,} damaged lines of the results file were left out."
            yield f'<p class="note">{left_out}</p>'
        if summary.trials:
            yield from self._plots()
            for title, columns in TABLES:
                yield f"<h2>{title}</h2>"
                yield from self._table(columns)
            yield from self._pass_at()
            yield from self._kinds()
            yield from self._grid()
            yield from self._failures()
        else:
            yield "<p>No trial has ended yet.</p>"
        yield f"<script>{SCRIPT}</script></body></html>"

    def _plots(self) -> Iterator[str]:
        yield "<h2>Pass rate against cost and time</h2>"
        yield '<div class="plots">'
        plots: tuple[tuple[str, Callable[[Row], float | None], Callable[[float], str]], ...] = (
            ("cost of a trial", lambda row: row.cost_usd, _short_dollars),
            ("time of a trial, median", lambda row: row.wall_median_s, _short_seconds),
        )
        for title, figure, text in plots:
            points = []
            for row in self._rows:
                if (x := figure(row)) is not None and row.rate is not None:
                    points.append(self._point(row, x, text))
            whole = f"Pass rate against {title}"
            yield f"<figure><figcaption>{whole}</figcaption>"
            yield scatter(points, whole, title, text)
            yield "</figure>"
        yield "</div>"
        yield '<p class="note">Bars are 95 % intervals. A colour is an agent, a form a model.</p>'

    def _point(self, row: Row, x: float, text: Callable[[float], str]) -> Point:
        colour, form = self._looks[row.arm]
        rate = row.rate or 0.0
        return Point(
            self._short(row.arm),
            f"{_line(row.arm.name)}: {percent(rate)} ({interval(row.interval)}), {text(x)}",
            x,
            rate,
            row.interval.low,
            row.interval.high,
            colour,
            form,
        )

    def _short(self, arm: Arm) -> str:
        """Return a name without what all have in common."""
        agent, model = self._agent_names[arm.agent], arm.model
        if self._is_one_model and not self._is_one_agent:
            return one_line(agent, _NAME)
        if self._is_one_agent:
            return one_line(model, _NAME)
        return one_line(f"{agent} · {model}", _NAME)

    def _table(self, columns: Sequence[Column]) -> Iterator[str]:
        yield '<div class="wide"><table class="sort"><thead><tr>'
        for head in ("agent", "model", "suite"):
            yield f"<th>{head}</th>"
        for column in columns:
            yield f'<th class="n" title="{escape(column.about)}">{column.title}</th>'
        yield "</tr></thead><tbody>"
        for row in self._summary.rows:
            yield (
                f'<tr class="whole">{self._who(row)}'
                if row.suite == ALL
                else f"<tr>{self._who(row)}"
            )
            for column in columns:
                yield _figure(column.text(row), column.value(row))
            yield "</tr>"
        yield "</tbody></table></div>"

    def _who(self, row: Row) -> str:
        colour, form = self._looks[row.arm]
        return (
            f"<th>{form_svg(form, colour)}{_line(row.arm.agent)}</th>"
            f"<td>{_line(row.arm.model)}</td><td>{_line(row.suite)}</td>"
        )

    def _pass_at(self) -> Iterator[str]:
        ks = sorted({each.k for row in self._summary.rows for each in row.pass_at})
        if ks in ([], [1]):
            return
        yield "<h2>pass@k</h2>"
        yield '<div class="wide"><table class="sort"><thead><tr>'
        yield "<th>agent</th><th>model</th><th>suite</th>"
        yield "".join(f'<th class="n">pass@{k}</th>' for k in ks)
        yield "</tr></thead><tbody>"
        for row in self._summary.rows:
            found = {each.k: each for each in row.pass_at}
            yield f"<tr>{self._who(row)}"
            for k in ks:
                value = found[k].value if k in found else None
                yield _figure(percent(value), value)
            yield "</tr>"
        yield "</tbody></table></div>"
        yield (
            '<p class="note">The chance that one of k trials passes, unbiased, over the tasks that '
            "were tried at least k times.</p>"
        )

    def _kinds(self) -> Iterator[str]:
        rows = [row for row in self._rows if row.kinds]
        if not rows:
            return
        kinds = [kind for kind in KINDS if any(kind in row.kinds for row in rows)]
        most = max(max(row.kinds.values()) for row in rows)
        yield '<h2>What went wrong</h2><div class="each">'
        for row in rows:
            colour, form = self._looks[row.arm]
            yield f"<section><h3>{form_svg(form, colour)}{_line(row.arm.name)}</h3>"
            yield '<div class="stack">'
            for kind in kinds:
                found = row.kinds.get(kind, 0)
                bar = f'<i style="width:{86 * found / most:.1f}%"></i>' if found else ""
                yield f'<span>{TITLES[kind]}</span><span class="of">{bar}{found or UNKNOWN}</span>'
            yield "</div></section>"
        yield "</div>"

    def _grid(self) -> Iterator[str]:
        arms = [row.arm for row in self._rows]
        cells = by_task(self._summary.trials)
        yield "<h2>Tasks</h2>"
        if len(arms) > 1:
            yield (
                '<p class="only"><label><input type="checkbox" id="differ"> '
                "only tasks on which they differ</label></p>"
            )
        yield '<div class="wide tall"><table class="sort"><thead><tr><th>task</th><th>category</th>'
        for arm in arms:
            colour, form = self._looks[arm]
            yield (
                f'<th class="who">{form_svg(form, colour)}{_line(arm.agent)}'
                f"<small>{_line(arm.model)}</small></th>"
            )
        yield "</tr></thead><tbody>"
        for task, found in cells.items():
            rates = {_rate(found.get(arm, ())) for arm in arms}
            kind = ' class="same"' if len(rates) == 1 else ""
            category = next(iter(found.values()))[0].category
            yield f"<tr{kind}><th>{_line(task)}</th><td>{_line(category)}</td>"
            for arm in arms:
                yield self._cell(found.get(arm, ()))
            yield "</tr>"
        yield "</tbody></table></div>"
        yield (
            '<p class="note">✓ passed, ✗ failed, ! was not judged; one sign a trial, which leads '
            "to what is kept of it.</p>"
        )

    def _cell(self, trials: Sequence[Trial]) -> str:
        rate = _rate(trials)
        kind = "odd" if rate is None else "good" if rate == 1 else "bad" if rate == 0 else "part"
        signs = []
        for trial in trials:
            failure = self._summary.failures[trial.key]
            about = ": ".join(filter(None, (TITLES[failure.kind], failure.evidence)))
            took = f"{seconds(trial.effort.wall_s)}, {dollars(trial.effort.cost_usd)}"
            tip = escape(f"#{trial.number} {about} ({took})")
            signs.append(_linked(trial, mark(trial), tip))
        value = "" if rate is None else f"{rate:.4f}"
        return f'<td class="cell {kind}" data-v="{value}">{"".join(signs) or UNKNOWN}</td>'

    def _failures(self) -> Iterator[str]:
        by_kind: dict[Kind, list[Trial]] = defaultdict(list)
        for trial in self._summary.trials:
            by_kind[self._summary.failures[trial.key].kind].append(trial)
        if not (by_kind.keys() - {"passed"}):
            return
        yield "<h2>Each failure</h2>"
        for kind in KINDS:
            if kind == "passed" or not by_kind[kind]:
                continue
            yield f"<details><summary>{TITLES[kind]} · {len(by_kind[kind]):,}</summary>"
            yield '<div class="wide"><table class="sort"><thead><tr>'
            yield "<th>trial</th><th>agent</th><th>model</th><th>judged</th><th>evidence</th>"
            yield "</tr></thead><tbody>"
            for trial in by_kind[kind]:
                name = _linked(trial, f"{_line(trial.task)}#{trial.number}", "what is kept of it")
                evidence = _shown(self._summary.failures[trial.key].evidence)
                yield (
                    f"<tr><th>{name}</th><td>{_line(trial.agent)}</td>"
                    f"<td>{_line(trial.model)}</td><td>{_line(trial.reason)}</td>"
                    f'<td class="long">{evidence}</td></tr>'
                )
            yield "</tbody></table></div></details>"


def _figure(text: str, value: float | None) -> str:
    return f'<td class="n" data-v="{"" if value is None else f"{value:.6g}"}">{escape(text)}</td>'


def _rate(trials: Sequence[Trial]) -> float | None:
    judged = [trial.passed for trial in trials if trial.reason != "error"]
    return sum(judged) / len(judged) if judged else None


def _linked(trial: Trial, shown: str, tip: str) -> str:
    """Return something that leads to a trial's artefacts, if they lie below the page."""
    place = PurePosixPath(trial.artefacts)
    if not trial.artefacts or place.is_absolute() or ".." in place.parts:
        return f'<span title="{tip}">{shown}</span>'
    # `./` first: what looks like `javascript:` is a folder then.
    address = "./" + quote(place.as_posix().encode("utf-8", "replace")) + "/"
    return f'<a href="{address}" title="{tip}">{shown}</a>'


def _short_dollars(value: float) -> str:
    return f"${value:.3g}"


def _short_seconds(value: float) -> str:
    return f"{value:.3g} s" if value < 120 else f"{value / 60:.3g} min"


def _line(text: str) -> str:
    return escape(one_line(text, 120))


def _shown(text: str) -> str:
    return escape(printable(text))
