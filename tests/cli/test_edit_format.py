from __future__ import annotations

import json

from qcode.cli.chosen import Chosen
from qcode.cli.start import edit_format_of, specs_for
from qcode.config import Settings
from qcode.context import system_prompt
from qcode.providers.registry import Target
from qcode.tools import default_tools
from qcode.tools.schema import schema


def chosen(model: str, *, is_embedded: bool = False) -> Chosen:
    target = Target(model=model, base_url="http://localhost/v1", api_key=None, kind="chat")
    return Chosen(target, 32768, is_embedded=is_embedded)


def test_the_form_follows_the_model_unless_it_is_set() -> None:
    assert edit_format_of(Settings(), chosen("gpt-oss:20b")) == "patch"
    assert edit_format_of(Settings(edit_format="multi"), chosen("gpt-oss:20b")) == "multi"


def test_the_embedded_model_is_told_the_same_as_elsewhere() -> None:
    model = chosen("qwen2.5-coder-1.5b", is_embedded=True)

    assert edit_format_of(Settings(), model) == "answer"


def test_by_default_the_model_is_told_the_same_as_ever() -> None:
    specs = specs_for("replace")

    assert [(spec.name, spec.description, spec.parameters) for spec in specs] == [
        (tool.name, tool.description, schema(tool.params)) for tool in default_tools()
    ]


def test_the_words_go_with_the_tools() -> None:
    told = {form: {spec.name: spec for spec in specs_for(form)} for form in ("patch", "whole")}

    assert "edit" not in told["patch"]
    assert "*** Begin Patch" in told["patch"]["apply_patch"].description
    assert "old_string" not in json.dumps([s.parameters for s in told["patch"].values()])
    assert "old_string" not in system_prompt("patch")
    assert "300 lines" in told["whole"]["write_file"].description
    assert "300 lines" in system_prompt("whole")
    assert system_prompt("multi") == system_prompt("replace") == system_prompt()
