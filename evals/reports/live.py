"""What is told while an evaluation runs: a table that is redrawn, or a line for each trial.

Trials never wait for it: `begin` and `end` note a fact and return; a thread of its own draws,
and if whoever reads is slow, only what is drawn comes late.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from qcode.evals.harness.trial import Header, Trial
from qcode.evals.reports.columns import UNKNOWN, count, dollars, percent, seconds
from qcode.evals.reports.markdown import mark
from qcode.evals.reports.results import Arm, Key
from qcode.evals.reports.summary import tokens
from qcode.ui.printable import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

MOST_RUNNING = 12
"""Trials under way that are shown; those that run longest first."""
QUIET_S = 60.0
"""Where lines are printed, what runs is told again after so long without one."""
_REFRESHES = 4
"""A second."""
_FLUSH_S = 2.0
"""For lines that wait at the end; longer only a reader takes that has gone away."""


class Tally:
    """What came of one agent and model so far."""

    def __init__(self) -> None:
        self.done = self.judged = self.passed = self.errors = self.tokens = 0
        self.cost: float | None = None

    def add(self, trial: Trial) -> None:
        """Count a trial."""
        self.done += 1
        self.errors += trial.reason == "error"
        self.judged += trial.reason != "error"
        self.passed += trial.passed
        self.tokens += tokens(trial) or 0
        if trial.effort.cost_usd is not None:
            self.cost = (self.cost or 0.0) + trial.effort.cost_usd

    @property
    def rate(self) -> float | None:
        """Of the judged trials, those that passed."""
        return self.passed / self.judged if self.judged else None


class Board:
    """All that is known so far; for any thread."""

    def __init__(self, total: int, earlier: Iterable[Trial] = ()) -> None:
        self._lock = threading.Lock()
        self._total = total
        self._tallies: dict[Arm, Tally] = {}
        self._running: dict[Key, float] = {}
        self._done = 0
        self._before = 0
        self._began = time.monotonic()
        for trial in earlier:
            self.end(trial)
        self._before = self._done

    def begin(self, key: Key) -> None:
        """Note that a trial began."""
        with self._lock:
            self._running[key] = time.monotonic()
            self._tallies.setdefault(Arm(key[1], key[2]), Tally())

    def end(self, trial: Trial) -> int:
        """Note what came of a trial; return how many have ended by now."""
        with self._lock:
            self._running.pop(trial.key, None)
            self._tallies.setdefault(Arm(trial.agent, trial.model), Tally()).add(trial)
            self._done += 1
            return self._done

    def rows(self) -> list[tuple[str, ...]]:
        """Return a row for each agent and model."""
        with self._lock:
            return [
                (
                    one_line(arm.agent, 40),
                    one_line(arm.model, 40),
                    f"{tally.done:,}",
                    f"{tally.passed:,}",
                    percent(tally.rate),
                    f"{tally.errors:,}" if tally.errors else UNKNOWN,
                    count(tally.tokens),
                    dollars(tally.cost),
                )
                for arm, tally in sorted(
                    self._tallies.items(), key=lambda item: (item[0].agent, item[0].model)
                )
            ]

    def progress(self) -> str:
        """Return in a line how far it is, and when it may be done."""
        with self._lock:
            took = time.monotonic() - self._began
            here, left = self._done - self._before, max(0, self._total - self._done)
            parts = [f"{self._done:,} of {self._total:,}", seconds(took)]
            if here and left:
                parts.append(f"about {seconds(took / here * left)} left")
            return " · ".join(parts)

    def running(self) -> list[str]:
        """Return a line for each trial under way, those that run longest first."""
        now = time.monotonic()
        with self._lock:
            found = sorted(self._running.items(), key=lambda item: item[1])
        lines = [
            one_line(f"{seconds(now - began):>8}  {name(key)}", 200)
            for key, began in found[:MOST_RUNNING]
        ]
        more = len(found) - MOST_RUNNING
        return [*lines, f"and {more:,} more"] if more > 0 else lines


def name(key: Key) -> str:
    """Return a trial's name in a line."""
    task, agent, model, number = key
    return f"{task}#{number}  {Arm(agent, model).name}"


def line(trial: Trial, done: int, total: int) -> str:
    """Return in a line what came of a trial."""
    took = [seconds(trial.effort.wall_s)]
    if (used := tokens(trial)) is not None:
        took.append(f"{count(used)} tokens")
    if trial.effort.cost_usd is not None:
        took.append(dollars(trial.effort.cost_usd))
    why = "" if trial.passed else f"  {trial.reason} {trial.detail}".rstrip()
    text = f"[{done}/{total}] {mark(trial)} {name(trial.key)}  {', '.join(took)}{why}"
    return one_line(text, 240)


class Live:
    """What is told while it runs: `with Live(header, total) as live: …`."""

    def __init__(
        self,
        header: Header,
        total: int,
        *,
        stream: TextIO | None = None,
        earlier: Iterable[Trial] = (),
    ) -> None:
        """`total` counts all trials, `earlier` those that an evaluation that is resumed has."""
        self._stream = sys.stderr if stream is None else stream
        self._title = one_line(f"{header.id}  {', '.join(header.suites)}", 100)
        self._total = total
        self._board = Board(total, earlier)
        self._teller = (_Drawn if self._stream.isatty() else _Lines)(
            self._stream, self._board, self._title
        )

    def __enter__(self) -> Self:
        self._teller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._teller.stop()

    def begin(self, key: Key) -> None:
        """Note that a trial began."""
        self._board.begin(key)

    def end(self, trial: Trial) -> None:
        """Note what came of a trial."""
        done = self._board.end(trial)
        self._teller.ended(line(trial, done, self._total))


class _Drawn:
    """The table on a terminal, redrawn by a thread of rich's."""

    def __init__(self, stream: TextIO, board: Board, title: str) -> None:
        from rich.console import Console
        from rich.live import Live as Drawing

        self._board, self._title = board, title
        self._drawing = Drawing(
            console=Console(file=stream, highlight=False),
            get_renderable=self._renderable,
            refresh_per_second=_REFRESHES,
        )

    def start(self) -> None:
        self._drawing.start(refresh=True)

    def ended(self, _line: str) -> None:
        """The table shows it."""

    def stop(self) -> None:
        try:
            self._drawing.stop()
        except OSError:
            pass  # the terminal is gone; what was found out stands in the results

    def _renderable(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold", title=None)
        table.add_column("agent", no_wrap=True)
        table.add_column("model", no_wrap=True)
        for figure in ("done", "passed", "rate", "errors", "tokens", "cost"):
            table.add_column(figure, justify="right", no_wrap=True)
        for row in self._board.rows():
            table.add_row(*map(Text, row))
        running = [
            Text(each, style="dim", no_wrap=True, overflow="ellipsis")
            for each in self._board.running()
        ]
        head = Text(f"{self._title}  ", style="bold", no_wrap=True, overflow="ellipsis")
        head.append(self._board.progress(), style="not bold")
        return Group(head, table, *running)


class _Lines:
    """A line for each trial where nothing can be redrawn: a file, a pipe, the log of a job."""

    def __init__(self, stream: TextIO, board: Board, title: str) -> None:
        self._stream, self._board, self._title = stream, board, title
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="eval-lines", daemon=True)

    def start(self) -> None:
        self._waiting.put(self._title)
        self._thread.start()

    def ended(self, line: str) -> None:
        self._waiting.put(line)

    def stop(self) -> None:
        for row in self._board.rows():
            agent, model, done, passed, rate, errors, *_ = row
            told = f"{passed} of {done} passed, {rate}"
            if errors != UNKNOWN:
                told = f"{passed} of {done} passed, {errors} not judged, {rate} of the others"
            self._waiting.put(f"{agent} × {model}: {told}")
        self._waiting.put(None)
        self._thread.join(_FLUSH_S)

    def _write(self) -> None:
        try:
            while True:
                try:
                    told = self._waiting.get(timeout=QUIET_S)
                except queue.Empty:
                    told = "; ".join([self._board.progress(), *self._board.running()[:3]])
                if told is None:
                    return
                # One write: what else is written to stderr must not part a line.
                self._stream.write(f"{told}\n")
                self._stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads any more; what was found out stands in the results
