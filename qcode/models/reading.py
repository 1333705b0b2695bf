"""The registry's rows as records, each made when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from qcode.models.model import Model, Place, Prices, Reasoning, Sampling, Weights
from qcode.models.naming import key
from qcode.record import Record

PARTS: Mapping[str, type[Record]] = {
    "prices": Prices,
    "reasoning": Reasoning,
    "sampling": Sampling,
    "weights": Weights,
}
"""The fields of a model that are records, too."""

FILE = Path(__file__).with_name("registry.json")


@cache
def rows() -> Mapping[str, Mapping[str, Any]]:
    """Return the rows of the registry as they stand in the file, by id."""
    read = json.loads(FILE.read_text(encoding="utf-8"))["models"]
    return {row["id"]: row for row in read}


@cache
def index() -> Mapping[str, str]:
    """Return the id of each model by all that it is called (`naming.key`)."""
    return dict(_names(rows()))


@cache
def registered(model: str) -> Model:
    """Return the model of an id that the registry has."""
    return model_of(rows()[model])


def model_of(row: Mapping[str, Any]) -> Model:
    """Return the record of a row, which is as the schema has it."""
    return Model(**{field: _part(field, value) for field, value in row.items()})


def called(model: Mapping[str, Any]) -> Iterator[str]:
    """Yield all that a model is called, for comparing.

    Its size is enough where it says its active part, too: `qwen3.5-35b` is `qwen3.5-35b-a3b`.
    """
    for name in (model["id"], *model.get("aliases", ())):
        yield key(name)
        head, _, active = name.rpartition("-")
        if active[:1] == "a" and active[-1:] == "b" and active[1:2].isdigit():
            yield key(head)


def _names(models: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for model in models.values():
        for name in called(model):
            yield name, model["id"]


def _part(field: str, value: Any) -> Any:
    if field in PARTS and value is not None:
        kind: Any = PARTS[field]
        return kind(**value)
    if field == "places":
        return tuple(Place(each["name"], Prices(**each["prices"])) for each in value)
    return tuple(value) if field == "aliases" else value
