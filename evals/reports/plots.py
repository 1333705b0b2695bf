"""Plots as SVG, drawn here: pass rate against what it took.

Colours are classes of the page's style, so that they follow light and dark; points differ by
their form as well, and each has its name beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

from qcode.evals.reports.labels import SIZE, Box, Label, Wanted, place
from qcode.record import Record

WIDTH, HEIGHT = 640.0, 430.0
AREA = Box(52.0, 16.0, 624.0, 378.0)
"""Where points can be."""
_PAD = 10.0
"""Of the scales within the area, so that a point at an end is whole."""
_R = 5.5
"""Of a point."""
_LOG_FROM = 8.0
"""A scale is logarithmic where its largest value is so many times its smallest."""
_TINY = 1e-9
"""Of what is less, nothing can be seen to differ."""
COLOURS = 8
FORMS = 6


class Point(Record):
    """One agent and model."""

    name: str
    """As it stands beside the point."""
    about: str
    """All of it in a line, for whoever points at it."""
    x: float
    rate: float
    low: float
    high: float
    colour: int = 0
    form: int = 0


class Scale(Record):
    """From values to places."""

    low: float
    high: float
    is_log: bool
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return where a value lies."""
        low, high = self._of(self.low), self._of(self.high)
        share = (self._of(value) - low) / (high - low)
        return self.start + share * (self.end - self.start)

    def _of(self, value: float) -> float:
        return math.log10(value) if self.is_log else value


def scatter(
    points: Sequence[Point], title: str, x_title: str, x_text: Callable[[float], str]
) -> str:
    """Return the plot of pass rates over a figure; where there is none to draw, words."""
    if not points:
        return f'<p class="none">{escape(x_title)}: not known</p>'
    if all(point.x <= _TINY for point in points):
        return f'<p class="none">{escape(x_title)}: {escape(x_text(0.0))}</p>'
    return "\n".join(_drawn(points, title, x_title, x_text))


def scale(values: Sequence[float], start: float, end: float) -> Scale:
    """Return a scale on which all values lie, none of them negative, with some room."""
    low, high = min(values), max(values)
    if low > _TINY and high / low >= _LOG_FROM:
        return Scale(low / 1.15, high * 1.15, True, start, end)
    # Where nothing lies near to 0, the room is better used by what differs.
    spread = high - low
    from_zero = low <= 0.6 * high or spread < 0.01 * high
    bottom = 0.0 if from_zero else low - 0.15 * spread
    top = high + max(0.15 * spread, 0.05 * high)
    return Scale(bottom, top if high > _TINY else 1.0, False, start, end)


def ticks(found: Scale) -> list[float]:
    """Return round values on a scale."""
    if found.is_log:
        powers = range(math.floor(math.log10(found.low)), math.ceil(math.log10(found.high)) + 1)
        decades = math.log10(found.high / found.low)
        steps: tuple[int, ...] = (1, 2, 5) if decades < 2.2 else (1, 3) if decades < 4 else (1,)
        every = [step * 10.0**power for power in powers for step in steps]
        return [value for value in every if found.low <= value <= found.high]
    rough = (found.high - found.low) / 5
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * part for part in (1, 2, 5, 10) if size * part >= rough)
    first = math.ceil(found.low / step - 1e-9)
    return [at * step for at in range(first, math.floor(found.high / step + 1e-9) + 1)]


def _drawn(
    points: Sequence[Point], title: str, x_title: str, x_text: Callable[[float], str]
) -> Iterator[str]:
    across = scale([point.x for point in points], AREA.left + _PAD, AREA.right - _PAD)
    up = Scale(0.0, 1.0, False, AREA.bottom - _PAD, AREA.top + _PAD)
    yield (
        f'<svg class="plot" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>'
    )
    for fifth in range(6):
        y = up.at(fifth / 5)
        yield f'<path class="grid" d="M{AREA.left:.1f} {y:.1f}H{AREA.right:.1f}"/>'
        yield _text(AREA.left - 8, y + 4, f"{20 * fifth} %", "end")
    for value in ticks(across):
        x = across.at(value)
        yield f'<path class="grid" d="M{x:.1f} {AREA.top:.1f}V{AREA.bottom:.1f}"/>'
        yield _text(x, AREA.bottom + 18, x_text(value), "middle")
    scaled = " (logarithmic)" if across.is_log else ""
    middle = (AREA.left + AREA.right) / 2
    yield _text(middle, HEIGHT - 10, f"{x_title}{scaled}", "middle", "axis")
    places = [(across.at(point.x), up.at(point.rate)) for point in points]
    bars = [(up.at(point.high), up.at(point.low)) for point in points]
    for point, (x, _), (top, bottom) in zip(points, places, bars, strict=True):
        ends = "".join(f"M{x - 4:.1f} {y:.1f}h8" for y in (top, bottom))
        bar = f"M{x:.1f} {top:.1f}V{bottom:.1f}{ends}"
        yield f'<path class="bar c{point.colour % COLOURS}" d="{bar}"/>'
    for point, (x, y) in zip(points, places, strict=True):
        yield (
            f'<path class="point c{point.colour % COLOURS}" d="{_form(point.form, x, y)}">'
            f"<title>{escape(point.about)}</title></path>"
        )
    taken = [Box(x - _R - 1, y - _R - 1, x + _R + 1, y + _R + 1) for x, y in places]
    taken += [
        Box(x - 3, top, x + 3, bottom) for (x, _), (top, bottom) in zip(places, bars, strict=True)
    ]
    wanted = [Wanted(x, y, point.name) for point, (x, y) in zip(points, places, strict=True)]
    for (x, y), label in zip(places, place(wanted, taken, AREA), strict=True):
        yield from _label(label, x, y)
    yield "</svg>"


def _label(label: Label, x: float, y: float) -> Iterator[str]:
    box = label.box
    if label.is_far:
        to_x = min(max(x, box.left), box.right)
        to_y = box.bottom if box.bottom < y else max(y, box.top)
        yield f'<path class="lead" d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}"/>'
    middle = (box.left + box.right) / 2
    anchor, at = ("start", box.left) if box.left > x else ("end", box.right)
    if box.left <= x <= box.right:
        anchor, at = "middle", middle
    yield _text(at, box.bottom - SIZE * 0.35, label.text, anchor, "name")


def _text(x: float, y: float, text: str, anchor: str, kind: str = "tick") -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def form_svg(form: int, colour: int) -> str:
    """Return the sign of a point, for a legend or a table."""
    return (
        '<svg class="sign" viewBox="-8 -8 16 16" aria-hidden="true">'
        f'<path class="point c{colour % COLOURS}" d="{_form(form, 0, 0)}"/></svg>'
    )


def _form(form: int, x: float, y: float) -> str:
    """Return the outline of a point around its middle."""
    r = _R
    match form % FORMS:
        case 0:
            return f"M{x - r:.1f} {y:.1f}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 {-2 * r} 0z"
        case 1:
            return f"M{x - r:.1f} {y - r:.1f}h{2 * r}v{2 * r}h{-2 * r}z"
        case 2:
            q = r * 1.35
            return f"M{x:.1f} {y - q:.1f}l{q:.1f} {q:.1f}l{-q:.1f} {q:.1f}l{-q:.1f} {-q:.1f}z"
        case 3:
            return f"M{x:.1f} {y - r * 1.2:.1f}l{r * 1.2:.1f} {r * 2.1:.1f}h{-r * 2.4:.1f}z"
        case 4:
            return f"M{x:.1f} {y + r * 1.2:.1f}l{r * 1.2:.1f} {-r * 2.1:.1f}h{-r * 2.4:.1f}z"
        case _:
            q, w = r * 1.2, 2.0
            return (
                f"M{x - w:.1f} {y - q:.1f}h{2 * w}v{q - w:.1f}h{q - w:.1f}v{2 * w}h{w - q:.1f}"
                f"v{q - w:.1f}h{-2 * w}v{w - q:.1f}h{w - q:.1f}v{-2 * w}h{q - w:.1f}z"
            )
