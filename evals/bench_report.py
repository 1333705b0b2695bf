"""What `bench.py` found, as tables, and judged by the marks that qcode is held to."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Figures: TypeAlias = dict[str, list[float]]
"""Samples by the name of the figure; its end is the unit."""
Section: TypeAlias = dict[str, Figures]
"""Figures by subject."""

_MOST_ADDED = {"bubblewrap": 14, "namespaces": 10, "landlock": 10}
"""Milliseconds that a tier may add to a command."""

PYTHON = "python"
"""The row of bare Python, to which the others are ratios."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What is asked of qcode, and what was found."""

    name: str
    value: float
    limit: float
    unit: str = ""
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the value is within the limit."""
        return self.value <= self.limit


def marks(sections: Mapping[str, Section], steps: int, peers: Iterable[str]) -> list[Mark]:
    """Return the marks that can be judged from what was measured."""
    out = []
    if qcode := _figures(sections, "startup"):
        bare = statistics.median(sections["startup"][PYTHON]["wall_ms"])
        version = statistics.median(qcode["wall_ms"]) / bare
        out.append(Mark("start-up (--version)", version, 4, "× python"))
    if qcode := _figures(sections, "first"):
        middle = {name: statistics.median(samples) for name, samples in qcode.items()}
        out.append(Mark("one-shot run, CPU", middle["cpu_ms"] / 1e3, 0.30, "s"))
        first = sections["first"]
        others = {p: statistics.median(first[p]["first_ms"]) for p in peers if p in first}
        if others:
            soonest = min(others, key=others.__getitem__)
            sooner = Mark("first request", middle["first_ms"], others[soonest], "ms", soonest)
            out.append(sooner)
        best = f"at best {min(qcode['exit_ms']):.0f}"
        out.append(Mark("exit after the last reply", middle["exit_ms"], 50, "ms", best))
        out.append(Mark("hidden model calls", max(qcode["hidden"]), 0))
    if qcode := _figures(sections, "size"):
        out.append(Mark("first request, size", qcode["tokens"][0], 1100, "tokens"))
    if qcode := _figures(sections, "session"):
        of = f"{steps} steps"
        # Ten of it are qcode's, the others what its sandbox may take.
        out.append(Mark("own time a step", statistics.median(qcode["own_ms"]), 24, "ms", of))
        growth = statistics.median(qcode["growth"])
        out.append(Mark("last ten steps to first ten", growth, 1.25, "×", of))
        out.append(Mark("peak memory of a session", max(qcode["peak_mb"]), 80, "MB", of))
        broken = steps - min(qcode["raw_prefix"])
        out.append(Mark("requests that do not begin with the one before", broken, 0, "", of))
        out.append(Mark("hidden model calls in a session", max(qcode["hidden"]), 0, "", of))
    for name, figures in sections.get("run", {}).items():
        out.append(Mark("a run's own time", figures["run_own_s"][0], 0.3, "s", name))
    if decode := sections.get("decode"):
        growth, stream = max((statistics.median(of["growth"]), name) for name, of in decode.items())
        out.append(Mark("decoding ten times the text, a MB", growth, 1.5, "×", stream))
    if edited := sections.get("edits"):
        growth, size = max((of["edit_growth"][0], name) for name, of in edited.items())
        out.append(Mark("last of 1,000 edits of a file to the first", growth, 1.5, "×", size))
        slowest = max(statistics.median(of["miss_ms"]) for of in edited.values())
        out.append(Mark("text that is not found", slowest, 200, "ms", "at most 50,000 lines"))
        if gate := edited.get("5,000 lines"):
            judged = statistics.median(gate["gate_first_ms"])
            out.append(Mark("syntax of a file's first edit", judged, 20, "ms", "5,000 lines"))
    if kept := sections.get("checkpoints"):
        clean, size = max((statistics.median(of["clean_ms"]), name) for name, of in kept.items())
        out.append(Mark("state of unchanged files", clean, 50, "ms", size))
        growth, size = max((of["changed_growth"][0], name) for name, of in kept.items())
        out.append(Mark("state after one change, to that of few files", growth, 2, "×", size))
    for tier, figures in sections.get("sandbox", {}).items():
        limit = _MOST_ADDED.get(tier)
        if limit is not None:
            added = statistics.median(figures["added_ms"])
            out.append(Mark(f"added to a command by {tier}", added, limit, "ms"))
            growth = statistics.median(figures["growth"])
            out.append(Mark(f"the same from 300 MB, {tier}", growth, 1.25, "×"))
    for name, figures in sections.get("complete", {}).items():
        key = statistics.median(figures["key_ms"])
        out.append(Mark("completion, a keystroke", key, 10, "ms", name))
        out.append(Mark("the same, to a plain look", figures["times"][0], 1, "×", name))
    out += _map_marks(sections.get("map", {})) + _ui_marks(sections.get("ui", {}))
    return out + _screen_marks(sections)


def _ui_marks(section: Section) -> list[Mark]:
    def most(figure: str) -> tuple[float, str]:
        return max((statistics.median(of[figure]), name) for name, of in section.items())

    if not section:
        return []
    typical = statistics.median(section["prose and code"]["bytes"])
    (share, costly), (growth, growing), (kept, large) = map(most, ("share", "growth", "kept_kb"))
    return [
        Mark("showing an answer, share of a core", share, 10, "%", costly),
        Mark("showing five times the text, a character", growth, 1.5, "×", growing),
        Mark("bytes printed for a byte of an answer", typical, 2, "×"),
        Mark("memory that grows with an answer", kept, 1000, "kB", large),
    ]


def _screen_marks(sections: Mapping[str, Section]) -> list[Mark]:
    out = []
    if prompt := _figures(sections, "prompt"):
        first = statistics.median(prompt["prompt_ms"])
        out.append(Mark("first prompt, beyond bare Python", first, 150, "ms"))
    for name, figures in sections.get("stream", {}).items():
        for figure, words, limit, unit in (
            ("share", "an answer in a session, share of a core", 15, "%"),
            ("bytes", "bytes drawn for a byte of an answer", 4, "×"),
            ("grown_mb", "memory that a session grows by meanwhile", 8, "MB"),
            ("clears", "times that a whole screen is cleared", 0, ""),
        ):
            out.append(Mark(words, statistics.median(figures[figure]), limit, unit, name))
    return out


def _map_marks(section: Section) -> list[Mark]:
    out = []
    for figures in section.values():
        if "cold_s" in figures:
            lines = f"{figures['lines'][0]:,.0f} lines"
            for figure, words, limit in (
                ("cold_s", "nothing kept", 30),
                ("warm_s", "all kept", 0.5),
                ("changed_s", "one file changed", 0.3),
            ):
                value = statistics.median(figures[figure])
                out.append(Mark(f"map, {words}", value, limit, "s", lines))
            out.append(Mark("map, peak memory", max(figures["peak_mb"]), 300, "MB", lines))
    slowest = [
        (statistics.median(figures["times"]), name)
        for name, figures in section.items()
        if "times" in figures
    ]
    if slowest:
        ratio, name = max(slowest)
        out.append(Mark("searches, to bare ripgrep", ratio, 1.3, "×", name))
    return out


def busyness(sections: Mapping[str, Section]) -> float | None:
    """Return bare Python's wall time over its CPU time, if that is much more than 1."""
    for section in sections.values():
        bare = section.get(PYTHON, {})
        if {"wall_ms", "cpu_ms"} <= bare.keys():
            ratio = statistics.median(bare["wall_ms"]) / statistics.median(bare["cpu_ms"])
            return ratio if ratio > 1.3 else None
    return None


def _figures(sections: Mapping[str, Section], name: str) -> Figures | None:
    return sections.get(name, {}).get("qcode")


# ------------------------------------------------------------------ the tables


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the median of a figure, or its ratio to that of bare Python."""

    title: str
    figure: str
    digits: int = 0
    ratio: bool = False

    def cell(self, figures: Figures, base: Figures) -> str:
        """Return the text of a row's cell."""
        if not figures.get(self.figure) or (self.ratio and not base.get(self.figure)):
            return "–"
        value = statistics.median(figures[self.figure])
        if self.ratio:
            value /= statistics.median(base[self.figure])
        return f"{value:,.{self.digits}f}"


COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "startup": (
        *(Column("wall ms", "wall_ms", 1), Column("× python", "wall_ms", 1, ratio=True)),
        *(Column("CPU ms", "cpu_ms", 1), Column("× python", "cpu_ms", 1, ratio=True)),
    ),
    "first": (
        *(Column("to wire ms", "first_ms"), Column("× python", "first_ms", 1, ratio=True)),
        Column("CPU ms", "first_cpu_ms"),
        *(Column("run ms", "wall_ms"), Column("CPU ms", "cpu_ms")),
        Column("× python", "cpu_ms", 1, ratio=True),
        *(Column("exit ms", "exit_ms"), Column("peak MB", "peak_mb")),
        *(Column("hidden", "hidden"), Column("other", "other")),
    ),
    "size": (
        *(Column("bytes", "request_bytes"), Column("tools", "tools"), Column("tokens", "tokens")),
        *(Column("system", "tokens_system"), Column("schemas", "tokens_tools")),
        Column("rest", "tokens_rest"),
    ),
    "run": (
        *(Column("wall s", "run_s", 2), Column("own s", "run_own_s", 2)),
        *(Column("begin and end s", "run_ends_s", 2), Column("a step ms", "run_step_ms", 1)),
    ),
    "session": (
        *(Column("step ms", "step_ms", 1), Column("× python", "step_ms", 1, ratio=True)),
        Column("own ms", "own_ms", 1),
        Column("CPU ms", "step_cpu_ms", 1),
        *(Column("first 10", "early_ms", 1), Column("last 10", "late_ms", 1)),
        Column("growth", "growth", 2),
        *(Column("same bytes", "raw_prefix"), Column("same prompt", "same_prefix")),
        *(Column("B/step", "step_bytes"), Column("MB sent", "sent_mb", 2)),
        *(Column("peak MB", "peak_mb"), Column("× python", "peak_mb", 1, ratio=True)),
        *(Column("wall s", "wall_s", 2), Column("CPU s", "cpu_s", 2), Column("hidden", "hidden")),
    ),
    "decode": (
        Column("MB/s by 64", "mb_s_64", 1),
        *(Column("by 1,024", "mb_s_1024", 1), Column("by 65,536", "mb_s_65536", 1)),
        *(Column("× join", "times_base", 1), Column("growth", "growth", 2)),
    ),
    "ui": (
        *(Column("% of a core", "share", 2), Column("growth", "growth", 2)),
        *(Column("bytes a byte", "bytes", 2), Column("kept kB", "kept_kb")),
        *(Column("× rich once", "times_rich", 2), Column("plain %", "plain", 2)),
    ),
    "prompt": (
        *(Column("start ms", "wall_ms"), Column("prompt", "prompt_ms")),
        *(Column("first key", "typed_ms"), Column("ready", "ready_ms")),
    ),
    "stream": (
        *(Column("% of a core", "share", 1), Column("bytes a byte", "bytes", 2)),
        *(Column("grown MB", "grown_mb", 1), Column("cleared", "clears")),
        *(Column("lag ms", "lag_ms"), Column("slow lag", "slow_lag_ms")),
    ),
    "edits": (
        *(Column("edit ms", "edit_ms", 2), Column("growth", "edit_growth", 2)),
        *(Column("drifted", "drift_ms", 1), Column("not found", "miss_ms", 1)),
        *(Column("gate, first", "gate_first_ms", 1), Column("gate", "gate_ms", 1)),
    ),
    "checkpoints": (
        *(Column("first ms", "first_ms", 1), Column("unchanged", "clean_ms", 2)),
        *(Column("growth", "clean_growth", 2), Column("one changed", "changed_ms", 2)),
        *(Column("growth", "changed_growth", 2), Column("thorough", "thorough_ms", 1)),
        *(Column("commit", "kept_ms", 1), Column("undo", "undo_ms", 1)),
    ),
    "sandbox": (
        *(Column("plain ms", "plain_ms", 2), Column("added", "added_ms", 2)),
        *(Column("added, 300 MB", "large_ms", 2), Column("growth", "growth", 2)),
        Column("first ms", "first_ms", 0),
    ),
    "map": (
        *(Column("lines", "lines"), Column("cold s", "cold_s", 1)),
        *(Column("warm s", "warm_s", 2), Column("one changed", "changed_s", 2)),
        *(Column("peak MB", "peak_mb"), Column("tool ms", "tool_ms", 1)),
        *(Column("rg ms", "rg_ms", 1), Column("× rg", "times", 2)),
    ),
    "complete": (
        *(Column("gathered s", "gathered_s", 2), Column("key ms", "key_ms", 1)),
        *(Column("slow key ms", "slow_ms", 1), Column("plain ms", "plain_ms", 1)),
        Column("× plain", "times", 2),
    ),
}


def table(section: Section, columns: Sequence[Column]) -> str:
    """Return a section as lines of aligned text, in Markdown."""
    base = section.get(PYTHON, {})
    rows = [["", *(column.title for column in columns)]]
    for name, figures in section.items():
        rows.append([name, *(column.cell(figures, base) for column in columns)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rows.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def verdicts(found: Sequence[Mark]) -> str:
    """Return the marks as lines of text."""
    width = max((len(mark.name) for mark in found), default=0)
    lines = []
    for mark in found:
        note = f" ({mark.note})" if mark.note else ""
        value = f"{mark.value:,.2f}".rstrip("0").rstrip(".")
        limit = f"{mark.limit:,.2f}".rstrip("0").rstrip(".")
        verdict = "met   " if mark.met else "MISSED"
        lines.append(f"{verdict}  {mark.name:<{width}}  {value} of {limit} {mark.unit}{note}")
    return "\n".join(line.rstrip() for line in lines)
