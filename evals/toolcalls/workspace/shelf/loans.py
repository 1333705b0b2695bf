"""Loans: who has which book, and what a late return costs."""

from dataclasses import dataclass
from datetime import date, timedelta

LOAN_DAYS = 21
FEE_PER_DAY = 0.2


@dataclass
class Loan:
    title: str
    reader: str
    since: date

    @property
    def due(self):
        return self.since + timedelta(days=LOAN_DAYS)


def late_fee(loan, today):
    """Return the fee in euros; nothing before the due date."""
    days = (today - loan.due).days
    if days < 0:
        return 0
    return round(days * FEE_PER_DAY, 2)


def overdue(loans, today):
    # FIXME: a loan that is due today is not late
    return [loan for loan in loans if today >= loan.due]
