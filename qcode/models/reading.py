"""The registry and the person's own models as records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from qcode.models.model import Model, Place, Prices, Reasoning, Sampling, Weights
from qcode.record import Record

_PARTS: Mapping[str, type[Record]] = {
    "prices": Prices,
    "reasoning": Reasoning,
    "sampling": Sampling,
    "weights": Weights,
}


@cache
def registry() -> Mapping[str, Model]:
    """Return the models that come with qcode, by id."""
    file = Path(__file__).with_name("registry.json")
    rows = json.loads(file.read_text(encoding="utf-8"))["models"]
    return {row["id"]: model_of(row) for row in rows}


def model_of(row: Mapping[str, Any]) -> Model:
    """Return the record of a row, which is as the schema has it."""
    fields = {key: _part(key, value) for key, value in row.items() if key in Model.__match_args__}
    return Model(**fields)


def _part(key: str, value: Any) -> Any:
    if key in _PARTS and value is not None:
        kind: Any = _PARTS[key]
        return kind(**value)
    if key == "places":
        return tuple(Place(each["name"], Prices(**each["prices"])) for each in value)
    return tuple(value) if key == "aliases" else value
