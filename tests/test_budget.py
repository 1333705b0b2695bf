from __future__ import annotations

import pytest

from qcode.budget import Budget
from qcode.errors import BudgetError
from qcode.messages import Usage


def test_steps_are_counted() -> None:
    budget = Budget(max_steps=2)
    budget.begin_step()
    budget.begin_step()

    with pytest.raises(BudgetError, match="2 steps.*--max-steps"):
        budget.begin_step()


def test_cached_tokens_do_not_count() -> None:
    budget = Budget(max_tokens=100)
    budget.spend(Usage(1000, 50, 980))
    budget.begin_step()
    budget.spend(Usage(1000, 0, 970))

    with pytest.raises(BudgetError, match="100 tokens"):
        budget.begin_step()


def test_cost_is_counted() -> None:
    budget = Budget(max_cost_usd=0.5)
    budget.spend(Usage(1, 1, 0, 0.4))
    budget.begin_step()
    budget.spend(Usage(1, 1, 0, 0.2))

    with pytest.raises(BudgetError, match=r"\$0.50"):
        budget.begin_step()


def test_a_cost_that_nobody_tells_cannot_be_kept_to() -> None:
    budget = Budget(max_cost_usd=0.5)
    budget.spend(Usage(10, 10))

    with pytest.raises(BudgetError, match="does not say what"):
        budget.begin_step()


def test_time_runs_by_the_clock() -> None:
    now = [100.0]
    budget = Budget(max_time_s=60, clock=lambda: now[0])
    budget.begin_step()
    now[0] = 161

    assert budget.time_left_s() == -1
    with pytest.raises(BudgetError, match="60 s"):
        budget.begin_step()


def test_a_cost_that_is_not_known_of_one_model_is_no_cost_of_nothing() -> None:
    budget = Budget(max_cost_usd=1.0)
    budget.spend(Usage(1000, 10, cost_usd=0.01))
    budget.check()
    budget.spend(Usage(0, 10))  # an answer that was not read to its end
    budget.check()
    budget.spend(Usage(1000, 10))
    with pytest.raises(BudgetError, match="cannot be kept"):
        budget.check()
