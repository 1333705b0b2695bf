from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from tool_bench import Bench

from qcode.errors import ToolError
from qcode.tools.base import Touch
from qcode.tools.schema import parse


def patch(*lines: str) -> str:
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch", ""])


ALL = patch(
    "*** Update File: a.txt",
    "@@",
    " one",
    "-two",
    "+2",
    "*** Add File: new/b.txt",
    "+first",
    "+second",
    "*** Delete File: c.txt",
    "*** Update File: d.txt",
    "*** Move to: moved/d.txt",
    "@@",
    "-old",
    "+new",
)


def prepared(bench: Bench) -> None:
    bench.write("a.txt", "one\ntwo\n")
    bench.write("c.txt", "gone\n")
    bench.write("d.txt", "old\n").chmod(0o750)


def files(bench: Bench) -> dict[str, str]:
    return {
        str(path.relative_to(bench.root)): path.read_text()
        for path in sorted(bench.root.rglob("*"))
        if path.is_file()
    }


AFTER = {"a.txt": "one\n2\n", "moved/d.txt": "new\n", "new/b.txt": "first\nsecond\n"}


def test_a_patch_changes_creates_deletes_and_moves(bench: Bench) -> None:
    prepared(bench)

    result = bench.call("apply_patch", input=ALL)

    assert files(bench) == AFTER
    assert (bench.root / "moved/d.txt").stat().st_mode & 0o777 == 0o750
    assert result.text == (
        "Edited a.txt at line 2 (+1 −1).\n"
        "Created new/b.txt (2 lines).\n"
        "Deleted c.txt (1 line).\n"
        "Moved d.txt to moved/d.txt (+1 −1)."
    )
    assert result.summary == "4 files, +4 −3"


def test_a_unified_diff_and_blocks_are_understood_too(bench: Bench) -> None:
    prepared(bench)

    bench.call("apply_patch", input="--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n")
    bench.call("apply_patch", input="d.txt\n<<<<<<< SEARCH\nold\n=======\nnew\n>>>>>>> REPLACE\n")

    assert files(bench) == {"a.txt": "one\n2\n", "c.txt": "gone\n", "d.txt": "new\n"}


@pytest.mark.parametrize("function", ["write", "fsync", "replace", "unlink"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_fault_at_any_moment_leaves_all_files(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, function: str, code: int
) -> None:
    prepared(bench)
    before = files(bench)
    real = getattr(os, function)
    for at in range(1, 30):
        calls: list[int] = []

        def broken(*arguments: Any, calls: list[int] = calls, at: int = at, **named: Any) -> Any:
            calls.append(1)
            if len(calls) == at:
                raise OSError(code, os.strerror(code))
            return real(*arguments, **named)

        with monkeypatch.context() as patched:
            patched.setattr(os, function, broken)
            try:
                bench.call("apply_patch", input=ALL)
            except ToolError as error:
                failed = str(error)
            else:
                break
        assert {path: text for path, text in files(bench).items() if ".tmp" not in path} == before
        assert not (bench.root / "new").exists()
        assert failed
    assert {path: text for path, text in files(bench).items() if ".tmp" not in path} == AFTER
    assert at > 1


def test_a_hunk_that_does_not_fit_stops_all_and_is_counted(bench: Bench) -> None:
    prepared(bench)
    wrong = patch("*** Delete File: c.txt", "*** Update File: a.txt", "@@", " one", "-three", "+3")

    first = bench.error("apply_patch", input=wrong)
    second = bench.error("apply_patch", input=wrong)

    assert "a.txt" in first
    assert "This is failure 2 in a row with a.txt." in second
    assert "2| two" in second
    assert "c.txt" in files(bench)


def test_a_patch_tells_all_paths_that_it_concerns(bench: Bench) -> None:
    tool = bench.tools["apply_patch"]

    touched = tool.touches(parse(tool, json.dumps({"input": ALL}))).paths
    outside = patch("*** Add File: ../x", "+1")

    assert sorted(touched) == ["a.txt", "c.txt", "d.txt", "moved/d.txt", "new/b.txt"]
    assert tool.touches(parse(tool, json.dumps({"input": outside}))).paths == ("../x",)
    assert tool.touches(parse(tool, json.dumps({"input": "no patch"}))) == Touch()
    assert bench.error("apply_patch", input=outside)
    assert not (bench.root.parent / "x").exists()


def test_an_absolute_path_in_the_workspace_is_one_of_its_files(bench: Bench) -> None:
    prepared(bench)

    bench.call(
        "apply_patch", input=patch(f"*** Update File: {bench.root}/a.txt", "@@", "-two", "+2")
    )

    assert files(bench)["a.txt"] == "one\n2\n"


def test_a_directory_that_was_allowed_is_patched_by_absolute_paths(
    bench: Bench, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.txt").write_text("one\n")
    bench.write("b.txt", "two\n")
    text = patch(
        f"*** Update File: {other}/a.txt", "@@", "-one", "+1", f"*** Add File: {other}/c", "+3",
        "*** Delete File: b.txt",
    )  # fmt: skip

    assert "outside the workspace" in bench.error("apply_patch", input=text)
    bench.context.allowed_outside.add(other)
    told = bench.text("apply_patch", input=text)
    wrong = bench.error(
        "apply_patch", input=patch(f"*** Update File: {other}/a.txt", "@@", "-two", "+2")
    )

    assert (other / "a.txt").read_text() == "1\n"
    assert (other / "c").read_text() == "3\n"
    assert f"Edited {other}/a.txt at line 1" in told
    assert wrong.startswith(f"{other}/a.txt: ")
    assert not (bench.root / "b.txt").exists()


def test_a_link_is_written_through_but_deleted_itself(bench: Bench) -> None:
    prepared(bench)
    for name in ("link", "other"):
        (bench.root / name).symlink_to("a.txt")

    bench.call("apply_patch", input=patch("*** Update File: link", "@@", "-two", "+2"))
    bench.call("apply_patch", input=patch("*** Delete File: other"))

    assert (bench.root / "link").is_symlink()
    assert (bench.root / "a.txt").read_text() == "one\n2\n"
    assert not os.path.lexists(bench.root / "other")
    assert "symbolic link" in bench.error(
        "apply_patch",
        input=patch("*** Update File: link", "*** Move to: there", "@@", "-2", "+3"),
    )


def test_two_names_of_one_file_are_refused(bench: Bench) -> None:
    prepared(bench)
    (bench.root / "link").symlink_to("a.txt")

    text = bench.error(
        "apply_patch",
        input=patch(
            "*** Update File: a.txt",
            "@@",
            "-two",
            "+2",
            "*** Update File: link",
            "@@",
            "-one",
            "+1",
        ),
    )

    assert "names a.txt in two ways" in text
    assert files(bench)["a.txt"] == "one\ntwo\n"


def test_a_file_that_changed_since_it_was_read_takes_exact_hunks_only(bench: Bench) -> None:
    file = bench.write("a.txt", "    one\n    two\n")
    bench.call("read_file", file_path="a.txt")
    file.write_text("    one\n    two\n    theirs\n")

    drifted = bench.error("apply_patch", input=patch("*** Update File: a.txt", "@@", "-two", "+2"))
    bench.call("apply_patch", input=patch("*** Update File: a.txt", "@@", "-    two", "+    2"))

    assert "changed" in drifted
    assert file.read_text() == "    one\n    2\n    theirs\n"


def test_python_that_breaks_stops_all_unless_it_is_insisted_on(bench: Bench) -> None:
    prepared(bench)
    bench.write("x.py", "x = 1\n")
    text = patch("*** Delete File: c.txt", "*** Update File: x.py", "@@", "-x = 1", "+x = (1")

    assert "insist" in bench.error("apply_patch", input=text)
    assert "c.txt" in files(bench)
    bench.call("apply_patch", input=text, insist=True)
    assert files(bench)["x.py"] == "x = (1\n"


def test_a_notebook_is_not_patched_as_text_but_may_go(bench: Bench) -> None:
    cell = {"cell_type": "raw", "metadata": {}, "source": "x"}
    book = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    bench.write("n.ipynb", json.dumps(book, indent=1) + "\n")
    changed = patch("*** Update File: n.ipynb", "@@", '-   "source": "x"', '+   "source": "y"')

    assert "Call notebook_edit" in bench.error("apply_patch", input=changed)
    bench.call("apply_patch", input=patch("*** Delete File: n.ipynb"))
    assert files(bench) == {}
