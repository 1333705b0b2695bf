"""The registry's prices are those of the installed litellm's table, or it is said."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import qcode.models
from qcode.models import renewing, table
from qcode.models.reading import FILE, rows
from qcode.models.table import Row

ROOT = Path(__file__).resolve().parents[2]


def models() -> list[dict[str, Any]]:
    return [copy.deepcopy(dict(row)) for row in rows().values()]


def row(name: str, provider: str, cost: float, **fields: Any) -> Row:
    short = fields.pop("short", "glm-5")
    return Row(name, short, provider, 1000, 100, cost, cost * 2, None, None, False, False, False)


def test_no_price_differs_by_more_than_a_hundredth() -> None:
    assert [str(one) for one in renewing.differences(models(), table.rows())] == []


@pytest.mark.parametrize("factor, counts", [(1.005, 0), (1.02, 1), (0.5, 1)])
def test_a_price_that_is_another_is_told(factor: float, counts: int) -> None:
    changed = models()
    claude = next(model for model in changed if model["id"] == "claude-opus-4.6")
    claude["prices"]["output"] *= factor

    found = list(renewing.differences(changed, table.rows()))

    assert [(one.model, one.place, one.field) for one in found] == [
        ("claude-opus-4.6", "", "output")
    ] * counts


def test_a_place_that_is_gone_or_new_is_told() -> None:
    changed = models()
    claude = next(model for model in changed if model["id"] == "claude-opus-4.6")
    claude["places"][0]["name"] = "acme/claude"

    found = {(one.place, one.field) for one in renewing.differences(changed, table.rows())}

    assert {("acme/claude", "input"), ("anthropic/claude-opus-4-6", "input")} <= found


def test_the_vendors_own_price_is_first_and_else_the_median() -> None:
    own, other, third = (
        row("zai/glm-5", "zai", 4),
        row("n/x", "novita", 1),
        row("b/x", "baseten", 2),
    )

    first = renewing.prices_of("Z.ai", [other, own, third], "2026-01-01")
    without = renewing.prices_of("Z.ai", [other, third], "2026-01-01")

    assert first is not None
    assert (first.input, first.date) == (4, "2026-01-01")
    assert without is not None
    assert (without.input, without.output) == (1.5, 3)
    assert renewing.prices_of("Z.ai", [], "2026-01-01") is None


def test_of_a_place_the_models_plainest_row_counts() -> None:
    several = [
        row("us.zai.glm-5", "bedrock_converse", 3),
        row("zai.glm-5", "bedrock_converse", 2),
        row("acme/glm-5", "acme", 1),
        row("zai/glm-5-code", "zai", 9, short="glm-5-code"),
    ]

    found = renewing.places_of({one.name: one for one in several})

    assert {model: [one.full_name for one in each] for model, each in found.items()} == {
        "glm-5": ["bedrock/zai.glm-5"]
    }


def test_renewing_what_is_right_changes_no_byte() -> None:
    again = renewing.renewed(models(), table.rows(), "2099-01-01")

    assert renewing.text_of(again) == FILE.read_text(encoding="utf-8")


def test_make_prices_writes_the_registry_of_a_checkout(tmp_path: Path) -> None:
    folder = tmp_path / "qcode/models"
    shutil.copytree(Path(qcode.models.__file__).parent, folder)
    (tmp_path / "qcode/__init__.py").touch()
    for name in ("record.py", "paths.py", "errors.py", "files_safe.py"):
        shutil.copy(ROOT / "qcode" / name, tmp_path / "qcode")
    registry = folder / "registry.json"
    right = registry.read_text(encoding="utf-8")
    changed = json.loads(right)["models"]
    changed[-1]["prices"]["input"] = 99.0
    registry.write_text(renewing.text_of(changed), encoding="utf-8")

    def prices(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, ROOT / "evals/model_prices.py", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env={"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)},
        )

    told = prices("--check")
    assert (told.returncode, "99.0 -> " in told.stdout) == (1, True), told.stderr
    assert prices().returncode == 0
    assert prices("--check").returncode == 0
    written = json.loads(registry.read_text(encoding="utf-8"))["models"][-1]["prices"]
    assert written["input"] == json.loads(right)["models"][-1]["prices"]["input"]
