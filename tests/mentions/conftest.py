"""The bench that tests of mentions work on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tool_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "work", tmp_path / "spill")
    yield made
    made.close()
