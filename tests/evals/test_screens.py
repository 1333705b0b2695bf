from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from qcode.evals import screens

FOLDER = Path(__file__).resolve().parents[2] / "docs/screens"
NAMES = [scene.name for scene in screens.SCENES]


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_small_and_reaches_for_nothing(name: str) -> None:
    text = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")

    ElementTree.fromstring(text)
    assert len(text.encode()) < 100_000
    assert set(re.findall(r"https?://[^\"]+", text)) == {"http://www.w3.org/2000/svg"}
    assert f"({name}.svg)" in (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_same_program_gives_the_same_picture(tmp_path: Path) -> None:
    made = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        assert screens.main(["--to", str(folder), "--only", "menu"]) == 0
        made.append((folder / "menu.svg").read_bytes())

    assert made[0] == made[1]
