"""What an edit would do, told without its being done."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tool_bench import Bench

from qcode.editing.effects import FileEffect
from qcode.errors import ToolError
from qcode.tools.schema import parse

PATCH = """*** Begin Patch
*** Update File: a.py
*** Move to: b.py
@@
-x = 1
+x = 3
*** Add File: new.py
+n = 1
*** Delete File: gone.txt
*** End Patch
"""
NOTEBOOK = (
    '{"cells": [{"cell_type": "code", "source": ["1"], "metadata": {}, "outputs": [],'
    ' "execution_count": null}], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}'
)


def preview(bench: Bench, name: str, **arguments: Any) -> list[FileEffect]:
    tool = bench.tools[name]
    found = bench.runner.run(tool.preview(parse(tool, json.dumps(arguments)), bench.context))
    assert found is not None
    return list(found)


@pytest.mark.parametrize(
    "name, arguments, effects",
    [
        (
            "edit",
            {"file_path": "a.py", "old_string": "x = 1", "new_string": "x = 2"},
            [FileEffect("a.py", "x = 1\ny = 2\n", "x = 2\ny = 2\n")],
        ),
        (
            "multi_edit",
            {"file_path": "a.py", "edits": [
                {"old_string": "x", "new_string": "z"}, {"old_string": "y", "new_string": "w"},
            ]},
            [FileEffect("a.py", "x = 1\ny = 2\n", "z = 1\nw = 2\n")],
        ),
        (
            "write_file",
            {"file_path": "deep/new.txt", "content": "n\n"},
            [FileEffect("deep/new.txt", None, "n\n")],
        ),
        (
            "apply_patch",
            {"input": PATCH},
            [
                FileEffect("b.py", "x = 1\ny = 2\n", "x = 3\ny = 2\n", "a.py"),
                FileEffect("new.py", None, "n = 1\n"),
                FileEffect("gone.txt", "g\n", None),
            ],
        ),
    ],
)  # fmt: skip
def test_all_effects_are_told_and_none_is_had(
    bench: Bench, name: str, arguments: dict[str, Any], effects: list[FileEffect]
) -> None:
    bench.write("a.py", "x = 1\ny = 2\n")
    bench.write("gone.txt", "g\n")

    found = preview(bench, name, **arguments)

    assert found == effects
    assert sorted(p.name for p in bench.root.iterdir()) == ["a.py", "gone.txt"]
    assert (bench.root / "a.py").read_text() == "x = 1\ny = 2\n"
    assert not bench.context.seen

    bench.call(name, **arguments)
    for effect in effects:
        file = bench.root / effect.path
        assert (file.read_text() if file.exists() else None) == effect.after


def test_cells_of_a_notebook_are_one(bench: Bench) -> None:
    bench.write("n.ipynb", NOTEBOOK)

    [effect] = preview(
        bench, "notebook_edit", notebook_path="n.ipynb", cell_id="#0", new_source="2"
    )

    assert effect.is_one
    assert '"2"' in (effect.after or "")
    assert (bench.root / "n.ipynb").read_text() == NOTEBOOK


def test_a_failure_is_told_and_not_counted(bench: Bench) -> None:
    bench.write("a.py", "x = 1\n")

    with pytest.raises(ToolError):
        preview(bench, "edit", file_path="a.py", old_string="nowhere", new_string="y")
    with pytest.raises(ToolError, match="no longer parse"):
        preview(bench, "edit", file_path="a.py", old_string="1", new_string="(")

    assert not bench.context.failures


def test_other_tools_know_nothing_beforehand(bench: Bench) -> None:
    tool = bench.tools["run_shell_command"]
    params = parse(tool, '{"command": "touch made"}')

    assert bench.runner.run(tool.preview(params, bench.context)) is None
    assert not (bench.root / "made").exists()
