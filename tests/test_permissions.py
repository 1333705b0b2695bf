from __future__ import annotations

import pytest

from qcode.permissions import Mode, Verdict, permission
from qcode.tools.base import Effect

A, Q, D = Verdict.ALLOW, Verdict.ASK, Verdict.DENY


@pytest.mark.parametrize(
    "mode,read,state,edit,execute",
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

    verdicts = tuple(permission(mode, effect, ()).verdict for effect in effects)

    assert verdicts == (read, state, edit, execute)


@pytest.mark.parametrize("effect", [Effect.READ, Effect.EDIT, Effect.EXECUTE])
def test_no_mode_leaves_the_workspace_unasked(effect: Effect) -> None:
    for mode in Mode:
        assert permission(mode, effect, ("/etc/passwd",)).verdict is not A
    assert permission(Mode.YOLO, effect, ("/etc/passwd",)).verdict is D
