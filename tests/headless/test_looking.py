from __future__ import annotations

import asyncio

import pytest

from qcode.headless.looking import Looking
from qcode.verification.outcome import Outcome


def looking(*exit_codes: int | None) -> Looking:
    codes = iter(exit_codes)

    async def run(command: str) -> list[Outcome]:
        return [Outcome(command, next(codes), "1 failed", 0.1)]

    look = Looking("pytest", "Fix the bug.", run)
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
