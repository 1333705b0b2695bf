from __future__ import annotations

import pytest

from qcode.permissions import Findings, Mode, Verdict, permission
from qcode.record import replace
from qcode.tools.base import Effect

A, Q, D = Verdict.ALLOW, Verdict.ASK, Verdict.DENY


@pytest.mark.parametrize(
    "mode, read, state, edit, execute",
    [
        (Mode.PLAN, A, A, D, D),
        (Mode.DEFAULT, A, A, Q, Q),
        (Mode.AUTO_EDIT, A, A, A, Q),
        (Mode.YOLO, A, A, A, A),
    ],
)
def test_mode_decides_by_effect(
    mode: Mode, read: Verdict, state: Verdict, edit: Verdict, execute: Verdict
) -> None:
    effects = (Effect.READ, Effect.STATE, Effect.EDIT, Effect.EXECUTE)

    verdicts = tuple(permission(mode, effect).verdict for effect in effects)

    assert verdicts == (read, state, edit, execute)


@pytest.mark.parametrize("effect", [Effect.READ, Effect.EDIT, Effect.EXECUTE])
@pytest.mark.parametrize(
    "reason",
    [
        Findings(outside="why"),
        Findings(hidden="why"),
        Findings(destroys="why"),
        Findings(beyond="why"),
        Findings(asked="why"),
    ],
)
def test_no_mode_goes_beyond_without_a_word_each_time(effect: Effect, reason: Findings) -> None:
    for mode in Mode:
        for is_allowed in (False, True):
            said = permission(mode, effect, replace(reason, is_allowed=is_allowed))

            assert said.verdict is not A
            assert said.verdict is D or (said.each_time and "why" in said.reason)


@pytest.mark.parametrize("mode", [Mode.DEFAULT, Mode.AUTO_EDIT, Mode.YOLO])
def test_what_is_obeyed_later_is_never_edited_unasked(mode: Mode) -> None:
    found = Findings(guarded=".git/config: it is obeyed", is_allowed=True)

    assert permission(mode, Effect.EDIT, found).verdict is Q
    assert permission(mode, Effect.READ, found).verdict is A


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("effect", list(Effect))
def test_a_denying_rule_holds_in_every_mode(mode: Mode, effect: Effect) -> None:
    found = Findings(denied="the rule x denies it", is_allowed=True, is_reading=True)

    assert permission(mode, effect, found) == (D, "the rule x denies it", False)


def test_what_only_reads_runs_in_every_mode() -> None:
    for mode in Mode:
        assert permission(mode, Effect.EXECUTE, Findings(is_reading=True)).verdict is A


def test_a_rule_allows_what_a_mode_asks_about_but_not_what_plan_mode_leaves_out() -> None:
    allowed = Findings(is_allowed=True)

    assert permission(Mode.PLAN, Effect.EDIT, allowed).verdict is D
    assert permission(Mode.PLAN, Effect.EXECUTE, allowed).verdict is D
    assert permission(Mode.DEFAULT, Effect.EDIT, allowed).verdict is A
    assert permission(Mode.DEFAULT, Effect.EXECUTE, allowed).verdict is A
