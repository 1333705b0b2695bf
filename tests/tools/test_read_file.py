from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tool_bench import Bench

from qcode.tools.files import WHOLE_LIMIT


def test_a_small_file_comes_as_it_is(bench: Bench) -> None:
    bench.write("a.py", "x = 1\n\ty = 2\n")

    result = bench.call("read_file", file_path="a.py")

    assert result.text == "x = 1\n\ty = 2"
    assert result.summary == "2 lines"


def test_absolute_paths_in_the_workspace_work(bench: Bench) -> None:
    file = bench.write("a", "x")

    assert bench.text("read_file", file_path=str(file)) == "x"


def test_a_part_says_what_it_is_and_how_to_go_on(bench: Bench) -> None:
    bench.write("a", "".join(f"{n}\n" for n in range(1, 951)))

    assert bench.text("read_file", file_path="a", offset=2, limit=2) == (
        "3\n4\n[lines 3-4 of 950; continue with offset 4]"
    )
    assert bench.text("read_file", file_path="a", offset=949) == "950\n[lines 950-950 of 950]"
    assert bench.text("read_file", file_path="a").endswith("\n950")


def test_paging_gives_every_line_once(bench: Bench) -> None:
    lines = [f"line {n} " + "x" * (n % 90) for n in range(5000)]
    bench.write("a", "\n".join(lines))
    got: list[str] = []

    while len(got) < len(lines):
        part = bench.text("read_file", file_path="a", offset=len(got)).split("\n")
        got += part[:-1] if part[-1].startswith("[lines") else part

    assert got == lines


def test_long_lines_are_cut_with_a_mark(bench: Bench) -> None:
    bench.write("a", "x" * 5000 + "\nend\n")

    text = bench.text("read_file", file_path="a")

    assert text == "x" * 2000 + "… [line cut here]\nend"


def test_an_offset_behind_the_end_says_how_long_the_file_is(bench: Bench) -> None:
    bench.write("a", "1\n2\n")

    text = bench.error("read_file", file_path="a", offset=2)

    assert text == "a has 2 lines; offset must be less."


@pytest.mark.parametrize("arguments", [{"offset": -1}, {"limit": 0}, {"limit": -5}])
def test_senseless_numbers_are_refused(bench: Bench, arguments: dict[str, int]) -> None:
    bench.write("a", "1\n")

    assert "offset 0 is line 1" in bench.error("read_file", file_path="a", **arguments)


def test_an_empty_file_is_said_to_be_empty(bench: Bench) -> None:
    bench.write("a")

    assert bench.text("read_file", file_path="a") == "(the file is empty)"


@pytest.mark.parametrize(
    "data, text",
    [
        (b"\xef\xbb\xbfabc\n", "abc\n[UTF-8 with BOM]"),
        ("äö\r\nü".encode("utf-16"), "äö\nü\n[UTF-16]"),
        ("größe".encode("latin-1"), "größe\n[Windows-1252]"),
        (b"a\x81b", "a\x81b\n[Latin-1]"),
        (b"a\r\nb\r\n", "a\nb"),
        (b"a\rb\x0cc\xe2\x80\xa8d\n", "a\rb\x0cc\u2028d"),
    ],
)
def test_other_encodings_and_line_ends_are_read(bench: Bench, data: bytes, text: str) -> None:
    bench.write("a", data)

    assert bench.text("read_file", file_path="a") == text


@pytest.mark.parametrize(
    "data, kind",
    [
        (b"\x89PNG\r\n", "a PNG image"),
        (b"%PDF-1.7", "a PDF document"),
        (b"a\0b", "binary"),
        (b"\x7fELF", "a compiled program"),
    ],
)
def test_what_is_no_text_is_named(bench: Bench, data: bytes, kind: str) -> None:
    bench.write("a", data)

    assert f"a is {kind} ({len(data)} bytes)" in bench.error("read_file", file_path="a")


def test_a_directory_and_a_pipe_are_refused(bench: Bench) -> None:
    bench.write("d/a")
    os.mkfifo(bench.root / "pipe")

    assert "list_directory" in bench.error("read_file", file_path="d")
    assert "not a file" in bench.error("read_file", file_path="pipe")


def test_a_missing_file_gets_names_that_may_be_meant(bench: Bench) -> None:
    bench.write("src/config.py")
    bench.write("deep/down/other.py")

    assert bench.error("read_file", file_path="src/confg.py") == (
        "src/confg.py does not exist. Did you mean src/config.py?"
    )
    assert "Did you mean deep/down/other.py?" in bench.error("read_file", file_path="other.py")
    assert "nor does its directory" in bench.error("read_file", file_path="no/where.txt")


def test_a_huge_file_is_read_in_parts_and_known_by_its_times(bench: Bench) -> None:
    row = b"%07d " + b"x" * 91 + b"\n"
    count = 300_000
    file = bench.write("big", b"".join(row % n for n in range(count)))
    assert file.stat().st_size > WHOLE_LIMIT

    started = time.monotonic()
    middle = bench.text("read_file", file_path="big", offset=200_000, limit=3).split("\n")
    end = bench.text("read_file", file_path="big", offset=count - 2).split("\n")
    took_s = time.monotonic() - started

    assert [line[:7] for line in middle[:3]] == ["0200000", "0200001", "0200002"]
    assert middle[3] == "[lines 200001-200003; the file goes on, continue with offset 200003]"
    assert [line[:7] for line in end[:2]] == ["0299998", "0299999"]
    assert end[2] == f"[lines {count - 1}-{count} of {count}]"
    assert took_s < 5
    assert bench.context.seen[file] == f"{file.stat().st_size}:{file.stat().st_mtime_ns}"
    assert "offset must be less" in bench.error("read_file", file_path="big", offset=count)


def test_a_huge_line_costs_no_memory(bench: Bench) -> None:
    import tracemalloc

    bench.write("big", b"x" * (20 * 1024 * 1024) + b"\nend\n")
    tracemalloc.start()

    text = bench.text("read_file", file_path="big")

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert text == "x" * 2000 + "… [line cut here]\nend"
    assert peak < 8 * 1024 * 1024


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "link", "linked/x", "a/../../x"])
def test_nothing_outside_the_workspace_is_read(bench: Bench, tmp_path: Path, path: str) -> None:
    (tmp_path / "x").write_text("secret")
    (bench.root / "a").mkdir()
    (bench.root / "link").symlink_to(tmp_path / "x")
    (bench.root / "linked").symlink_to(tmp_path)

    assert "outside the workspace" in bench.error("read_file", file_path=path)


def test_a_directory_a_person_allowed_is_read(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_text("hello")
    bench.context.allowed_outside.add((tmp_path / "other").resolve())

    assert bench.text("read_file", file_path="../other/x") == "hello"
    assert bench.text("list_directory", path="../other") == "x"
    assert bench.text("glob", pattern="*", path="../other").endswith("other/x")
    assert bench.text("grep_search", pattern="hel", path="../other").endswith("1:hello")


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_what_is_no_path_is_refused(bench: Bench, path: str) -> None:
    assert "path" in bench.error("read_file", file_path=path)


def test_links_in_a_circle_are_an_error(bench: Bench) -> None:
    (bench.root / "a").symlink_to("b")
    (bench.root / "b").symlink_to("a")

    assert bench.error("read_file", file_path="a")
