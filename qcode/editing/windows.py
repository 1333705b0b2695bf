"""How many lines of a text fit each window of a file: all windows at once.

One bit stands for one window; counts are kept in binary, one number a digit. The
cost is that of a few hundred operations on large numbers, however repetitive the
lines are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def masks(lines: Sequence[str], wanted: Iterable[str]) -> dict[str, int]:
    """Return for each wanted line a number with a bit for each place where it stands."""
    found: dict[str, bytearray | None] = dict.fromkeys(wanted)
    size = len(lines) // 8 + 1
    for place, line in enumerate(lines):
        if line in found:
            bits = found[line]
            if bits is None:
                bits = found[line] = bytearray(size)
            bits[place >> 3] |= 1 << (place & 7)
    return {line: int.from_bytes(bits or b"", "little") for line, bits in found.items()}


class Tally:
    """A count for each window."""

    def __init__(self) -> None:
        self._digits: list[int] = []

    def add(self, windows: int, digit: int = 0) -> None:
        """Count the windows up by one, or by a higher power of two."""
        while windows:
            while len(self._digits) <= digit:
                self._digits.append(0)
            carry = self._digits[digit] & windows
            self._digits[digit] ^= windows
            windows, digit = carry, digit + 1

    def at_least(self, count: int, windows: int) -> int:
        """Return those of the windows with at least a count."""
        if count <= 0:
            return windows
        if count >> len(self._digits):
            return 0
        above, equal = 0, windows
        for digit in reversed(range(len(self._digits))):
            if count >> digit & 1:
                equal &= self._digits[digit]
            else:
                above |= equal & self._digits[digit]
                equal &= ~self._digits[digit]
        return above | equal

    def best(self, windows: int) -> tuple[int, int]:
        """Return the highest count among the windows, and those that have it."""
        count = 0
        for digit in reversed(range(len(self._digits))):
            if higher := windows & self._digits[digit]:
                windows = higher
                count |= 1 << digit
        return count, windows


def places(windows: int) -> Iterator[int]:
    """Yield the places of the windows in a number, lowest first."""
    while windows:
        lowest = windows & -windows
        yield lowest.bit_length() - 1
        windows ^= lowest
