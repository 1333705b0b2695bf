"""What tests take: time of the processor, here and in children waited for, and time spent waiting.

`make slowest` asks for it. A worker that waits does not work either: where the time by the clock is
far more than that of the processor, something is slept through or runs into its time limit.
"""

from __future__ import annotations

import resource
import time
from collections import defaultdict
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import pytest

_KEY = "spent"


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds by the clock, of this process and of its children."""

    wall_s: float = 0.0
    own_s: float = 0.0
    children_s: float = 0.0

    @classmethod
    def until_now(cls) -> Spent:
        own, children = (
            resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        return cls(
            time.monotonic(),
            own.ru_utime + own.ru_stime,
            children.ru_utime + children.ru_stime,
        )

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.wall_s + other.wall_s,
            self.own_s + other.own_s,
            self.children_s + other.children_s,
        )

    def __sub__(self, other: Spent) -> Spent:
        return Spent(
            self.wall_s - other.wall_s,
            self.own_s - other.own_s,
            self.children_s - other.children_s,
        )

    @property
    def cpu_s(self) -> float:
        return self.own_s + self.children_s

    def line(self, name: str) -> str:
        """Everything in columns; the name last, as names are long."""
        return (
            f"{self.cpu_s:8.2f} {self.own_s:8.2f} {self.children_s:8.2f} "
            f"{self.wall_s:8.2f} {max(0.0, self.wall_s - self.cpu_s):8.2f}  {name}"
        )


HEADINGS = f"{'cpu':>8} {'own':>8} {'children':>8} {'clock':>8} {'waited':>8}"


@dataclass(slots=True, eq=False)  # pytest puts plugins into sets
class Measuring:
    """A plugin: in a worker it adds to each report, in the first process it sums them up."""

    shown: int
    last: Spent = field(default_factory=Spent.until_now)
    tests: defaultdict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))

    @pytest.hookimpl
    def pytest_collection_finish(self) -> None:
        self.last = Spent.until_now()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        now = Spent.until_now()
        spent, self.last = now - self.last, now
        report.user_properties.append((_KEY, (spent.wall_s, spent.own_s, spent.children_s)))
        return report

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # What one phase added stands in the reports of the later ones too.
        found: list[Any] = [value for name, value in report.user_properties if name == _KEY]
        if found:
            self.tests[report.nodeid] += Spent(*found[-1])

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        files, folders = defaultdict[str, Spent](Spent), defaultdict[str, Spent](Spent)
        functions, counts = defaultdict[str, Spent](Spent), defaultdict[str, int](int)
        for name, spent in self.tests.items():
            file = name.partition("::")[0]
            functions[name.partition("[")[0]] += spent
            counts[name.partition("[")[0]] += 1
            files[file] += spent
            folders[file.rpartition("/")[0]] += spent
        named = {f"{name} ({counts[name]})": spent for name, spent in functions.items()}
        for title, sums, most in (
            ("folders", folders, len(folders)),
            ("files", files, self.shown),
            ("tests", named, self.shown),
        ):
            terminalreporter.section(f"seconds spent: {title}")
            terminalreporter.line(HEADINGS)
            for name, spent in sorted(sums.items(), key=lambda pair: -pair[1].cpu_s)[:most]:
                terminalreporter.line(spent.line(name))
        terminalreporter.line(sum(self.tests.values(), Spent()).line("all"))
