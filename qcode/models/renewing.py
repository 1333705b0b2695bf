"""Prices of the registry's models, out of litellm's table: taken over, and held against it.

The vendor's own price is first; where it has none, the median of those who serve the model. The
table of a newer litellm makes a newer registry: `make prices`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qcode.models.model import Prices
from qcode.models.naming import forms, key
from qcode.models.reading import index
from qcode.models.table import Row, median_of
from qcode.record import Record, replace

TOLERATED = 0.01
"""By how much of itself a price may be another before it counts as one."""

VENDORS: Mapping[str, tuple[str, ...]] = {
    "Anthropic": ("anthropic",),
    "DeepSeek": ("deepseek",),
    "Google": ("gemini", "vertex_ai"),
    "Meta": ("meta_llama",),
    "MiniMax": ("minimax",),
    "Mistral AI": ("mistral",),
    "Moonshot AI": ("moonshot",),
    "OpenAI": ("openai",),
    "Qwen": ("dashscope",),
    "Xiaomi": ("xiaomi_mimo",),
    "Z.ai": ("zai",),
}
"""A vendor, and what litellm calls the places of its own, the first one first."""

_PLACES = (
    *("anthropic", "openai", "gemini", "vertex_ai", "azure", "azure_ai", "bedrock"),
    *("deepseek", "dashscope", "minimax", "mistral", "moonshot", "xiaomi_mimo", "zai"),
    *("baseten", "cerebras", "deepinfra", "fireworks_ai", "groq", "nebius", "novita"),
    *("openrouter", "sambanova", "together_ai", "wandb"),
)
"""The places that are kept; the median is of these."""

_PRICES = ("input", "output", "cache_read", "cache_write")


class Difference(Record):
    """A price of the registry that litellm's table has otherwise."""

    model: str
    place: str
    """In litellm's words; empty: the price that holds for the model."""
    field: str
    registered: float | None
    found: float | None

    @property
    def share(self) -> float:
        """How far apart they are, as a part of the larger; 1 where one of them is missing."""
        if self.registered is None or self.found is None:
            return 1.0
        larger = max(self.registered, self.found)
        return abs(self.registered - self.found) / larger if larger else 0.0


def places_of(rows: Mapping[str, Row]) -> Mapping[str, tuple[Row, ...]]:
    """Return the rows of each model of the registry, one a place, in the order of the places."""
    found: dict[str, dict[str, Row]] = {}
    known = index()
    for row in rows.values():
        place = row.place
        if place not in _PLACES or row.prices is None:
            continue
        model = next((known[one] for one in map(key, forms(row.name)) if one in known), None)
        if model is None:
            continue
        present = found.setdefault(model, {}).get(place)
        # Of regions, dated names and the like the plainest: the model's own, or the shortest.
        if present is None or _order(row, model) < _order(present, model):
            found[model][place] = row
    return {
        model: tuple(each[place] for place in _PLACES if place in each)
        for model, each in found.items()
    }


def prices_of(vendor: str, rows: Sequence[Row], date: str) -> Prices | None:
    """Return the price that holds for a model of the vendor, as of a date."""
    for own in VENDORS.get(vendor, ()):
        for row in rows:
            if row.place == own and row.prices is not None:
                return replace(row.prices, date=date)
    several = median_of([row.prices for row in rows if row.prices is not None])
    return None if several is None else replace(several, date=date)


def renewed(
    models: Sequence[Mapping[str, Any]], rows: Mapping[str, Row], date: str
) -> list[dict[str, Any]]:
    """Return the registry's rows with the prices of a table; nothing else of them changes.

    Where no price differs, the date stays the one it had.
    """
    places = places_of(rows)
    out = []
    for model in models:
        found = places.get(model["id"], ())
        prices = prices_of(model.get("vendor", ""), found, date)
        row = {**model, "prices": None if prices is None else _plain(prices)}
        if _same(row["prices"], model.get("prices")):
            row["prices"] = model["prices"]
        row["places"] = [
            {"name": each.full_name, "prices": _plain(replace(each.prices, source=""))}
            for each in found
            if each.prices is not None
        ]
        out.append(row)
    return out


def differences(
    models: Sequence[Mapping[str, Any]], rows: Mapping[str, Row]
) -> Iterator[Difference]:
    """Yield what litellm's table has otherwise than the registry, by more than is tolerated."""
    for before, now in zip(models, renewed(models, rows, ""), strict=True):
        old = {"": before.get("prices"), **_by_name(before)}
        new = {"": now.get("prices"), **_by_name(now)}
        for place in {**old, **new}:
            for field in _PRICES:
                one = Difference(
                    before["id"],
                    place,
                    field,
                    (old.get(place) or {}).get(field),
                    (new.get(place) or {}).get(field),
                )
                if one.registered != one.found and one.share > TOLERATED:
                    yield one


def text_of(models: Sequence[Mapping[str, Any]]) -> str:
    """Return the registry as its file has it: a field a line, and a line for each place."""
    blocks = []
    for model in models:
        lines = [f"   {_json(field)}: {_value(value)}" for field, value in model.items()]
        blocks.append("  {\n" + ",\n".join(lines) + "\n  }")
    head = '{\n "$schema": "registry.schema.json",\n "models": [\n'
    return head + ",\n".join(blocks) + "\n ]\n}\n"


def _value(value: Any) -> str:
    rows = [_json(each) for each in value] if isinstance(value, list) else []
    if rows and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"    {row}" for row in rows) + "\n   ]"
    if isinstance(value, dict) and len(_json(value)) > 90:
        inner = [f"    {_json(field)}: {_json(each)}" for field, each in value.items()]
        return "{\n" + ",\n".join(inner) + "\n   }"
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _order(row: Row, model: str) -> tuple[bool, int, str]:
    return row.short != key(model), len(row.full_name), row.full_name


def _by_name(model: Mapping[str, Any]) -> dict[str, Any]:
    return {place["name"]: place["prices"] for place in model.get("places", ())}


def _plain(prices: Prices) -> dict[str, Any]:
    """Return the record as JSON has it; what is not known is left out."""
    fields = {field: getattr(prices, field) for field in Prices.__match_args__}
    return {field: value for field, value in fields.items() if value not in (None, "")}


def _same(now: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> bool:
    fields = (*_PRICES, "source")
    return (
        now is not None
        and before is not None
        and all(now.get(field) == before.get(field) for field in fields)
    )
