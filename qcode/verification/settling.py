"""Flaky results told from failures and from proofs, by running the commands again.

A test that goes both ways on the very same files proves nothing. What it means depends on how
it went before the run began: one that passed then is no fault of the run's; one that failed
then, and is to be mended, is not mended as long as it fails now and then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from qcode.record import replace
from qcode.verification.outcome import Outcome
from qcode.verification.reading import failing

QUICK_S = 10.0
"""What passes and failed before is run once more if it takes no longer."""

PATIENCE_S = 60.0
"""What fails and did not before is run once more if it takes no longer."""

Again: TypeAlias = Callable[[str], Awaitable[Outcome]]
"""Runs one command once more, on the files as they are."""


async def settle(
    before: Sequence[Outcome], outcomes: Sequence[Outcome], again: Again
) -> list[Outcome]:
    """Return the outcomes with what is flaky in them; `before` is the baseline."""
    known = {outcome.command: outcome for outcome in before}
    return [await _settled(known.get(each.command), each, again) for each in outcomes]


async def _settled(before: Outcome | None, now: Outcome, again: Again) -> Outcome:
    if now.exit_code is None or before is None:
        return now
    wrong_before = set() if before.passed else {now.command, *failing(before.cases)}
    if now.passed:
        if before.passed or now.duration_s > QUICK_S:
            return now
        second = await again(now.command)
        if second.passed:
            return replace(now, runs=2)
        return _judged(now, second, wrong_before, before)
    wrong = set(failing(now.cases))
    if now.duration_s > PATIENCE_S or (wrong and wrong <= wrong_before):
        return now  # it is as it was
    if not wrong and not before.passed:
        return now
    second = await again(now.command)
    if second.passed:
        return _judged(second, now, wrong_before, before)
    other = set(failing(second.cases))
    return replace(now, flaky=tuple(sorted(wrong ^ other)), runs=2)


def _judged(good: Outcome, bad: Outcome, wrong_before: set[str], before: Outcome) -> Outcome:
    """Return what a run that passed and one that failed come to together."""
    names = failing(bad.cases) or (bad.command,)
    is_proof = before.passed or (
        bool(bad.cases) and bool(before.cases) and wrong_before.isdisjoint(names)
    )
    return replace(good if is_proof else bad, flaky=tuple(names), runs=2)
