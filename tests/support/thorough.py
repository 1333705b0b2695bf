"""How much a test tries: less in every run of all tests, all of it with QCODE_THOROUGH=1.

`make thorough` runs all tests so; what is left out otherwise is more of the same.
"""

from __future__ import annotations

import os

IS_THOROUGH = os.environ.get("QCODE_THOROUGH") == "1"


def many(most: int, usual: int) -> int:
    """Return how many times something is tried."""
    return most if IS_THOROUGH else usual
