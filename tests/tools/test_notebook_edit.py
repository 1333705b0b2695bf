from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tool_bench import Bench

from qcode.calls.cursor import Ending
from qcode.calls.found import Found
from qcode.calls.offered import Offered
from qcode.calls.settle import settle
from qcode.tools.schema import schema


def book(*sources: str, language: str = ".py") -> dict[str, Any]:
    cells = [
        {
            "cell_type": "code",
            "execution_count": 1,
            "id": f"id-{number}",
            "metadata": {},
            "outputs": [{"name": "stdout", "output_type": "stream", "text": ["hello\n"]}],
            "source": source.splitlines(keepends=True),
        }
        for number, source in enumerate(sources)
    ]
    info = {"name": "python", "file_extension": language}
    return {
        "cells": cells,
        "metadata": {"language_info": info},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def written(bench: Bench, *sources: str) -> Path:
    return bench.write("n.ipynb", json.dumps(book(*sources), indent=1) + "\n")


def sources(file: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(file.read_text())["cells"]]


def test_a_notebook_is_read_by_cell(bench: Bench) -> None:
    written(bench, "print('hello')", "x = 1\ny = 2")

    text = bench.text("read_file", file_path="n.ipynb")

    assert "print('hello')\n=> hello" in text
    assert "#1 code id=id-1 [1]\nx = 1\ny = 2" in text
    assert text.endswith("cell_id, new_source, edit_mode]")


def test_a_cell_is_replaced_and_all_else_stays(bench: Bench) -> None:
    file = written(bench, "a = 1", "x = 1\ny = 2")
    before = file.read_text()
    bench.call("read_file", file_path="n.ipynb")

    result = bench.call(
        "notebook_edit", notebook_path="n.ipynb", cell_id="id-1", new_source="z = 3"
    )

    assert sources(file) == ["a = 1", "z = 3"]
    assert file.read_text().startswith(before[: before.index("id-1")].rsplit("{", 1)[0])
    assert result.text == "Replaced code cell #1 (id id-1) of n.ipynb:\n1| z = 3"
    assert "z = 3" in result.diff


def test_cells_are_inserted_and_deleted(bench: Bench) -> None:
    file = written(bench, "a", "b")

    first = bench.text("notebook_edit", notebook_path="n.ipynb", edit_mode="insert", new_source="0")
    assert sources(file) == ["0", "a", "b"]
    assert "Inserted code cell #0" in first
    bench.call(
        "notebook_edit", notebook_path="n.ipynb", edit_mode="insert", cell_id="#1",
        cell_type="markdown", new_source="# t",
    )  # fmt: skip
    assert sources(file) == ["0", "a", "# t", "b"]
    gone = bench.text("notebook_edit", notebook_path="n.ipynb", cell_number=1, edit_mode="delete")
    assert sources(file) == ["0", "# t", "b"]
    assert gone == "Deleted cell #1 of n.ipynb; those behind it moved up by one."


def test_a_cell_that_is_not_there_is_refused_with_those_that_are(bench: Bench) -> None:
    written(bench, "a", "b")

    text = bench.error("notebook_edit", notebook_path="n.ipynb", cell_id="nope", new_source="x")
    again = bench.error("notebook_edit", notebook_path="n.ipynb", cell_id="nope", new_source="x")

    assert "There is no cell 'nope'" in text
    assert "#1 code id=id-1" in text
    assert again != text
    assert "Which cell?" in bench.error("notebook_edit", notebook_path="n.ipynb", new_source="x")


def test_code_that_newly_breaks_is_refused_unless_it_is_insisted_on(bench: Bench) -> None:
    file = written(bench, "x = 1")
    broken = {"notebook_path": "n.ipynb", "cell_id": "#0", "new_source": "x = (1"}

    assert "insist" in bench.error("notebook_edit", **broken)
    assert sources(file) == ["x = 1"]
    bench.call("notebook_edit", **broken, insist=True)
    assert sources(file) == ["x = (1"]
    bench.call("notebook_edit", notebook_path="n.ipynb", cell_id="#0", new_source="%matplotlib a(")
    assert sources(file) == ["%matplotlib a("]


@pytest.mark.parametrize("name", ["edit", "multi_edit"])
def test_texts_are_replaced_in_the_one_cell_that_has_them(bench: Bench, name: str) -> None:
    file = written(bench, "x = 1\ny = 'q'\n", "y = 'q'\n", "def f():\n    return 2\n")

    def edit(old: str, new: str, **more: bool) -> dict[str, Any]:
        one = {"file_path": "n.ipynb", "old_string": old, "new_string": new, **more}
        return one if name == "edit" else {"edits": [one]}

    assert "in cell #0" in bench.call(name, **edit("x = 1", 'x = "2"')).text
    assert sources(file)[0] == "x = \"2\"\ny = 'q'\n"
    assert "is in 2 cells: #0, #1" in bench.error(name, **edit("y = 'q'", "y = 3"))
    assert "in no cell" in bench.error(name, **edit("x = 1", "x = 5"))
    assert "would no longer parse" in bench.error(name, **edit("return 2", "return (2"))
    assert sources(file)[1:] == ["y = 'q'\n", "def f():\n    return 2\n"]
    assert "in cell #0, #1" in bench.call(name, **edit("y = 'q'", "y = 3", replace_all=True)).text
    assert sources(file)[:2] == ['x = "2"\ny = 3\n', "y = 3\n"]
    # With trailing blanks that the cell lacks, as in any file.
    bench.call(name, **edit("def f():  \n    return 2", "def f():\n    return 5"))
    assert sources(file)[2] == "def f():\n    return 5\n"


def test_a_patch_does_not_edit_a_notebook_as_text(bench: Bench) -> None:
    file = written(bench, "x = 1")
    before = file.read_text()
    patch = "*** Begin Patch\n*** Update File: n.ipynb\n@@\n-x = 1\n+x = 2\n*** End Patch\n"
    assert "Call notebook_edit" in bench.error("apply_patch", input=patch)
    assert file.read_text() == before


def test_what_is_no_notebook_inside_is_edited_as_text(bench: Bench) -> None:
    bench.write("n.ipynb", '{"cells": oops\n')

    assert '"cells": oops' in bench.text("read_file", file_path="n.ipynb")
    bench.call("edit", file_path="n.ipynb", old_string="oops", new_string="[]")
    assert (bench.root / "n.ipynb").read_text() == '{"cells": []\n'


def test_a_notebook_is_written_whole_only_as_one(bench: Bench) -> None:
    assert "would not be a valid notebook" in bench.error(
        "write_file", file_path="n.ipynb", content="x = 1\n"
    )
    bench.call("write_file", file_path="n.ipynb", content=json.dumps(book("x")))
    assert sources(bench.root / "n.ipynb") == ["x"]


def test_other_files_and_changed_notebooks_are_refused(bench: Bench) -> None:
    bench.write("a.py", "x = 1\n")
    file = written(bench, "x = 1")
    bench.call("read_file", file_path="n.ipynb")
    file.write_text(json.dumps(book("theirs")))

    assert "is no notebook" in bench.error("notebook_edit", notebook_path="a.py", new_source="x")
    assert "has changed since you read it" in bench.error(
        "notebook_edit", notebook_path="n.ipynb", cell_id="#0", new_source="x"
    )
    assert sources(file) == ["theirs"]


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("NotebookEdit", {"notebook_path": "n.ipynb", "cell_id": "id-0", "new_source": "y"}),
        ("NotebookEdit", {"notebook_path": "n.ipynb", "cell_number": 0, "new_source": "y"}),
        ("edit_notebook", {"path": "n.ipynb", "cell_id": "#0", "source": "y"}),
    ],
)
def test_other_spellings_are_understood(bench: Bench, name: str, arguments: object) -> None:
    offered = Offered({name: schema(t.params, hidden=True) for name, t in bench.tools.items()})
    call = settle(Found(name, json.dumps(arguments)), offered, Ending.NATURAL)
    file = written(bench, "x")

    assert call.name == "notebook_edit"
    bench.call(call.name, **json.loads(call.text))
    assert sources(file) == ["y"]
