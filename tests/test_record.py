from __future__ import annotations

import pickle

import pytest

from qcode.messages import AssistantMessage, UserMessage
from qcode.record import Record, replace


class Point(Record):
    """A point."""

    x: int
    """Across."""
    y: int = 2
    label: str = ""


class Place(Record):
    x: int
    y: int = 2
    label: str = ""


def test_values_come_by_position_by_name_and_by_default() -> None:
    assert (Point(1, 5).x, Point(1, 5).y) == (1, 5)
    assert Point(y=3, x=1) == Point(1, 3, "")
    assert repr(Point(1)) == "Point(x=1, y=2, label='')"


@pytest.mark.parametrize(
    "values,named",
    [((), {}), ((1, 2, "", 4), {}), ((1,), {"z": 1}), ((1,), {"x": 1})],
)
def test_wrong_values_are_refused(values: tuple[int, ...], named: dict[str, int]) -> None:
    with pytest.raises(TypeError):
        Point(*values, **named)  # type: ignore[arg-type]


def test_many_are_made_as_strictly_as_a_few() -> None:
    class Narrow(Record):
        first: int
        second: tuple[int, ...] = ()

    class Other(Narrow):
        third: str = ""

    made = [Narrow(number) for number in range(100)]

    assert made[-1] == Narrow(99, ())
    assert Narrow(second=(5,), first=1) == Narrow(1, (5,))
    assert Other(third="x").third == "x"  # type: ignore[call-arg]
    for values, named in (((), {}), ((1, (), 4), {}), ((1,), {"z": 1}), ((1,), {"first": 1})):
        with pytest.raises(TypeError):
            Narrow(*values, **named)  # type: ignore[arg-type]


def test_equal_means_the_same_kind_too() -> None:
    assert Point(1) == Point(1)
    assert Point(1) != Place(1)
    assert hash(Point(1)) == hash(Point(1, 2))
    assert len({Point(1), Point(1), Place(1)}) == 2


def test_it_cannot_be_changed() -> None:
    point = Point(1)

    with pytest.raises(AttributeError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del point.x
    with pytest.raises(AttributeError):
        point.other = 1  # type: ignore[attr-defined]
    assert replace(point, y=9) == Point(1, 9)
    assert point == Point(1)


def test_it_can_be_matched_and_copied() -> None:
    match AssistantMessage("hi", tool_calls=()):
        case AssistantMessage(text, reasoning):
            assert (text, reasoning) == ("hi", "")
    assert pickle.loads(pickle.dumps(UserMessage("x"))) == UserMessage("x")
