from __future__ import annotations

import json
import threading
from collections.abc import Hashable
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcode import events
from qcode.errors import QcodeError
from qcode.facts.learning import Learner
from qcode.facts.store import DAYS, MOST, Fact, Store
from qcode.facts.telling import LINES, listed, told
from qcode.manifests import PURPOSES
from qcode.messages import ToolCall, ToolMessage

TODAY = date(2030, 5, 4)


class Bench:
    """A learner for a workspace, fed with what a session would tell."""

    def __init__(self, tmp_path: Path, session: str = "one") -> None:
        self.root = tmp_path / "work"
        self.root.mkdir(exist_ok=True)
        self.store = Store(tmp_path / "facts", self.root)
        self.state: Hashable = 0
        self.learner = Learner(lambda: self.store, session, lambda: self.state, self._mask)
        self._count = 0

    @staticmethod
    def _mask(text: str) -> str:
        return text.replace("hunter2", "[masked]")

    def run(
        self, command: str, summary: str = "3 lines", seconds: float = 2.0, **arguments: object
    ) -> None:
        """Tell of one command; it failed if its summary says `exit`."""
        self._count += 1
        name = f"call_{self._count}"
        written = json.dumps({"command": command, **arguments})
        call = ToolCall(name, "run_shell_command", written)
        is_error = not summary.endswith("lines")
        self.learner.handle(events.ToolStarted(call, command))
        message = ToolMessage(name, "run_shell_command", "…", is_error)
        self.learner.handle(events.ToolFinished(message, summary, "", seconds))

    def edit(self) -> None:
        self.learner.handle(events.ToolStarted(ToolCall("e", "edit", "{}"), ""))

    def facts(self, today: date = TODAY) -> tuple[Fact, ...]:
        self.learner.save(today)
        return self.store.valid(today)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_was_run_is_known_with_where_that_comes_from(bench: Bench) -> None:
    (bench.root / "pyproject.toml").write_text("[project]")
    bench.run("ls -l")
    bench.run("pytest -q", "exit 1")
    bench.edit()
    bench.run("pytest -q", seconds=12.34)
    bench.run("ruff check .")

    test, lint = bench.facts()

    assert (test.purpose, test.command, test.passed, test.failed) == ("test", "pytest -q", 1, 1)
    assert (test.last, test.seconds, test.flaky) == ("passed", 12.3, False)
    assert (test.session, test.date) == ("one", "2030-05-04")
    assert [name for name, _ in test.rests_on] == ["pyproject.toml"]
    assert (lint.purpose, lint.command) == ("lint", "ruff check .")
    assert told((test, lint)) == (
        "Known of this project from earlier sessions; it may have changed since:\n"
        "- test: `pytest -q` (passed the last time; takes about 12 s)\n"
        "- lint: `ruff check .` (passed the last time; takes about 2 s)"
    )


def test_both_outcomes_on_the_same_files_are_flaky(bench: Bench) -> None:
    bench.run("make test", "exit 1")
    bench.run("make test")

    assert [fact.flaky for fact in bench.facts()] == [True]
    assert "flaky" in told(bench.facts())


@pytest.mark.parametrize("what", ["edit", "command", "person", "state", "unknown state"])
def test_a_change_between_is_a_reason_for_another_outcome(bench: Bench, what: str) -> None:
    if what == "unknown state":
        bench.state = None
    bench.run("make test", "exit 1")
    match what:
        case "edit":
            bench.edit()
        case "command":
            bench.run("sed -i s/a/b/ x.py")
        case "person":
            bench.learner.handle(events.TurnStarted("and now"))
        case "state":
            bench.state = 1
    bench.run("make test")

    assert [fact.flaky for fact in bench.facts()] == [False]


def test_what_says_nothing_about_the_command_is_not_noted(bench: Bench) -> None:
    bench.run("pytest", "exit 127")
    bench.run("pytest", "timed out after 120 s")
    bench.run("pytest", "job 1 started", is_background=True)
    bench.run("pytest", directory="sub")
    bench.run("pytest --token=hunter2")
    call = ToolCall("b", "run_shell_command", '{"command": "pytest"}')
    bench.learner.handle(events.ToolStarted(call, "pytest"))
    bench.learner.handle(events.Blocked("b", ("network",)))
    bench.learner.handle(events.ToolFinished(ToolMessage("b", "x", "", True), "exit 1", "", 1.0))

    assert bench.facts() == ()
    assert not bench.store.file.exists()


def test_what_verifies_the_work_is_a_test_if_nothing_else(bench: Bench) -> None:
    bench.learner.verified("sh check.sh", 0, 1.0)
    bench.learner.verified("make lint", 1, 1.0)
    bench.learner.verified("never ends", None, 900.0)

    assert [(f.purpose, f.command) for f in bench.facts()] == [
        ("test", "sh check.sh"), ("lint", "make lint")]  # fmt: skip


def test_facts_are_forgotten_with_time_or_with_their_manifest(bench: Bench) -> None:
    (bench.root / "Makefile").write_text("test:\n")
    bench.run("make test")
    bench.run("sh -c true")

    assert len(bench.facts()) == 1
    assert len(bench.store.valid(TODAY + timedelta(days=DAYS))) == 1
    assert bench.store.valid(TODAY + timedelta(days=DAYS + 1)) == ()
    (bench.root / "Makefile").write_text("test: other\n")
    assert bench.store.valid(TODAY) == ()
    assert "expired" in listed(bench.store.load(), ())


def test_a_command_of_another_manifest_is_counted_anew(bench: Bench, tmp_path: Path) -> None:
    (bench.root / "Makefile").write_text("test:\n")
    bench.run("make test", "exit 2")
    bench.facts()
    (bench.root / "Makefile").write_text("test: other\n")
    later = Bench(tmp_path, "two")
    later.run("make test")

    (fact,) = later.facts()

    assert (fact.passed, fact.failed, fact.session) == (1, 0, "two")


def test_what_a_person_wrote_down_is_kept(bench: Bench) -> None:
    bench.store.change(lambda _: [Fact("test", "just test", date="2001-01-01", kept=True)])
    bench.run("just test")
    bench.run("pytest")

    assert [fact.command for fact in bench.facts()] == ["just test", "pytest"]
    assert told(bench.facts()).splitlines()[1] == (
        "- test: `just test` (passed the last time; takes about 2 s; the person says so)"
    )


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"facts": 3}', '{"facts": [3]}', '{"facts": [{"purpose": "test"}]}',
     '{"facts": [{"purpose": "x", "command": "y"}]}', "[" * 100_000,
     '{"facts": [{"purpose": "test", "command": "y", "rests_on": []}]}'],
)  # fmt: skip
def test_a_damaged_file_is_told_and_stays(bench: Bench, content: str) -> None:
    bench.store.file.parent.mkdir()
    bench.store.file.write_text(content)
    bench.run("pytest")

    with pytest.raises(QcodeError, match="damaged"):
        bench.facts()
    assert bench.store.file.read_text() == content


def test_the_file_is_the_persons_alone_and_small(bench: Bench) -> None:
    for number in range(MOST + 20):
        bench.run(f"pytest tests/test_{number}.py")

    assert len(bench.facts()) == MOST
    assert bench.store.file.stat().st_mode & 0o777 == 0o600
    assert bench.store.file.name.startswith("work-")
    assert len(told(bench.facts()).splitlines()) < 30


def test_sessions_that_end_at_once_lose_nothing(tmp_path: Path) -> None:
    benches = [Bench(tmp_path, str(number)) for number in range(8)]
    for number, each in enumerate(benches):
        each.run(f"pytest tests/test_{number}.py")
    threads = [threading.Thread(target=each.learner.save, args=(TODAY,)) for each in benches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(benches[0].store.load()) == 8


FACTS = st.builds(
    Fact,
    st.sampled_from(PURPOSES),
    st.text(min_size=1).filter(str.strip),
    passed=st.integers(0, 9),
    failed=st.integers(0, 9),
    last=st.sampled_from(["passed", "failed"]),
    seconds=st.floats(0, 1e6),
    flaky=st.booleans(),
    session=st.text(),
    date=st.text(),
    rests_on=st.dictionaries(st.text(), st.text()).map(lambda d: tuple(d.items())),
    kept=st.booleans(),
)


@given(st.lists(FACTS, max_size=5))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, facts: list[Fact]
) -> None:
    store = Store(tmp_path_factory.mktemp("facts"), Path("/somewhere"))
    store.change(lambda _: facts)

    assert store.load() == tuple(facts)
    assert len(told(facts).splitlines()) <= LINES + 1
