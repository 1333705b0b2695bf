"""Changes gone through one by one."""

from __future__ import annotations

import asyncio

import pytest

from qcode.editing.effects import FileEffect, Piece
from qcode.ui.hunkwise import left_out

PIECES = [Piece(FileEffect(str(n), None, "x"), (), 0) for n in range(4)]


@pytest.mark.parametrize(
    "answers, left, seen",
    [
        ("y y y y", set(), 4),
        ("n yes no y", {0, 2}, 4),
        ("n a", {0}, 2),
        ("y d", {1, 2, 3}, 2),
        ("d", {0, 1, 2, 3}, 1),
        ("y  ok YES n x n", {2, 3}, 4),
        ("y q", None, 2),
    ],
)
def test_each_change_has_an_answer_of_its_own(
    answers: str, left: set[int] | None, seen: int
) -> None:
    script = answers.split(" ")
    shown: list[str] = []

    async def ask(_question: str) -> str:
        return script.pop(0)

    found = asyncio.run(left_out(PIECES, lambda which, _piece: shown.append(which), ask))

    assert found == (None if left is None else frozenset(left))
    assert not script
    assert shown == [f"change {n} of 4" for n in range(1, seen + 1)]
