"""Where labels of a plot go, so that none covers a point, a bar or another label; pure.

All lengths are units of the drawing. How wide a text is drawn is not known here, since the
font is the reader's: it is taken to be wide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qcode.record import Record

SIZE = 12.0
"""Of the letters."""
_WIDE = 0.61
"""Of a letter, as a part of its size, on average; DejaVu Sans has 0.6, Arial 0.5."""
_GAP = 10.0
"""Between the middle of a point and its label."""
_ROUNDS = 6
"""So many rings of places are tried around a point."""


class Box(Record):
    """A rectangle; `y` grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Return the area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return width * height if width > 0 and height > 0 else 0.0

    def inside(self, other: Box) -> bool:
        """Whether it lies within another."""
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.top <= self.top
            and self.bottom <= other.bottom
        )


class Wanted(Record):
    """A point that is to have a label."""

    x: float
    y: float
    text: str


class Label(Record):
    """A label in its place."""

    text: str
    box: Box
    is_far: bool
    """Whether a line has to lead to its point."""


def text_width(text: str, size: float = SIZE) -> float:
    """Return about how wide a text is; signs of wide scripts are as wide as they are high."""
    return sum(size * (_WIDE if ord(sign) < 0x1100 else 1.0) for sign in text)


def place(wanted: Sequence[Wanted], taken: Sequence[Box], area: Box) -> list[Label]:
    """Return a label for each point, in their order: clear of what is taken where that can be."""
    found: dict[int, Label] = {}
    covered = list(taken)
    # From the right: those have the least room, since labels like to stand right of their point.
    for at in sorted(range(len(wanted)), key=lambda at: (-wanted[at].x, wanted[at].y, at)):
        best = min(
            _places(wanted[at]),
            key=lambda label: (
                sum(label.box.overlap(box) for box in covered)
                + (0.0 if label.box.inside(area) else 1e6)
            ),
        )
        found[at] = best
        covered.append(best.box)
    return [found[at] for at in range(len(wanted))]


def _places(wanted: Wanted) -> Iterator[Label]:
    """Yield places for a label, the best ones first."""
    width, height = text_width(wanted.text), SIZE * 1.25
    for ring in range(_ROUNDS):
        away = _GAP + ring * height
        for along, down in (
            *((1, 0), (-1, 0), (1, -1), (1, 1), (-1, -1), (-1, 1), (0, -1), (0, 1)),
        ):
            # Beside its point a label is no further off than it must be; only above and below.
            side = _GAP if ring == 0 or down else away
            x = wanted.x + along * side - (width if along < 0 else 0 if along else width / 2)
            y = wanted.y + down * away - height / 2
            yield Label(wanted.text, Box(x, y, x + width, y + height), ring > 0)
