"""A unit of work that bounds of speed are given in, so that they hold on any machine."""

from __future__ import annotations

import time
from functools import lru_cache

_ROUNDS = 5


@lru_cache(maxsize=1)
def unit_s() -> float:
    """Return the CPU time of a fixed piece of plain Python: some 5 ms on a common machine."""
    best = 1000.0
    for _ in range(_ROUNDS):
        begin = time.thread_time()
        lines = [f"line {number % 97} of many" for number in range(30_000)]
        known = {line: len(line) for line in lines}
        total = sum(known[line] for line in lines)
        assert total > 0
        best = min(best, time.thread_time() - begin)
    return best
