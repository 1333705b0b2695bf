"""What is told while an evaluation runs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading

import pytest
from eval_results import AIDER, LARGE, QCODE, SMALL, effort, header, trial

from qcode.evals.reports.live import MOST_RUNNING, Board, Live, line, name

WHY = "2 of 5 tests fail"
SOME = [
    trial("a", effort=effort(wall_s=12.34)),
    trial("b", "still_failing", detail="2 of 5\ntests fail"),
    trial("c", "error", agent=AIDER, effort=effort(read_tokens=None, cost_usd=None)),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_where_nothing_can_be_redrawn_each_trial_is_a_line() -> None:
    stream = io.StringIO()

    with Live(header(), 3, stream=stream) as live:
        for each in SOME:
            live.begin(each.key)
            live.end(each)

    assert stream.getvalue().splitlines() == [
        "20260102-030405 small",
        f"[1/3] ✓ a#0 {QCODE} × {SMALL} 12 s, 8,300 tokens, $0.0100",
        f"[2/3] ✗ b#0 {QCODE} × {SMALL} 20 s, 8,300 tokens, $0.0100 still_failing {WHY}",
        f"[3/3] ! c#0 {AIDER} × {SMALL} 20 s, 6,300 tokens error",
        f"{AIDER} × {SMALL}: 0 of 1 passed, 1 not judged, – of the others",
        f"{QCODE} × {SMALL}: 1 of 2 passed, 50.0 %",
    ]


def test_trials_of_before_count_when_an_evaluation_is_resumed() -> None:
    stream = io.StringIO()

    with Live(header(), 3, stream=stream, earlier=SOME[:2]) as live:
        live.end(SOME[2])

    assert "[3/3] ! c#0" in stream.getvalue()


def test_a_terminal_shows_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()

    with Live(header(), 9, stream=stream) as live:
        for each in SOME:
            live.begin(each.key)
            live.end(each)
        live.begin(("d\x1b[2J", QCODE, LARGE, 1))

    last = stream.getvalue().rpartition("20260102-030405")[2]
    assert "3 of 9" in last
    for head in ("agent", "model", "done", "passed", "rate", "errors", "tokens", "cost"):
        assert head in last
    assert "50.0 %" in last
    assert "d#1" in last
    assert "[2J" not in last.replace("\x1b[2K", "")


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_it_ends_when_something_was_raised(stream: io.StringIO) -> None:
    before = set(threading.enumerate())

    with pytest.raises(KeyboardInterrupt):
        with Live(header(), 3, stream=stream):
            raise KeyboardInterrupt

    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


def test_a_slow_reader_does_not_slow_the_trials() -> None:
    let_go = threading.Event()

    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            assert let_go.wait(60)
            return super().write(text)

    stream = Slow()

    with Live(header(), 500, stream=stream) as live:
        for number in range(500):
            live.begin(("a", QCODE, SMALL, number))
            live.end(trial("a", number=number))
        assert stream.getvalue() == ""
        let_go.set()

    assert len(stream.getvalue().splitlines()) == 502


def test_a_reader_that_is_gone_ends_nothing() -> None:
    code = (
        "import sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from eval_results import header, trial\n"
        "from qcode.evals.reports.live import Live\n"
        "with Live(header(), 2) as live:\n"
        "    for number in range(2):\n"
        "        live.end(trial(number=number))\n"
        "print('done')\n"
    )
    reads, writes = os.pipe()
    os.close(reads)

    done = subprocess.run(
        [sys.executable, "-c", code, os.path.dirname(sys.modules["eval_results"].__file__ or "")],
        stdout=subprocess.PIPE,
        stderr=writes,
        text=True,
        timeout=60,
    )

    os.close(writes)
    assert done.stdout == "done\n"


def test_the_board_counts_by_who_tried() -> None:
    board = Board(5)
    for each in SOME:
        board.end(each)
    board.begin(("z", QCODE, LARGE, 0))

    assert (
        board.rows()
        == [
            (AIDER, SMALL, "1", "0", "–", "1", "6,300", "–"),
            (QCODE, SMALL, "2", "1", "50.0 %", "–", "1.7 k", "$0.0200"),
            (QCODE, LARGE, "0", "0", "–", "–", "0", "–"),
        ]
        or board.rows()[1][6] == "16.6 k"
    )
    assert board.progress().startswith("3 of 5 · ")
    assert board.progress().endswith(" left")


def test_only_some_of_what_runs_is_listed_the_longest_first() -> None:
    board = Board(50)
    for number in range(MOST_RUNNING + 3):
        board.begin(("a", QCODE, SMALL, number))

    lines = board.running()

    assert len(lines) == MOST_RUNNING + 1
    assert name(("a", QCODE, SMALL, 0)).replace("  ", " ") in lines[0]
    assert lines[-1] == "and 3 more"


def test_a_line_is_one_line() -> None:
    assert "\n" not in line(SOME[1], 1, 2)
    assert len(line(trial(detail="x" * 999, reason="timeout"), 1, 2)) <= 240


def test_rich_is_not_loaded_where_lines_are_told() -> None:
    code = (
        "import io, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from eval_results import header, trial\n"
        "from qcode.evals.reports.live import Live\n"
        "with Live(header(), 1, stream=io.StringIO()) as live:\n"
        "    live.end(trial())\n"
        "print('rich' in sys.modules)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, os.path.dirname(sys.modules["eval_results"].__file__ or "")],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.stdout, done.stderr) == ("False\n", "")
