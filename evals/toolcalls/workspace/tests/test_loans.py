import unittest
from datetime import date

from shelf.loans import Loan, late_fee


class LoansTest(unittest.TestCase):
    def test_each_late_day_costs(self):
        loan = Loan("Dune", "ada", date(2026, 1, 1))
        self.assertEqual(late_fee(loan, date(2026, 1, 25)), 0.6)

    def test_nothing_is_due_before(self):
        loan = Loan("Dune", "ada", date(2026, 1, 1))
        self.assertEqual(late_fee(loan, date(2026, 1, 2)), 0)
