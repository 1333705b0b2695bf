from __future__ import annotations

import errno
import json
import os
from typing import Any

import pytest
from tool_bench import Bench

from qcode.calls.cursor import Ending
from qcode.calls.found import Found
from qcode.calls.offered import Offered
from qcode.calls.settle import settle
from qcode.tools.base import Touch
from qcode.tools.schema import parse, schema


def edit(path: str, old: str, new: str, **more: Any) -> dict[str, Any]:
    return {"file_path": path, "old_string": old, "new_string": new, **more}


def test_edits_of_several_files_are_made_together(bench: Bench) -> None:
    bench.write("a", "one\ntwo\nthree\n")
    bench.write("b", "x\ny\nx\n")

    result = bench.call(
        "multi_edit",
        edits=[
            edit("a", "one", "1"),
            edit("b", "x", "z", replace_all=True),
            edit("a", "three\n", "3\n4\n"),
            edit("new/c", "", "made\n"),
        ],
    )

    assert (bench.root / "a").read_text() == "1\ntwo\n3\n4\n"
    assert (bench.root / "b").read_text() == "z\ny\nz\n"
    assert (bench.root / "new/c").read_text() == "made\n"
    assert result.text == (
        "Edited a at 2 places, lines 1, 3 (+3 −2).\n"
        "Edited b at 2 places, lines 1, 3 (+2 −2).\n"
        "Created new/c (1 line)."
    )
    assert result.summary == "3 files, +6 −4"
    assert result.diff.count("--- ") == 3


def test_one_edit_that_does_not_fit_stops_all(bench: Bench) -> None:
    bench.write("a", "one\n")
    bench.write("b", "x\n")

    text = bench.error(
        "multi_edit",
        edits=[edit("a", "one", "1"), edit("b", "nothing like it", "z"), edit("c", "", "new\n")],
    )

    assert text.startswith("b: ")
    assert "No file was changed; send the edits of a, c again too." in text
    assert (bench.root / "a").read_text() == "one\n"
    assert (bench.root / "b").read_text() == "x\n"
    assert not (bench.root / "c").exists()


def test_a_full_disk_in_the_middle_changes_no_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        bench.write(name, "old\n")
    real, calls = os.replace, []

    def replace(source: Any, target: Any, **named: Any) -> None:
        calls.append(target)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target, **named)

    edits = [edit(name, "old", "new") for name in "abc"]
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        text = bench.error("multi_edit", edits=edits)

    assert text == "c: the disk is full; nothing was changed. Tell the person."
    assert [(bench.root / name).read_text() for name in "abc"] == ["old\n"] * 3
    assert sorted(os.listdir(bench.root)) == ["a", "b", "c"]
    assert "Edited a" in bench.text("multi_edit", edits=edits)


def test_what_cannot_be_taken_back_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        bench.write(name, "old\n")
    real, calls = os.replace, []

    def replace(source: Any, target: Any, **named: Any) -> None:
        calls.append(target)
        if len(calls) > 1:
            raise OSError(errno.EIO, "Input/output error")
        real(source, target, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        text = bench.error("multi_edit", edits=[edit(name, "old", "new") for name in "ab"])

    assert "could not be taken back. Changed already: a." in text


def test_two_names_of_one_file_are_one_file(bench: Bench) -> None:
    bench.write("a", "one\ntwo\n")
    (bench.root / "link").symlink_to("a")

    bench.call("multi_edit", edits=[edit("a", "one", "1"), edit("./link", "two", "2")])

    assert (bench.root / "a").read_text() == "1\n2\n"
    assert (bench.root / "link").is_symlink()


def test_python_that_breaks_in_one_file_stops_all_unless_it_is_insisted_on(bench: Bench) -> None:
    bench.write("a.py", "x = 1\n")
    bench.write("b", "one\n")
    edits = [edit("b", "one", "1"), edit("a.py", "x = 1", "x = (1")]

    assert "insist" in bench.error("multi_edit", edits=edits)
    assert (bench.root / "b").read_text() == "one\n"
    bench.call("multi_edit", edits=edits, insist=True)
    assert (bench.root / "a.py").read_text() == "x = (1\n"


def test_edits_without_a_path_take_that_of_the_call(bench: Bench) -> None:
    bench.write("a", "one\ntwo\n")
    edits = [{"old_string": "one", "new_string": "1"}, {"old_string": "two", "new_string": "2"}]

    assert "Edit 1 has no file_path" in bench.error("multi_edit", edits=edits)
    assert "`edits` is empty" in bench.error("multi_edit", edits=[])
    bench.call("multi_edit", file_path="a", edits=edits)
    assert (bench.root / "a").read_text() == "1\n2\n"


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("MultiEdit", {"file_path": "a", "edits": [{"old_string": "x", "new_string": "y"}]}),
        ("multiedit", {"path": "a", "edits": [{"oldText": "x", "newText": "y"}]}),
        ("multi_edit", {"changes": [{"path": "a", "old_str": "x", "new_str": "y"}]}),
        ("multi_edit", {"edits": '[{"path": "a", "old_string": "x", "new_string": "y"}]'}),
    ],
)
def test_other_spellings_are_understood(bench: Bench, name: str, arguments: object) -> None:
    offered = Offered({name: schema(t.params, hidden=True) for name, t in bench.tools.items()})
    call = settle(Found(name, json.dumps(arguments)), offered, Ending.NATURAL)
    bench.write("a", "x\n")

    assert call.name == "multi_edit"
    bench.call(call.name, **json.loads(call.text))
    assert (bench.root / "a").read_text() == "y\n"


def test_a_call_tells_all_paths_that_it_concerns(bench: Bench) -> None:
    tool = bench.tools["multi_edit"]
    edits = [edit("a", "x", "y"), edit("../b", "x", "y"), edit("a", "z", "y")]
    params = parse(tool, json.dumps({"edits": edits}))

    assert tool.touches(params) == Touch(("a", "../b"))
    assert tool.summary(params) == "a, ../b (3 edits)"
    assert "outside the workspace" in bench.error("multi_edit", edits=edits)


def test_the_model_is_told_to_name_each_file(bench: Bench) -> None:
    told = schema(bench.tools["multi_edit"].params)

    assert list(told["properties"]) == ["edits"]
    items = told["properties"]["edits"]["items"]
    assert items["required"] == ["file_path", "old_string", "new_string"]
