"""What an edit costs: placing it, failing to place it, and judging the syntax.

    make bench ARGS="--only edits"

CPU times of this process on Python code of so many lines.
docs/benchmarks.md says what the figures mean.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

from qcode.editing.outcome import Edited, Refused
from qcode.editing.replace import Replacement, replace
from qcode.evals.bench_report import Section
from qcode.syntax import newly_broken

SIZES = (5_000, 20_000, 50_000)
"""Lines of the file."""

_EDITS = 1_000
_EDGE = 100
"""Edits at the begin and at the end that are compared."""
_ROUNDS = 5
_LINES = 7
"""Of one function."""


def measure(sizes: Sequence[int] = SIZES, edits: int = _EDITS) -> Section:
    """Return the figures of files of so many lines."""
    return {f"{size:,} lines": _one(size, edits) for size in sizes}


def _one(size: int, edits: int) -> dict[str, list[float]]:
    text = "".join(_function(number) for number in range(size // _LINES))
    took = _one_after_the_other(text, size // _LINES, edits)
    first, last = took[:_EDGE], took[-_EDGE:]
    middle = size // _LINES // 2
    nearly = _function(middle).replace("of all of", "of al of")
    drifted = Replacement(nearly, nearly.replace("+= x", "-= x"))
    missing = Replacement(_function(middle).replace("total", "tote"), "x = 1\n")
    return {
        "edit_ms": took,
        "edit_growth": [statistics.median(last) / statistics.median(first)],
        "drift_ms": [_found(text, drifted, Edited) for _ in range(_ROUNDS)],
        "miss_ms": [_found(text, missing, Refused) for _ in range(_ROUNDS)],
        **_judging(text),
    }


def _function(number: int) -> str:
    return (
        f"def f{number}(a):\n    # step {number} of all of them\n    total = 0\n"
        f"    for x in a:\n        total += x * {number}\n    return total\n\n"
    )


def _one_after_the_other(text: str, functions: int, edits: int) -> list[float]:
    took = []
    for count in range(edits):
        number = count * 7919 % functions
        # The same function may come again: each edit adds a line of its own.
        old = f"def f{number}(a):\n"
        edit = Replacement(old, f"{old}    # edit {count}\n")
        begin = time.process_time()
        outcome = replace(text, [edit])
        took.append((time.process_time() - begin) * 1e3)
        assert isinstance(outcome, Edited), outcome
        text = outcome.text
    return took


def _found(text: str, edit: Replacement, kind: type[Edited] | type[Refused]) -> float:
    outcomes: list[object] = []
    spent = _ms(lambda: outcomes.append(replace(text, [edit])))
    assert isinstance(outcomes[0], kind), outcomes[0]
    return spent


def _judging(text: str) -> dict[str, list[float]]:
    """Return what the syntax gate takes for the first edit of a file and for later ones."""
    first: list[float] = []
    later: list[float] = []
    for turn in range(_ROUNDS):
        own = f"# {turn}\n{text}"  # another file, whose tree is not known
        after = own
        for count in range(_ROUNDS):
            before, after = after, after.replace("total = 0\n", f"total = 0  # {count}\n", 1)
            spent = _ms(partial(newly_broken, "a.py", before, after))
            (later if count else first).append(spent)
    return {"gate_first_ms": first, "gate_ms": later}


def _ms(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return (time.process_time() - begin) * 1e3
