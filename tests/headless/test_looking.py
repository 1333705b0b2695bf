from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from qcode.headless.looking import Looking
from qcode.verification.outcome import Outcome


def looking(*exit_codes: int | None, task: str = "Fix the bug.", found: str = "") -> Looking:
    codes = iter(exit_codes)

    async def run(commands: Sequence[str]) -> list[Outcome]:
        return [Outcome(command, next(codes), "1 failed", 0.1) for command in commands]

    look = Looking([] if found else ["pytest"], task, run, lambda: found)
    asyncio.run(look.begin())
    return look


def test_what_fails_is_told_before_and_after() -> None:
    look = looking(1, 1)

    assert "1 failed" in look.failing
    assert "1 failed" in asyncio.run(look.again(acted=True))


@pytest.mark.parametrize("exit_code", [None, 126, 127])
def test_a_command_that_cannot_be_run_or_does_not_end_tells_nothing(exit_code: int | None) -> None:
    look = looking(exit_code)

    assert look.failing == ""
    assert asyncio.run(look.again(acted=True)) == ""


def test_one_that_does_not_end_any_more_is_told() -> None:
    assert "did not end in time" in asyncio.run(looking(0, None).again(acted=True))


@pytest.mark.parametrize("task", ["The tests hang. Fix it.", "The tests fail or do not finish."])
def test_that_the_tests_do_not_end_may_be_the_fault(task: str) -> None:
    look = looking(None, 0, task=task)

    assert "did not end in time" in look.failing
    assert asyncio.run(look.again(acted=True)) == ""


def test_tests_that_come_with_the_work_are_looked_at() -> None:
    look = looking(1, task="Write tests for a.py.", found="pytest")

    assert look.failing == ""
    assert "1 failed" in asyncio.run(look.again(acted=True))
