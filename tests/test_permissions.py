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


@pytest.mark.parametrize("mode", [Mode.DEFAULT, Mode.AUTO_EDIT])
def test_what_is_obeyed_later_is_never_edited_unasked(mode: Mode) -> None:
    assert permission(mode, Effect.EDIT, (), (".git/config",)).verdict is Q
    assert permission(Mode.YOLO, Effect.EDIT, (), (".git/config",)).verdict is D
    assert permission(mode, Effect.READ, (), (".git/config",)).verdict is A
