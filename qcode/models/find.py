"""A model by any name that somebody gives it."""

from __future__ import annotations

from qcode.models.model import Model
from qcode.models.naming import plain
from qcode.models.reading import registry


def find(name: str) -> Model | None:
    """Return what is known of a model; None: nothing is."""
    known, short = registry(), plain(name)
    if short in known:
        return known[short]
    return next((model for model in known.values() if short in model.aliases), None)
