"""What is known of sessions' costs, looked up together: sums, and the same on other models."""

from __future__ import annotations

from collections.abc import Sequence

from qcode.cost.elsewhere import Elsewhere, as_cached, elsewhere
from qcode.cost.entries import Entry
from qcode.models import Prices, find
from qcode.models.energy import Power, assumed
from qcode.models.hardware import this_machine

COMPARED = (
    *("claude-opus-4.6", "gpt-5.2", "gemini-3-pro"),
    *("glm-5", "qwen3.5-397b-a17b", "deepseek-v3.2"),
)
"""The models that a person is shown the cost on, unless they name others (`cost_compare`)."""


def compared(entries: Sequence[Entry], names: Sequence[str]) -> dict[str, Elsewhere | None]:
    """Return what requests would have cost on models, by their names; None: no price is known.

    Requests that this very model answered are its own cost, so it is left out where it
    answered all of them.
    """
    if not any(e.asked.usage.input_tokens or e.asked.usage.output_tokens for e in entries):
        return {}
    usages = as_cached(entries)
    who = {found.id if (found := find(entry.model)) else entry.model for entry in entries}
    out: dict[str, Elsewhere | None] = {}
    for name in names:
        model = find(name)
        if model is not None and who == {model.id}:
            continue
        prices = model.prices if model else None
        shown = model.name or model.id if model else name
        out[shown] = elsewhere(usages, prices) if prices else None
    return out


def prices_by_name(model: str) -> Prices | None:
    """Return what a model costs, by its name alone; None: that is not known."""
    known = find(model)
    return known.prices if known else None


def local_seconds(entries: Sequence[Entry]) -> float:
    """Return how long servers worked that take no money for it."""
    return sum(e.asked.duration_s or 0.0 for e in entries if e.asked.usage.cost_usd == 0.0)


def local_power() -> Power:
    """Return what this machine draws while a model computes, by assumption.

    Nothing is measured: when somebody asks what a session cost, the model is idle.
    """
    return assumed(this_machine())
