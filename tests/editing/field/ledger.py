"""A ledger: bookings on accounts, and what they sum up to."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from decimal import Decimal, InvalidOperation

_AMOUNT = re.compile(r"^\s*([+-]?[\d.,']+)\s*(€|EUR|\"euro\")?\s*$")


class Booking:
    """An amount that goes from one account to another."""

    def __init__(self, source: str, target: str, amount: Decimal, text: str = "") -> None:
        if amount < 0:
            source, target, amount = target, source, -amount
        self.source = source
        self.target = target
        self.amount = amount
        self.text = text

    def __repr__(self) -> str:
        return f'<{self.source} -> {self.target}: {self.amount} "{self.text}">'


class Ledger:
    """Bookings in the order in which they were made."""

    def __init__(self) -> None:
        self._bookings: list[Booking] = []

    def add(self, booking: Booking) -> None:
        # Nothing is booked on an account without a name.
        if not booking.source or not booking.target:
            raise ValueError("a booking needs two accounts")
        self._bookings.append(booking)

    def balance(self, account: str) -> Decimal:
        total = Decimal(0)
        for booking in self._bookings:
            if booking.source == account:
                total -= booking.amount
            if booking.target == account:
                total += booking.amount
        return total

    def turnover(self, account: str) -> Decimal:
        total = Decimal(0)
        for booking in self._bookings:
            if account in (booking.source, booking.target):
                total += booking.amount
        return total

    def balances(self) -> dict[str, Decimal]:
        found: dict[str, Decimal] = defaultdict(Decimal)
        for booking in self._bookings:
            found[booking.source] -= booking.amount
            found[booking.target] += booking.amount
        return dict(found)


def amount_of(text: str) -> Decimal:
    """Return the amount that a text says.

    Raises:
        ValueError: it says none.
    """
    match = _AMOUNT.match(text)
    if match is None:
        raise ValueError(f"no amount: {text!r}")
    digits = match[1].replace("'", "").replace(".", "").replace(",", ".")
    try:
        return Decimal(digits)
    except InvalidOperation:
        raise ValueError(f"no amount: {text!r}") from None


def read(lines: list[str]) -> Ledger:
    ledger = Ledger()
    for row in csv.reader(lines, delimiter=";"):
        if len(row) < 3 or row[0].startswith("#"):
            continue
        source, target, amount, *rest = row
        ledger.add(Booking(source.strip(), target.strip(), amount_of(amount), " ".join(rest)))
    return ledger
