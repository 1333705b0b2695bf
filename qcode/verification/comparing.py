"""The verification before a run and after it, the one against the other."""

from __future__ import annotations

from collections.abc import Sequence

from qcode.messages import JsonObject
from qcode.record import Record
from qcode.verification.outcome import Case, Outcome


class Comparison(Record):
    """What became of the tests. Names are as the runners write them."""

    fixed: tuple[str, ...] = ()
    still_failing: tuple[str, ...] = ()
    newly_failing: tuple[str, ...] = ()
    """They passed before."""
    newly_skipped: tuple[str, ...] = ()
    """They were run before."""
    new: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    """They were run before, and a verification that passes does not speak of them any more.

    Where the runner gives no names, how many there are fewer, in words.
    """

    def to_json(self) -> JsonObject:
        """Return it for a report."""
        names = ("fixed", "still_failing", "newly_failing", "newly_skipped", "new", "vanished")
        return {name: list(getattr(self, name)) for name in names}


def compare(before: Sequence[Outcome], after: Sequence[Outcome]) -> Comparison:
    """Return what became of the tests between two runs of the same commands.

    Only as certain as what the runners say: where there is nothing of tests, it is empty.
    """
    parts = [_one(a, b) for a, b in zip(before, after, strict=False) if a.command == b.command]
    return Comparison(
        *(
            tuple(name for part in parts for name in getattr(part, field))
            for field in Comparison.__match_args__
        )
    )


def _one(before: Outcome, after: Outcome) -> Comparison:
    was = {case.name: case for case in before.cases}
    now = {case.name: case for case in after.cases}
    return Comparison(
        fixed=tuple(n for n, c in now.items() if _is(c, "passed") and n in was and _bad(was[n]))
        or _fixed_unnamed(before, after),
        still_failing=tuple(n for n, c in now.items() if _bad(c) and n in was and _bad(was[n])),
        newly_failing=tuple(
            n for n, c in now.items() if _bad(c) and n in was and _is(was[n], "passed")
        ),
        newly_skipped=tuple(
            n
            for n, c in now.items()
            if _is(c, "skipped") and n in was and not _is(was[n], "skipped")
        ),
        new=tuple(n for n in now if n not in was) if was else (),
        vanished=_vanished(before, after),
    )


def _fixed_unnamed(before: Outcome, after: Outcome) -> tuple[str, ...]:
    """Return what failed before where a run that passes names no tests at all."""
    if not after.passed or any(_is(case, "passed") for case in after.cases):
        return ()
    lost = after.ran is not None and before.ran is not None and after.ran < before.ran
    return () if lost else tuple(case.name for case in before.cases if _bad(case))


def _vanished(before: Outcome, after: Outcome) -> tuple[str, ...]:
    if not after.passed or after.stopped_early or before.ran is None:
        return ()
    fewer = before.ran - (after.ran or 0)
    if fewer <= 0:
        return ()
    # A test may be called otherwise now; that there are fewer is what counts.
    named = {case.name for case in after.cases}
    if any(_is(case, "passed") for case in after.cases):
        gone = [c.name for c in before.cases if c.name not in named and not _is(c, "skipped")]
        if gone:
            return tuple(gone)
    return (f"{fewer} of {before.ran} tests",)


def _bad(case: Case) -> bool:
    return case.status in ("failed", "error")


def _is(case: Case, status: str) -> bool:
    return case.status == status
