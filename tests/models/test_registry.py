"""The registry's file: as its schema has it, and no other than what qcode does by names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import qcode.models
from qcode.calls import formats
from qcode.families import family_of
from qcode.models import Model
from qcode.models.model import CALL_FORMATS, TIERS
from qcode.models.reading import FILE, registered, rows
from qcode.models.renewing import text_of
from qcode.providers.protocol import first_protocol
from qcode.providers.styles import _BY_NAME, STYLES

SCHEMA = json.loads(FILE.with_name("registry.schema.json").read_text(encoding="utf-8"))
MODELS = [registered(model) for model in rows()]
WANTED = (
    *("qwen3-coder-next", "qwen3-coder-30b-a3b", "qwen3-coder-480b-a35b", "qwen3.5-397b-a17b"),
    *("qwen3.5-122b-a10b", "qwen3.5-35b-a3b", "qwen3.5-27b", "qwen3.5-0.8b", "qwen3.5-2b"),
    *("qwen3.5-4b", "qwen3.5-9b", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b", "qwen2.5-coder-3b"),
    *("qwen2.5-coder-7b", "qwen2.5-coder-14b", "qwen2.5-coder-32b", "glm-5", "minimax-m2.5"),
    *("deepseek-v3.2", "deepseek-v3.2-speciale", "llama-4-maverick", "mimo-v2-flash", "kimi-k2"),
    *("kimi-k2-thinking", "kimi-k2.5", "gpt-oss-20b", "gpt-oss-120b", "devstral-2"),
    *("devstral-small-2", "claude-opus-4.6", "claude-sonnet-4.6", "gpt-5.2", "gemini-3-pro"),
    "gemini-3-flash",
)


def ids(models: list[Model]) -> list[str]:
    return [model.id for model in models]


def objects(schema: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all fields that the schema has, each with its own schema."""
    for name, field in schema.get("properties", {}).items():
        yield f"{where}.{name}", field
        yield from objects(field, f"{where}.{name}")


def test_the_file_is_as_its_schema_has_it() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    jsonschema.validate(json.loads(FILE.read_text()), SCHEMA, jsonschema.Draft202012Validator)


def test_the_schema_has_the_fields_of_the_records_and_says_what_they_mean() -> None:
    model = SCHEMA["$defs"]["model"]
    only_own = {"base_url", "api_key_env", "served_as", "own"}

    assert set(model["properties"]) == set(Model.__match_args__) - only_own
    said = ("temperature", "top_p", "top_k", "min_p", "presence_penalty", "repetition_penalty")
    assert [
        name
        for name, field in objects(model)
        if not field.get("description") and name.rpartition(".")[2] not in said
    ] == []
    assert model["properties"]["call_format"]["enum"] == list(CALL_FORMATS)
    assert model["properties"]["tier"]["enum"] == list(TIERS)


def test_the_file_is_written_in_one_way() -> None:
    assert text_of(list(rows().values())) == FILE.read_text(encoding="utf-8")


def test_all_models_of_the_task_are_there() -> None:
    assert set(WANTED) <= set(rows())
    assert len(rows()) >= 90


@pytest.mark.parametrize("model", MODELS, ids=ids(MODELS))
def test_what_is_not_known_has_a_reason(model: Model) -> None:
    missing: dict[str, object] = {
        "context_window": model.context_window,
        "max_output": model.max_output,
        "weights": model.weights,
    }
    if model.weights is not None:
        missing["weights.kv_bytes_per_token"] = model.weights.kv_bytes_per_token
        missing["weights.quantisations"] = model.weights.quantisations
    if model.reasoning.style != "none":
        missing["sampling"] = model.sampling.source

    assert [name for name, value in missing.items() if not value and not model.sources[name]] == []
    assert model.prices is None or (model.prices.source and model.prices.date)


@pytest.mark.parametrize("model", MODELS, ids=ids(MODELS))
def test_the_cache_of_a_token_is_what_its_source_multiplies(model: Model) -> None:
    weights = model.weights
    if weights is None or weights.kv_bytes_per_token is None:
        return
    said = model.sources["weights.kv_bytes_per_token"].partition(":")[0]
    product = 1
    for part in re.sub(r"\([^)\d][^)]*\)", "", said).split(" x "):
        numbers = [int(number) for number in re.findall(r"\d+", part)]
        added = "(" in part and "+" in part
        # The first number of `12 of 48 layers attend in full`; `(512 + 64)` is a sum.
        product *= sum(numbers) if added else numbers[0]

    assert product == weights.kv_bytes_per_token, said


@pytest.mark.parametrize("model", MODELS, ids=ids(MODELS))
def test_figures_are_of_the_right_size(model: Model) -> None:
    weights, prices = model.weights, model.prices

    assert model.context_window is None or 16_384 <= model.context_window <= 2_000_000
    assert model.max_output is None or model.max_output <= (model.context_window or 0)
    if weights is not None:
        assert weights.active_b <= weights.total_b
        for name, size in weights.quantisations.items():
            bits = size * 8 / weights.total_b
            assert 3 < bits < 17, f"{name} has {bits:.1f} bits a parameter"
    if prices is not None:
        assert 0 < prices.input <= prices.output
        assert prices.cache_read is None or prices.cache_read <= prices.input


@pytest.mark.parametrize("model", MODELS, ids=ids(MODELS))
def test_the_registry_says_what_names_say(model: Model) -> None:
    by_name = next((style for pattern, style in _BY_NAME if re.search(pattern, model.id)), "hermes")
    own = model.call_format if model.call_format in STYLES else by_name

    assert family_of(model.id).name == model.tier
    assert first_protocol(model.id) == model.protocol
    assert own == by_name


def test_call_formats_are_those_that_are_written_or_read() -> None:
    read = {file.stem for file in Path(formats.__path__[0]).glob("*.py")}

    assert set(CALL_FORMATS) - set(STYLES) - read == {"native"}


def test_reading_all_of_it_makes_records() -> None:
    found = qcode.models.every()

    assert {type(model) for model in found.values()} == {Model}
    assert found["qwen3-coder-next"].weights is not None
    assert found["claude-opus-4.6"].prices is not None
