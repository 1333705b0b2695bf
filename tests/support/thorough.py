"""How much a test tries: less in every run of all tests, all of it with QCODE_THOROUGH=1.

`make thorough` runs all tests so; what is left out otherwise is more of the same.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
IS_THOROUGH = os.environ.get("QCODE_THOROUGH") == "1"


def many(most: int, usual: int) -> int:
    """Return how many times something is tried."""
    return most if IS_THOROUGH else usual


def examples(most: int) -> int:
    """Return how many examples hypothesis tries: a third of them in every run of all tests."""
    return many(most, max(5, most // 3))


def parts(each: Sequence[T], *usual: T) -> Sequence[T]:
    """Return what a matrix is made of: usually the given ones alone."""
    return each if IS_THOROUGH else usual
