"""litellm's table: read without litellm, once, and only where a name is known nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qcode.models import find, table
from qcode.models.model import Prices
from qcode.models.table import Row, median_of, rows_of

LIKE = {
    "sample_spec": {"mode": "one of"},
    "acme/big": {
        "mode": "chat",
        "litellm_provider": "acme",
        "max_input_tokens": 128000,
        "max_output_tokens": 8192,
        "input_cost_per_token": 3e-06,
        "output_cost_per_token": 1.5e-05,
        "cache_read_input_token_cost": 3e-07,
        "cache_creation_input_token_cost": 0.0,
        "supports_vision": True,
        "supports_reasoning": True,
        "input_cost_per_token_above_200k_tokens": 6e-06,
    },
    "acme/stairs": {
        "mode": "chat",
        "litellm_provider": "acme",
        "tiered_pricing": [{"input_cost_per_token": 1e-06, "output_cost_per_token": 5e-06}],
    },
    "acme/picture": {"mode": "image_generation", "litellm_provider": "acme"},
    "acme/odd": {"mode": "chat", "max_input_tokens": "many", "input_cost_per_token": True},
    "broken": [],
}


def written(folder: Path, content: Any) -> Path:
    file = folder / "table.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_rows_are_of_models_to_talk_with(tmp_path: Path) -> None:
    found = rows_of(written(tmp_path, LIKE), tmp_path / "kept")

    assert list(found) == ["acme/big", "acme/stairs", "acme/odd"]
    big = Row("acme/big", "big", "acme", 128000, 8192, 3.0, 15.0, 0.3, None, True, True, True)
    assert found["acme/big"] == big
    assert big.prices is not None
    assert big.prices.source.endswith("acme/big (long prompts cost more)")
    assert (found["acme/stairs"].input, found["acme/stairs"].output) == (1.0, 5.0)
    assert found["acme/odd"].prices is None
    assert found["acme/odd"].context_window is None


def test_an_extract_is_kept_and_read_instead(tmp_path: Path) -> None:
    file = written(tmp_path, LIKE)
    first = rows_of(file, tmp_path / "kept")
    status = file.stat()
    file.write_text(" " * status.st_size)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert rows_of(file, tmp_path / "kept") == first


def test_an_extract_of_another_table_does_not_count(tmp_path: Path) -> None:
    rows_of(written(tmp_path, LIKE), tmp_path / "kept")
    file = written(tmp_path, {"new/one": {"mode": "chat"}})
    os.utime(file, ns=(1, 1))

    assert list(rows_of(file, tmp_path / "kept")) == ["new/one"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"of": 1}', '{"of": [2], "rows": {"a": 1}}'])
def test_a_damaged_extract_is_made_anew(tmp_path: Path, content: str) -> None:
    file = written(tmp_path, LIKE)
    first = rows_of(file, tmp_path / "kept")
    (tmp_path / "kept/litellm.json").write_text(content)

    assert rows_of(file, tmp_path / "kept") == first


@pytest.mark.parametrize("content", ["", "[]", "nonsense", "[" * 100_000])
def test_a_damaged_table_has_no_rows(tmp_path: Path, content: str) -> None:
    assert rows_of(written(tmp_path, content), tmp_path / "kept") == {}


def test_where_nothing_can_be_kept_the_table_is_read(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file where a folder should be")

    assert "acme/big" in rows_of(written(tmp_path, LIKE), tmp_path / "kept")


def test_the_median_is_of_each_price() -> None:
    several = [Prices(1, 2, 0.1), Prices(3, 4), Prices(2, 9)]

    assert median_of([]) is None
    assert median_of(several) == Prices(2, 4, None, None, "the median of 3 places")
    assert median_of(several[:2]) == Prices(2, 3, 0.1, None, "the median of 2 places")


def test_models_of_the_table_are_found_by_their_names_there() -> None:
    found = find("gpt-4o", in_table=True)

    assert found is not None
    assert (found.context_window, found.max_output, found.sees_images) == (128000, 16384, True)
    assert found.prices is not None
    assert found.prices.input == 2.5
    assert "litellm" in found.sources["context_window"]


def test_models_that_many_serve_are_found_by_what_they_are_called() -> None:
    found = find("openrouter/zai-org/GLM-4.6-FP8", in_table=True)

    assert found is not None
    assert found.id == "glm-4.6"
    assert len(found.places) > 1


def test_what_nobody_knows_is_found_nowhere() -> None:
    assert find("acme/never-heard-of-it-9b", in_table=True) is None


def test_the_table_is_not_opened_for_what_the_registry_knows() -> None:
    code = (
        "import sys\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' "
        "else None)\n"
        "from qcode.models import find\n"
        "assert find('qwen3-coder:30b') and find('us.anthropic.claude-opus-4-6-v1:0')\n"
        "assert find('anthropic/claude-opus-4-6', in_table=True)\n"
        "assert find('scripted') is None\n"
        "assert not any('litellm' in name or 'prices' in name for name in opened), opened\n"
        "assert find('gpt-4o', in_table=True)\n"
        "assert any('model_prices' in name for name in opened)\n"
        "assert 'litellm' not in sys.modules\n"
    )

    subprocess.run([sys.executable, "-P", "-c", code], check=True, timeout=60)


def test_the_table_is_that_of_the_installed_litellm() -> None:
    file = table.table_file()

    assert file is not None
    assert file.parent.name == "litellm"
    assert table.version().count(".") >= 1
