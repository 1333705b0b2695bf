from __future__ import annotations

import asyncio

import pytest

from qcode.verification.comparing import compare
from qcode.verification.outcome import Case, Outcome, Status
from qcode.verification.settling import settle


def outcome(code: int | None, seconds: float = 0.1, **cases: Status) -> Outcome:
    named = tuple(Case(name, status) for name, status in cases.items())
    ran = sum(case.status != "skipped" for case in named) if named else None
    return Outcome("t", code, "", seconds, cases=named, ran=ran)


def settled(before: Outcome, now: Outcome, *later: Outcome) -> tuple[Outcome, int]:
    waiting = list(later)

    async def again(_command: str) -> Outcome:
        return waiting.pop(0)

    (out,) = asyncio.run(settle([before], [now], again))
    return out, len(later) - len(waiting)


BAD, GOOD = outcome(1, a="failed", b="passed"), outcome(0, a="passed", b="passed")


def test_what_was_mended_is_confirmed_once() -> None:
    out, more = settled(BAD, GOOD, GOOD)
    assert (out.passed, out.flaky, out.runs, more) == (True, (), 2, 1)


def test_what_passes_now_and_then_is_not_mended() -> None:
    out, _ = settled(BAD, GOOD, BAD)
    assert (out.passed, out.flaky) == (False, ("a",))


def test_another_test_that_is_flaky_is_no_fault_of_the_run() -> None:
    other = outcome(1, a="passed", b="failed")
    out, _ = settled(BAD, GOOD, other)
    assert (out.passed, out.flaky) == (True, ("b",))
    out, _ = settled(BAD, other, GOOD)
    assert (out.passed, out.flaky) == (True, ("b",))


def test_what_fails_as_before_is_not_run_again() -> None:
    assert settled(BAD, BAD) == (BAD, 0)


def test_what_fails_twice_fails() -> None:
    broken = outcome(1, a="failed", b="failed")
    out, more = settled(BAD, broken, broken)
    assert (out.passed, out.flaky, more) == (False, (), 1)


@pytest.mark.parametrize("now", [outcome(None), outcome(1, 100.0, b="failed")])
def test_what_takes_long_is_not_run_again(now: Outcome) -> None:
    assert settled(GOOD, now) == (now, 0)


def test_without_names_a_command_that_failed_before_is_not_mended_by_chance() -> None:
    out, _ = settled(outcome(1), outcome(0), outcome(1))
    assert (out.passed, out.flaky) == (False, ("t",))
    out, _ = settled(outcome(0), outcome(1), outcome(0))
    assert (out.passed, out.flaky) == (True, ("t",))


def test_tests_are_compared_by_name() -> None:
    before = outcome(1, a="failed", b="passed", c="passed", d="failed")
    after = outcome(1, a="passed", b="failed", c="skipped", d="failed", e="passed")
    found = compare([before], [after])

    assert found.fixed == ("a",)
    assert found.newly_failing == ("b",)
    assert found.newly_skipped == ("c",)
    assert found.still_failing == ("d",)
    assert found.new == ("e",)
    assert found.vanished == ()


def test_tests_that_are_no_longer_run_have_vanished() -> None:
    assert compare([BAD], [outcome(0, b="passed")]).vanished == ("a",)
    assert compare([BAD], [outcome(0)]).vanished == ("2 of 2 tests",)
    # A test was called otherwise, or the run says nothing of tests, or it did not pass.
    assert compare([BAD], [outcome(0, b="passed", c="passed")]).vanished == ()
    assert compare([outcome(1)], [outcome(0)]).vanished == ()
    assert compare([BAD], [outcome(1, b="failed")]).vanished == ()
