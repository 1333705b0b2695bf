from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thorough import examples
from tool_bench import Bench

from qcode.tools import all_tools
from qcode.tools.schema import schema


def leftovers(folder: Path) -> list[Path]:
    return list(folder.rglob(".qcode-*"))


def test_a_new_file_is_written_with_its_directories(bench: Bench) -> None:
    result = bench.call("write_file", file_path="a/b/c.txt", content="1\n2\n")

    assert (bench.root / "a/b/c.txt").read_bytes() == b"1\n2\n"
    assert result.text == "Created a/b/c.txt (2 lines)."
    assert result.diff == "--- a/b/c.txt\n+++ a/b/c.txt\n@@ -0,0 +1,2 @@\n+1\n+2"
    assert leftovers(bench.root) == []


def test_a_new_file_has_the_usual_mode(bench: Bench) -> None:
    old = os.umask(0o027)
    try:
        bench.call("write_file", file_path="a", content="x")
    finally:
        os.umask(old)

    assert (bench.root / "a").stat().st_mode & 0o777 == 0o640


def test_a_file_that_was_read_is_overwritten(bench: Bench) -> None:
    bench.write("a", "1\n2\n3\n").chmod(0o751)
    bench.call("read_file", file_path="a")

    result = bench.call("write_file", file_path="a", content="1\n9\n")

    assert (bench.root / "a").read_text() == "1\n9\n"
    assert (bench.root / "a").stat().st_mode & 0o777 == 0o751
    assert result.text == "Overwrote a (2 lines, +1 −2)."
    assert "-2\n-3\n+9" in result.diff


def test_a_file_that_was_not_read_is_kept(bench: Bench) -> None:
    file = bench.write("a", "precious")

    assert "you have not read it" in bench.error("write_file", file_path="a", content="x")
    assert file.read_text() == "precious"


def test_an_empty_file_may_be_overwritten_unread(bench: Bench) -> None:
    bench.write("a")

    bench.call("write_file", file_path="a", content="x")

    assert (bench.root / "a").read_text() == "x"


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(bench: Bench) -> None:
    file = bench.write("a", "mine\n")
    bench.call("read_file", file_path="a")
    file.write_text("mine and theirs\n")

    assert "has changed since you read it" in bench.error("write_file", file_path="a", content="x")
    assert file.read_text() == "mine and theirs\n"


def test_in_a_file_that_changed_meanwhile_only_exact_text_is_replaced(bench: Bench) -> None:
    file = bench.write("a", "    one\n    two\n")
    bench.call("read_file", file_path="a")
    file.write_text("    one\n    two\n    theirs\n")

    drifted = bench.error("edit", file_path="a", old_string="one\ntwo\n", new_string="1\n2\n")
    exact = bench.text("edit", file_path="a", old_string="    two\n", new_string="    2\n")

    assert "The file has changed since you read it" in drifted
    assert file.read_text() == "    one\n    2\n    theirs\n"
    assert "has changed since you read it; read it before you edit it further" in exact
    assert "Read it again" in bench.error("write_file", file_path="a", content="x")


def test_a_touched_file_with_the_same_content_is_no_change(bench: Bench) -> None:
    file = bench.write("a", "one\n")
    bench.call("read_file", file_path="a")
    os.utime(file, (1, 1))

    bench.call("edit", file_path="a", old_string="one", new_string="two")

    assert file.read_text() == "two\n"


def test_own_writes_count_as_seen(bench: Bench) -> None:
    bench.call("write_file", file_path="a", content="one\n")
    bench.call("edit", file_path="a", old_string="one", new_string="two")
    bench.call("write_file", file_path="a", content="three\n")

    assert (bench.root / "a").read_text() == "three\n"


def test_the_same_content_again_is_said(bench: Bench) -> None:
    bench.call("write_file", file_path="a", content="one\n")

    text = bench.text("write_file", file_path="a", content="one\n")

    assert text == "a already has exactly this content."


@pytest.mark.parametrize(
    "before, content, after",
    [
        (b"a\r\nb\r\n", "x\ny\n", b"x\r\ny\r\n"),
        (b"a\r\nb\r\n", "x\r\ny\n", b"x\r\ny\n"),
        (b"a\nb\n", "x\r\ny\r\n", b"x\r\ny\r\n"),
        (b"\xef\xbb\xbfa\n", "x\n", b"\xef\xbb\xbfx\n"),
        (b"\xef\xbb\xbfa\n", "\ufeffx\n", b"\xef\xbb\xbfx\n"),
        ("ä\n".encode("utf-16"), "ö\n", "ö\n".encode("utf-16")),
        ("ä\n".encode("latin-1"), "ö\n", "ö\n".encode("latin-1")),
    ],
)
def test_an_overwritten_file_keeps_its_line_ends_and_encoding(
    bench: Bench, before: bytes, content: str, after: bytes
) -> None:
    file = bench.write("a", before)
    bench.call("read_file", file_path="a")

    bench.call("write_file", file_path="a", content=content)

    assert file.read_bytes() == after


def test_text_that_the_encoding_lacks_is_refused(bench: Bench) -> None:
    file = bench.write("a", "größe\n".encode("latin-1"))
    bench.call("read_file", file_path="a")

    assert "which has no '漢'" in bench.error("write_file", file_path="a", content="漢\n")
    assert file.read_bytes() == "größe\n".encode("latin-1")


def test_a_link_stays_one_and_its_target_is_written(bench: Bench) -> None:
    target = bench.write("real/a", "one\n")
    (bench.root / "link").symlink_to("real/a")

    bench.call("edit", file_path="link", old_string="one", new_string="two")
    bench.call("write_file", file_path="link", content="three\n")

    assert (bench.root / "link").is_symlink()
    assert target.read_text() == "three\n"


def test_a_dangling_link_creates_its_target(bench: Bench) -> None:
    (bench.root / "link").symlink_to("target")

    bench.call("write_file", file_path="link", content="x")

    assert (bench.root / "link").is_symlink()
    assert (bench.root / "target").read_text() == "x"


@pytest.mark.parametrize("path", ["../x", "out/x", "out/new/x", "link", "/tmp/qcode-no/x"])
def test_nothing_outside_the_workspace_is_written(bench: Bench, tmp_path: Path, path: str) -> None:
    (tmp_path / "outside").mkdir()
    (bench.root / "out").symlink_to(tmp_path / "outside")
    (bench.root / "link").symlink_to(tmp_path / "outside" / "new")

    for name, arguments in (
        ("write_file", {"content": "x"}),
        ("edit", {"old_string": "", "new_string": "x"}),
    ):
        assert "outside the workspace" in bench.error(name, file_path=path, **arguments)
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_path_through_a_file_and_a_directory_are_refused(bench: Bench) -> None:
    bench.write("file", "x")
    (bench.root / "dir").mkdir()

    assert "not a directory" in bench.error("write_file", file_path="file/a", content="x")
    assert "is a directory" in bench.error("write_file", file_path="dir", content="x")
    assert "names a directory" in bench.error("write_file", file_path="new/", content="x")
    assert "too long" in bench.error("write_file", file_path="x" * 300, content="x")


def test_a_full_disk_leaves_the_old_file(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    file = bench.write("a", "old\n" * 10)
    bench.call("read_file", file_path="a")

    def full(_descriptor: int, _data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        text = bench.error("write_file", file_path="a", content="new")

    assert text == "a: the disk is full; nothing was changed. Tell the person."
    assert file.read_text() == "old\n" * 10
    assert leftovers(bench.root) == []


def test_a_write_that_ends_in_the_middle_leaves_the_old_file(bench: Bench) -> None:
    file = bench.write("a", "old\n")
    bench.call("read_file", file_path="a")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        text = bench.error("write_file", file_path="a", content="new\n" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)

    assert "larger than allowed; nothing was changed" in text
    assert file.read_text() == "old\n"
    assert leftovers(bench.root) == []


def test_a_file_that_changes_while_it_is_written_is_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = bench.write("a", "old\n")
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        file.write_text("theirs\n")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        text = bench.error("edit", file_path="a", old_string="old", new_string="new")

    assert text == ("a was changed by something else just now; nothing was changed. Read it again.")
    assert file.read_text() == "theirs\n"
    assert leftovers(bench.root) == []


def test_an_edit_tells_place_size_and_diff(bench: Bench) -> None:
    bench.write("a.txt", "one\ntwo\nthree\n")

    result = bench.call("edit", file_path="a.txt", old_string="two", new_string="2\n2")

    assert result.text == "Edited a.txt at line 2 (+2 −1)."
    assert result.summary == "+2 −1"
    assert "-two\n+2\n+2" in result.diff


def test_an_edit_everywhere_tells_all_places(bench: Bench) -> None:
    bench.write("a", "x\ny\nx\n")

    text = bench.text("edit", file_path="a", old_string="x", new_string="z", replace_all=True)

    assert text == "Edited a at 2 places, lines 1, 3 (+2 −2)."


def test_an_empty_old_string_creates_only(bench: Bench) -> None:
    bench.call("edit", file_path="new", old_string="", new_string="x\n")
    assert (bench.root / "new").read_text() == "x\n"

    assert "only creates files" in bench.error(
        "edit", file_path="new", old_string="", new_string="y"
    )
    bench.write("empty")
    bench.call("edit", file_path="empty", old_string="", new_string="y")
    assert (bench.root / "empty").read_text() == "y"


def test_a_file_is_not_overwritten_with_left_out_code(bench: Bench) -> None:
    file = bench.write("a.js", "one();\ntwo();\n")
    bench.call("read_file", file_path="a.js")

    text = bench.error("write_file", file_path="a.js", content="one(1);\n// ... rest unchanged\n")

    assert "stands for left-out code: '// ... rest unchanged'" in text
    assert file.read_text() == "one();\ntwo();\n"


def test_a_refused_edit_names_the_file_and_changes_nothing(bench: Bench) -> None:
    file = bench.write("a", "one\n")

    text = bench.error("edit", file_path="a", old_string="two\n", new_string="three\n")

    assert text.startswith("a: old_string is not in the file")
    assert file.read_text() == "one\n"


def test_an_edit_of_a_missing_file_or_binary_data_is_refused(bench: Bench) -> None:
    bench.write("bin", b"a\0b")

    assert "does not exist" in bench.error("edit", file_path="no", old_string="a", new_string="b")
    assert "binary" in bench.error("edit", file_path="bin", old_string="a", new_string="b")


def test_a_change_that_breaks_python_is_refused(bench: Bench) -> None:
    bench.write("a.py", "def f():\n    return 1\n")
    bench.text("read_file", file_path="a.py")

    edited = bench.error("edit", file_path="a.py", old_string="return 1", new_string="return (1")
    written = bench.error("write_file", file_path="a.py", content="<tool>")

    assert "would no longer parse (line 2, column 12: '(' was never closed). Nothing" in edited
    assert "would no longer parse" in written
    assert bench.text("read_file", file_path="a.py") == "def f():\n    return 1"


def test_python_that_is_broken_already_may_stay_so(bench: Bench) -> None:
    bench.write("a.py", "def f(:\n    return 1\n")

    assert "Edited" in bench.text("edit", file_path="a.py", old_string="1", new_string="2")


def test_new_python_that_does_not_parse_is_told(bench: Bench) -> None:
    new = bench.text("write_file", file_path="b.py", content="def f(:\n")

    assert "Warning: b.py does not parse (line 1, column 7: " in new
    assert "Warning" not in bench.text("write_file", file_path="c.txt", content="def f(:\n")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(50))
@given(
    st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), max_size=8), max_size=6),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.booleans(),
)
def test_an_edit_keeps_encoding_and_line_ends(
    bench: Bench, lines: list[str], end: str, encoding: str, final: bool
) -> None:
    before = end.join(["a;", *lines, "<mark>", *lines]) + end * final
    if "<mark>" in "".join(lines):
        return
    file = bench.write("f", before.encode(encoding))
    bench.context.seen.clear()

    bench.call("edit", file_path="f", old_string="<mark>", new_string="<1>\n<2>")

    assert file.read_bytes() == before.replace("<mark>", f"<1>{end}<2>").encode(encoding)


def test_a_reader_never_sees_half_a_file(bench: Bench) -> None:
    import threading

    file = bench.write("a", "0" * 100_000)
    bench.call("read_file", file_path="a")
    seen: set[int] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            data = file.read_bytes()
            seen.add(len(data) if len(set(data)) == 1 else -1)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(1, 30):
            bench.call("write_file", file_path="a", content=str(number % 10) * 100_000)
    finally:
        stop.set()
        reader.join()

    assert seen == {100_000}


def test_a_huge_file_is_not_edited(bench: Bench) -> None:
    with open(bench.write("big.txt", "needle\n"), "ab") as file:
        file.truncate(33 * 1024 * 1024)

    text = bench.error("edit", file_path="big.txt", old_string="needle", new_string="x")

    assert "too large to edit (34,603,008 bytes" in text
    assert "such as sed" in text


def test_a_large_file_is_edited_while_other_things_go_on(bench: Bench) -> None:
    file = bench.write("big.txt", "some line of text\r\n" * 500_000 + "needle\r\n")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    async def edited() -> str:
        ticking = asyncio.create_task(tick())
        done = await bench.acall("edit", file_path="big.txt", old_string="needle", new_string="x")
        ticking.cancel()
        return done.text

    assert "at line 500001" in bench.runner.run(edited())
    assert file.read_bytes().endswith(b"text\r\nx\r\n")
    assert ticks > 3


def test_an_edit_that_was_adjusted_says_how_and_shows_what_it_came_to(bench: Bench) -> None:
    file = bench.write("a.txt", "if x:\n        one\n        two\n")

    text = bench.text(
        "edit",
        file_path="a.txt",
        old_string="    one\n    two\n",
        new_string="    1\n    2\n    3\n",
    )

    assert file.read_text() == "if x:\n        1\n        2\n        3\n"
    assert text.startswith("Edited a.txt at line 2 (+3 −2); ")
    assert "indent" in text
    assert text.endswith(". It now reads:\n2|         1\n3|         2\n4|         3")


def test_a_write_that_breaks_the_syntax_may_be_insisted_on(bench: Bench) -> None:
    file = bench.write("a.py", "x = 1\n")
    bench.call("read_file", file_path="a.py")

    for name, arguments in (
        ("edit", {"old_string": "1", "new_string": "(1"}),
        ("write_file", {"content": "x = ((1\n"}),
    ):
        assert "insist=true" in bench.error(name, file_path="a.py", **arguments)
        bench.call(name, file_path="a.py", **arguments, insist=True)
        assert file.read_text() != "x = 1\n"
        file.write_text("x = 1\n")
        bench.call("read_file", file_path="a.py")


def test_the_model_is_not_told_that_it_may_insist() -> None:
    for tool in all_tools():
        assert "insist" not in schema(tool.params)["properties"]


def test_a_file_with_other_names_is_replaced_and_that_is_said(bench: Bench) -> None:
    file = bench.write("a", "old\n")
    os.link(file, bench.root / "b")

    text = bench.text("edit", file_path="a", old_string="old", new_string="new")

    assert "It had 2 hard links; under its other names the old text stays." in text
    assert (bench.root / "b").read_text() == "old\n"


def test_a_write_protected_file_is_not_changed(bench: Bench) -> None:
    file = bench.write("a", "old\n")
    file.chmod(0o444)
    bench.call("read_file", file_path="a")

    assert "write-protected (mode 444)" in bench.error(
        "edit", file_path="a", old_string="old", new_string="new"
    )
    assert "write-protected" in bench.error("write_file", file_path="a", content="new\n")
    assert file.read_text() == "old\n"


EDITING = [
    ("edit", lambda path: {"file_path": path, "old_string": "old", "new_string": "new"}),
    ("edit", lambda path: {"file_path": path, "old_string": "", "new_string": "new"}),
    ("write_file", lambda path: {"file_path": path, "content": "new\n"}),
    ("multi_edit", lambda path: {"edits": [
        {"file_path": path, "old_string": "old", "new_string": "new"}]}),
    ("notebook_edit", lambda path: {"notebook_path": path, "cell_id": "#0"}),
    ("apply_patch", lambda path: {"input": "*** Begin Patch\n"
        f"*** Update File: {path}\n@@\n-old\n+new\n*** End Patch\n"}),
    ("apply_patch", lambda path: {"input": "*** Begin Patch\n"
        f"*** Delete File: {path}\n*** End Patch\n"}),
    ("apply_patch", lambda path: {"input": "*** Begin Patch\n"
        f"*** Add File: {path}\n+new\n*** End Patch\n"}),
]  # fmt: skip


@pytest.mark.parametrize("name, arguments", EDITING)
@pytest.mark.parametrize(
    "path", ["dir", "dir.ipynb", "pipe", "pipe.ipynb", "bin.ipynb", "huge.ipynb", "a/b", "loop",
             "/etc/passwd", "..", "", "x" * 300, "x/" * 3000, "null", "\0", "gone/./../a/c"]
)  # fmt: skip
def test_nothing_ends_in_a_traceback(
    bench: Bench, name: str, arguments: Callable[[str], dict[str, Any]], path: str
) -> None:
    (bench.root / "dir").mkdir()
    (bench.root / "dir.ipynb").mkdir()
    os.mkfifo(bench.root / "pipe")
    os.mkfifo(bench.root / "pipe.ipynb")
    bench.write("bin.ipynb", b"old\0")
    with open(bench.write("huge.ipynb", "old\n"), "ab") as huge:
        huge.truncate(33 * 1024 * 1024)
    bench.write("a", "old\n")
    (bench.root / "loop").symlink_to("loop")
    (bench.root / "null").symlink_to("/dev/null")
    before = sorted(os.listdir(bench.root))

    assert bench.error(name, **arguments(path))
    assert sorted(os.listdir(bench.root)) == before
    assert (bench.root / "a").read_text() == "old\n"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("function", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("name, arguments", [EDITING[0], EDITING[3], EDITING[5]])
def test_a_fault_of_the_disk_is_told_and_leaves_the_file(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    arguments: Callable[[str], dict[str, Any]],
    function: str,
    code: int,
) -> None:
    file = bench.write("a", "old\n")

    def broken(*_arguments: Any, **_named: Any) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, function, broken)
        text = bench.error(name, **arguments("a"))

    assert text.startswith("a: ")
    assert file.read_text() == "old\n"
    assert os.listdir(bench.root) == ["a"]


def test_what_is_left_out_of_a_file_keeps_its_line_ends(bench: Bench) -> None:
    bench.context.whole_files = True
    bench.write("a.py", "def a():\r\n    return 1\r\n\r\n\r\ndef b():\r\n    return 2\r\n")
    bench.call("read_file", file_path="a.py")

    result = bench.call("write_file", file_path="a.py", content="def b():\n    return 3\n")

    assert "[a: left out of what you wrote, and still there.]" in result.text
    assert (bench.root / "a.py").read_bytes() == (
        b"def a():\r\n    return 1\r\n\r\n\r\ndef b():\r\n    return 3\r\n"
    )


def test_a_piece_of_a_file_that_defines_nothing_is_refused_once(bench: Bench) -> None:
    bench.context.whole_files = True
    settings = "".join(f"key_{number}: 1\n" for number in range(12))
    file = bench.write("a.yaml", settings)
    bench.call("read_file", file_path="a.yaml")

    assert "leaves out most of the 12 lines" in bench.error(
        "write_file", file_path="a.yaml", content="key_3: 2\n"
    )
    assert file.read_text() == settings
    bench.call("write_file", file_path="a.yaml", content="key_3: 2\n")
    assert file.read_text() == "key_3: 2\n"
