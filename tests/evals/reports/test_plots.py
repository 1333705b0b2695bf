"""Plots: scales, ticks, and labels that cover nothing."""

from __future__ import annotations

import math
import random
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as some

from qcode.evals.reports.labels import Box, Wanted, place, text_width
from qcode.evals.reports.plots import AREA, Point, scale, scatter, ticks

figures = some.floats(1e-5, 1e5)


def points(count: int, seed: int) -> list[Point]:
    draw = random.Random(seed)
    found = []
    for at in range(count):
        rate = draw.random()
        low, high = max(0.0, rate - 0.1), min(1.0, rate + 0.1)
        found.append(
            Point(
                f"agent-{at} · model-{at}",
                f"about {at}",
                draw.lognormvariate(0, 1.5),
                rate,
                low,
                high,
                at,
                at,
            )
        )
    return found


def text(value: float) -> str:
    return f"{value:.3g}"


@given(some.lists(figures, min_size=1, max_size=20))
def test_every_value_lies_within_the_scale_and_in_order(values: list[float]) -> None:
    found = scale(values, 50.0, 600.0)
    places = [found.at(value) for value in sorted(values)]

    assert all(50.0 - 1e-6 <= at <= 600.0 + 1e-6 for at in places)
    assert places == sorted(places)


@given(some.lists(some.floats(0, 1e5), min_size=1, max_size=20))
def test_a_scale_has_a_handful_of_ticks_within_it(values: list[float]) -> None:
    found = scale(values, 0.0, 500.0)
    at = ticks(found)

    assert 1 <= len(at) <= 12
    assert all(found.low - 1e-9 <= value <= found.high * (1 + 1e-9) for value in at)


def test_values_that_are_far_apart_are_on_a_logarithmic_scale() -> None:
    assert scale([0.001, 1.0], 0, 1).is_log
    assert not scale([1.0, 2.0], 0, 1).is_log
    assert not scale([0.0, 1000.0], 0, 1).is_log


@pytest.mark.parametrize("values", [[0.0], [5.0], [0.0, 0.0], [3.0, 3.0]])
def test_values_that_are_all_the_same_have_a_scale(values: list[float]) -> None:
    found = scale(values, 0.0, 100.0)

    assert math.isfinite(found.at(values[0]))
    assert ticks(found)


@pytest.mark.parametrize("seed", range(20))
def test_labels_of_eight_points_cover_no_label_and_no_point(seed: int) -> None:
    draw = random.Random(seed)
    wanted = [
        Wanted(draw.uniform(70, 600), draw.uniform(40, 360), f"agent-{at} · model-{at}")
        for at in range(8)
    ]
    taken = [Box(each.x - 5, each.y - 5, each.x + 5, each.y + 5) for each in wanted]

    boxes = [label.box for label in place(wanted, taken, AREA)]

    assert all(box.inside(AREA) for box in boxes)
    for at, box in enumerate(boxes):
        assert all(box.overlap(other) == 0 for other in (*boxes[:at], *taken))


def test_points_on_one_spot_have_labels_apart() -> None:
    wanted = [Wanted(300, 200, f"name {at}") for at in range(6)]

    boxes = [label.box for label in place(wanted, [Box(295, 195, 305, 205)], AREA)]

    assert sum(a.overlap(b) for at, a in enumerate(boxes) for b in boxes[:at]) == 0


def test_labels_are_in_the_order_of_their_points() -> None:
    wanted = [Wanted(600 - 100 * at, 200, f"name {at}") for at in range(4)]

    assert [label.text for label in place(wanted, [], AREA)] == [each.text for each in wanted]


@pytest.mark.parametrize("count", [1, 2, 8, 30])
def test_a_plot_is_well_formed_and_within_its_frame(count: int) -> None:
    drawn = ET.fromstring(scatter(points(count, 3), "Title <&>", "cost", text))

    assert drawn.attrib["viewBox"] == "0 0 640 430"
    found = [each for each in drawn.iter() if each.attrib.get("class", "").startswith("point")]
    assert len(found) == count
    for each in found:
        x, y = map(float, re.findall(r"-?\d+\.\d", each.attrib["d"])[:2])
        assert AREA.left - 10 <= x <= AREA.right + 10
        assert AREA.top - 10 <= y <= AREA.bottom + 10
    names = [each.text for each in drawn.iter() if each.attrib.get("class") == "name"]
    assert sorted(map(str, names)) == sorted(each.name for each in points(count, 3))


def test_a_plot_of_nothing_says_so() -> None:
    assert scatter([], "Cost", "cost", text) == '<p class="none">cost: not known</p>'


def test_a_plot_of_what_costs_nothing_says_so() -> None:
    free = [Point("a", "a", 0.0, 0.5, 0.2, 0.8), Point("b", "b", 0.0, 0.9, 0.8, 1.0)]

    assert scatter(free, "Cost", "cost", text) == '<p class="none">cost: 0</p>'


def test_wide_signs_are_wide() -> None:
    assert text_width("模型") > text_width("ab") * 1.5
