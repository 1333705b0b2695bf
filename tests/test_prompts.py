from __future__ import annotations

from pathlib import Path

import pytest

from qcode import prompts
from qcode.prompts import load
from qcode.tools import all_tools


def test_every_tool_has_a_description_of_one_line() -> None:
    for tool in all_tools():
        assert tool.description.endswith(".")
        assert "\n" not in tool.description


def test_an_unknown_prompt_is_an_error_that_names_the_known() -> None:
    known = "no prompt 'sytem'; there are: .*system_answer, tools/agent, tools/apply_patch, "
    with pytest.raises(LookupError, match=known):
        load("sytem")


def test_values_are_put_in_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "_HERE", str(tmp_path))
    (tmp_path / "a.md").write_text("for {{name}}: {x} {{name}}\n")

    assert load("a", name="you") == "for you: {x} you"
    with pytest.raises(LookupError, match="has no {{nmae}}"):
        load("a", nmae="you")
    with pytest.raises(LookupError, match="needs values"):
        load("a")
