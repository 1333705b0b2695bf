"""How far an evaluation is, a line a trial on stderr."""

from __future__ import annotations

import sys
from typing import Self

from qcode.evals.harness.schedule import Key
from qcode.evals.harness.trial import Trial
from qcode.ui.printable import printable


class Lines:
    """Says of each trial how it ended."""

    def __init__(self, total: int) -> None:
        """Prepare for so many trials."""
        self._total = total
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_why: object) -> None:
        """Nothing is held."""

    def begin(self, key: Key) -> None:
        """Say nothing: the end is told."""

    def end(self, trial: Trial) -> None:
        """Say how it ended."""
        self._done += 1
        how = "passed" if trial.passed else trial.reason
        who = f"{trial.task}#{trial.number}, {trial.agent}, {trial.model}"
        line = f"{self._done}/{self._total} {who}: {how}, {trial.effort.wall_s:.0f} s"
        print(printable(line), file=sys.stderr, flush=True)
