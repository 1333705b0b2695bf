from __future__ import annotations

import pytest

from qcode.showing.moving import Move, moves


@pytest.mark.parametrize(
    "task, found",
    [
        ("Move the function f from a.py to a new module b.py. Tests pass.", ["f a.py b.py"]),
        ("Please move `Cat` and `dog` out of src/pets.py into src/zoo/big.py!",
         ["Cat dog src/pets.py src/zoo/big.py"]),
        ("Extract f from `a.py` to `b.py`.", ["f a.py b.py"]),
        ("Move f from a.py to a.py.", []),
        ("Move a.py to b.py.", []),
        ("Fix f in a.py, then write b.py.", []),
    ],
)  # fmt: skip
def test_a_task_says_what_moves(task: str, found: list[str]) -> None:
    told = []
    for move in moves(task):
        names = [name for name in move.names if name not in ("the", "function", "and")]
        told.append(" ".join([*names, move.source, move.target]))
    assert told == found


def test_behind_is_what_both_files_define_and_the_task_names() -> None:
    files = {"a.py": ["f", "g", "h"], "b.py": ["g", "h", "i"]}
    move = Move(("the", "function", "f", "g", "i"), "a.py", "b.py")

    assert move.behind(lambda path: files[path]) == ("g",)
