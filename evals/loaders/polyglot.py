"""aider's polyglot benchmark: 225 hard exercises of Exercism in six languages, two tries each.

From a checkout of github.com/Aider-AI/polyglot-benchmark: `LANGUAGE/exercises/practice/NAME`.
"""

from __future__ import annotations

from pathlib import Path

from qcode.errors import UsageError
from qcode.evals.harness.task import Task
from qcode.evals.loaders import exercism
from qcode.evals.loaders.base import Loading
from qcode.evals.loaders.languages import LANGUAGES


def load(path: Path, loading: Loading) -> list[Task]:
    """Return its exercises; those of a language that cannot be run here are left out.

    Raises:
        UsageError: the folder is no checkout of it, or an exercise is not as it should be.
    """
    if not any((path / name / "exercises/practice").is_dir() for name in LANGUAGES):
        raise UsageError(
            f"{path} is no checkout of the polyglot benchmark",
            hint="it has python/exercises/practice and the like",
        )
    return exercism.load(path, loading, suite="polyglot")
