"""What edits cost: linear in the file, whatever its lines are like."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from effort import unit_s
from thorough import many

from qcode.editing.outcome import Edited, Reason, Refused
from qcode.editing.replace import Replacement, replace

LINES = 50_000
FUZZY = 40
"""Units: 200 ms where one takes 5 ms."""


def seconds(work: Callable[[], Edited | Refused]) -> tuple[float, Edited | Refused]:
    """Return the CPU time of the quickest run, and what came of it."""
    best = 1000.0
    for _ in range(many(3, 2)):
        begin = time.process_time()
        outcome = work()
        best = min(best, time.process_time() - begin)
    return best, outcome


def numbered(count: int, line: str, end: str = "\n") -> str:
    return "".join(line.format(number, number % 7) + end for number in range(count))


def function(number: int, comment: str = "all", result: str = "total") -> str:
    return (
        f"def f{number}(a):\n    # step {number} of {comment} of them\n    total = 0\n"
        f"    for x in a:\n        total += x * {number}\n    return {result}\n\n"
    )


NEAR = "def handler_{0}(req, context): return respond(user, {1})"
TEXTS = {
    "code": "".join(map(function, range(LINES // 7))),
    "near-equal lines": numbered(LINES, NEAR),
    "equal lines": "    x = 1\n" * LINES,
    "few different lines": "".join(
        random.Random(number).choice(["    a()\n", "    b()\n", "\n", "    }\n"])
        for number in range(LINES)
    ),
    "long lines": numbered(LINES // 20, "x" * 3000 + "{0}"),
    "typographic": numbered(LINES, "say_{0}(“ä”) — {1}"),
    "line ends of both kinds": numbered(LINES // 2, NEAR, "\r\n") + numbered(LINES // 2, "{0}"),
}
SOUGHT = {
    "a line": "def handler_77777(req, contxt): return respond(user, 8)\n",
    "a function": function(4000, "al", "tote"),
    "many lines": "    a()\n    b()\n\n    }\n" * 60 + "    x = 1\n" * 400 + "    x = 2\n" * 200,
    "a long line": "x" * 2990 + "y12\n" + "    x = 1\n" * 4,
    "signs": "say_5('ä') - 5\nsay_6(\"ä\") - 9\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("old", SOUGHT.values(), ids=SOUGHT)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_search_that_fails_is_quick(text: str, old: str) -> None:
    took, outcome = seconds(lambda: replace(text, [Replacement(old, "y\n")]))

    assert isinstance(outcome, Refused)
    assert took < FUZZY * unit_s()


def test_a_drifted_place_in_a_large_file_is_found_quickly() -> None:
    edit = Replacement(function(4000, "al"), function(4000, "al").replace("* 4000", "* 4001"))

    took, outcome = seconds(lambda: replace(TEXTS["code"], [edit]))

    assert isinstance(outcome, Edited)
    assert function(4000).replace("* 4000", "* 4001") in outcome.text
    assert took < FUZZY * unit_s()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_ambiguous_text_is_refused_quickly(text: str) -> None:
    old = "\n".join(line.strip() for line in text.split("\n", 2)[:1])

    took, outcome = seconds(lambda: replace(text * 2, [Replacement(old + "\n", "y\n")]))

    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.AMBIGUOUS
    assert took < FUZZY * unit_s()


def one_after_the_other(count: int, lines: int, end: str) -> float:
    """Return the CPU time of edits of a file, each of what the one before made."""
    text = numbered(lines, "    value_{0} = compute({0}, 'some text')", end)
    begin = time.process_time()
    for number in range(count):
        at = number * 7919 % lines
        edit = Replacement(
            f"    value_{at} = compute({at},", f"    value_{at} = calculate({at},\n  "
        )
        outcome = replace(text, [edit])
        assert isinstance(outcome, Edited), outcome
        text = outcome.text
    return time.process_time() - begin


@pytest.mark.slow
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_hundreds_of_edits_of_a_large_file_take_linear_time(end: str) -> None:
    times = many(10, 4)
    few, more = (one_after_the_other(count, 20_000, end) for count in (100, 100 * times))

    assert more < 100 * times * unit_s()
    assert more < times * few * 2


def test_edits_of_one_call_take_linear_time() -> None:
    text = numbered(20_000, "    value_{0} = compute({0})")
    edits = [Replacement(f"value_{n} = ", f"value_{n} =\n") for n in range(0, 20_000, 20)]

    took, outcome = seconds(lambda: replace(text, edits))

    assert isinstance(outcome, Edited)
    assert len(outcome.places) == 1000
    assert took < 600 * unit_s()
