"""Steps, tokens, cost and time: spent and left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from qcode.errors import BudgetError
from qcode.messages import Usage


@dataclass(slots=True)
class Budget:
    """What a run may use; None is no limit. Counts over all turns of the run."""

    max_steps: int | None = None
    max_tokens: int | None = None
    """Input (without cached ones) and output tokens together."""
    max_cost_usd: float | None = None
    max_time_s: float | None = None
    shared: Budget | None = None
    """What several runs may use together; spent and checked with one's own."""
    clock: Callable[[], float] = time.monotonic
    steps: int = 0
    usage: Usage = field(default_factory=Usage)
    unpriced: bool = False
    """Whether it is not known what some request cost."""
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    @property
    def tokens(self) -> int:
        """Tokens that count against `max_tokens`."""
        return self.usage.input_tokens - self.usage.cached_tokens + self.usage.output_tokens

    @property
    def is_limited(self) -> bool:
        """Whether anything is limited."""
        limits = (self.max_steps, self.max_tokens, self.max_cost_usd, self.max_time_s)
        shared = self.shared is not None and self.shared.is_limited
        return shared or any(limit is not None for limit in limits)

    def time_left_s(self) -> float | None:
        """Seconds until the time is used up, or None without a limit."""
        own = None if self.max_time_s is None else self.max_time_s - (self.clock() - self._started)
        shared = self.shared.time_left_s() if self.shared is not None else None
        return min((left for left in (own, shared) if left is not None), default=None)

    def spend(self, usage: Usage) -> None:
        """Count one step's tokens."""
        self.usage = self.usage + usage
        # What came of an answer that was not read to its end is no count of the server's.
        if usage.cost_usd is None and usage.input_tokens:
            self.unpriced = True
        if self.shared is not None:
            self.shared.spend(usage)

    def begin_step(self) -> None:
        """Count a step.

        Raises:
            BudgetError: there is none left.
        """
        self.check()
        self.steps += 1

    def check(self) -> None:
        """Check that there is something left of all.

        Raises:
            BudgetError: there is not.
        """
        if self.shared is not None:
            self.shared.check()
        left = self.time_left_s()
        if left is not None and left <= 0:
            raise self.out_of_time()
        if self.max_steps is not None and self.steps >= self.max_steps:
            raise _reached(f"{self.max_steps} steps", "--max-steps")
        if self.max_tokens is not None and self.tokens >= self.max_tokens:
            raise _reached(f"{self.max_tokens} tokens ({self.tokens} used)", "--max-tokens")
        cost = self.usage.cost_usd
        if self.max_cost_usd is not None and (self.unpriced or (cost is None and self.tokens)):
            raise BudgetError(
                "the endpoint does not say what a request costs, so --max-cost cannot be kept",
                hint="use --max-tokens",
            )
        if self.max_cost_usd is not None and cost is not None and cost >= self.max_cost_usd:
            raise _reached(f"${self.max_cost_usd:.2f} (${cost:.4f} used)", "--max-cost")

    def out_of_time(self) -> BudgetError:
        """Return the error that says the time is used up."""
        own = self.max_time_s if self.shared is None else self.shared.max_time_s
        return _reached(f"{own or 0:g} s", "--max-time")


def _reached(what: str, flag: str) -> BudgetError:
    return BudgetError(
        f"the budget of {what} is used up", hint=f"the work so far is kept; raise {flag} to go on"
    )
