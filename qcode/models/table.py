"""litellm's own table of models, read from its file: importing litellm would take seconds.

The file has some 3 MB. What of it is of use is kept in the cache folder, for one size and time of
the file; so only the first look-up reads all of it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from qcode.models.model import Model, Place, Prices, Reasoning
from qcode.models.naming import key, plain
from qcode.paths import cache_dir
from qcode.record import Record

_NAME = "model_prices_and_context_window_backup.json"
_FORMAT = 3
"""Of what is kept, plain names (`naming.plain`) among it; what is in another one is read anew."""

_MODES = frozenset({"chat", "responses"})
_MILLION = 1e6


class Row(Record):
    """What litellm says of one model at one place; prices in US dollars for a million tokens."""

    name: str
    short: str
    """Its plain name, for comparing (`naming.key`)."""
    provider: str
    context_window: int | None
    max_output: int | None
    input: float | None
    output: float | None
    cache_read: float | None
    cache_write: float | None
    sees_images: bool
    thinks: bool
    rises: bool
    """Whether long prompts cost more."""

    @property
    def place(self) -> str:
        """Who serves it, without the kinds of model that litellm tells apart."""
        head, dash, _ = self.provider.partition("-")
        if dash and head == "vertex_ai":
            return head
        return "bedrock" if self.provider == "bedrock_converse" else self.provider

    @property
    def full_name(self) -> str:
        """What one gives litellm, the place before it: `anthropic/claude-opus-4-6`."""
        name = self.name
        return name if name.startswith(f"{self.place}/") else f"{self.place}/{name}"

    @property
    def prices(self) -> Prices | None:
        """What it costs there; None: that is not said."""
        if self.input is None or self.output is None or not (self.input or self.output):
            return None
        source = f"litellm {version()}: {self.full_name}"
        if self.rises:
            source += " (long prompts cost more)"
        return Prices(self.input, self.output, self.cache_read, self.cache_write, source)


def table_file() -> Path | None:
    """Return the file of the installed litellm; None: there is none."""
    # Finds a package without importing it.
    spec = PathFinder.find_spec("litellm")
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).with_name(_NAME)
    return file if file.is_file() else None


@cache
def version() -> str:
    """Return the version of the installed litellm; empty: it does not say."""
    file = table_file()
    if file is None:
        return ""
    for folder in file.parent.parent.glob("litellm-*.dist-info"):
        return folder.name.removeprefix("litellm-").removesuffix(".dist-info")
    return ""


@cache
def rows() -> Mapping[str, Row]:
    """Return litellm's table of models to talk with, by their names there; none without litellm."""
    file = table_file()
    return {} if file is None else rows_of(file, cache_dir() / "models")


def rows_of(file: Path, folder: Path) -> Mapping[str, Row]:
    """Return the rows of a table's file; an extract is kept in the folder."""
    try:
        status = file.stat()
        state = [_FORMAT, status.st_size, status.st_mtime_ns]
    except OSError:
        return {}
    kept = folder / "litellm.json"
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        read = json.loads(kept.read_bytes())
        if read["of"] == state:
            return {name: Row(name, *values) for name, values in read["rows"].items()}
    try:
        table = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    found = {
        name: row
        for name, values in (table.items() if isinstance(table, dict) else ())
        if isinstance(values, dict) and values.get("mode") in _MODES
        for row in (_row(name, values),)
    }
    _keep(kept, {"of": state, "rows": {name: _values(row) for name, row in found.items()}})
    return found


def look_up(name: str) -> Model | None:
    """Return what litellm's table says of a model, by its name there or by what servers call it.

    Of several places that serve it, the smallest window and the median of the prices hold.
    """
    table = rows()
    wanted, short = name.strip().lower(), key(plain(name))
    found = [row for row in table.values() if row.name.lower() == wanted]
    found = found or [row for row in table.values() if row.short == short]
    if not found or not short:
        return None
    priced = [Place(row.full_name, row.prices) for row in found if row.prices is not None]
    source = f"litellm {version()}: {', '.join(row.name for row in found[:3])}"
    return Model(
        id=plain(name),
        name=found[0].name,
        context_window=min(
            (row.context_window for row in found if row.context_window), default=None
        ),
        max_output=min((row.max_output for row in found if row.max_output), default=None),
        prices=median_of([place.prices for place in priced]),
        reasoning=Reasoning("field") if any(row.thinks for row in found) else Reasoning(),
        sees_images=any(row.sees_images for row in found),
        places=tuple(priced),
        sources=dict.fromkeys(("context_window", "max_output", "prices"), source),
    )


def median_of(prices: Sequence[Prices]) -> Prices | None:
    """Return the median of each price; None: there is none.

    What reading from a cache costs is only known where half of the places say it.
    """
    if not prices:
        return None

    def median(field: str) -> float | None:
        each = [getattr(one, field) for one in prices]
        known: list[float] = sorted(value for value in each if value is not None)
        if not known or len(known) * 2 < len(prices):
            return None
        middle = len(known) // 2
        if len(known) % 2:
            return known[middle]
        return round((known[middle - 1] + known[middle]) / 2, 6)

    read, new = median("cache_read"), median("input") or 0.0
    return Prices(
        new,
        median("output") or 0.0,
        read if read is None or read <= new else None,
        median("cache_write"),
        prices[0].source if len(prices) == 1 else f"the median of {len(prices)} places",
    )


def _row(name: str, values: Mapping[str, Any]) -> Row:
    tiers = values.get("tiered_pricing")
    first = tiers[0] if isinstance(tiers, list) and tiers and isinstance(tiers[0], dict) else {}
    costs = {**first, **{field: cost for field, cost in values.items() if cost is not None}}
    return Row(
        name,
        key(plain(name)),
        str(values.get("litellm_provider", "")),
        _count(values.get("max_input_tokens")),
        _count(values.get("max_output_tokens")),
        _price(costs.get("input_cost_per_token")),
        _price(costs.get("output_cost_per_token")),
        _price(costs.get("cache_read_input_token_cost")),
        # 0 there: that it costs no more than other tokens.
        _price(costs.get("cache_creation_input_token_cost")) or None,
        values.get("supports_vision") is True,
        values.get("supports_reasoning") is True,
        bool(first) or any(field.startswith("input_cost_per_token_above") for field in values),
    )


def _count(value: object) -> int | None:
    whole = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9
    return int(value) if whole and isinstance(value, int | float) else None


def _price(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        return None
    return round(value * _MILLION, 6)


def _values(row: Row) -> list[object]:
    return [getattr(row, field) for field in Row.__match_args__[1:]]


def _keep(file: Path, content: object) -> None:
    """Write the extract, whole or not at all; a cache that cannot be written is none."""
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
        partial.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
