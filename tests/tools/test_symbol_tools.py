from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples
from tool_bench import Bench

from qcode.repomap.references import references
from qcode.tools import indexed
from qcode.tools.base import Touch
from qcode.tools.schema import parse
from qcode.workspace import Workspace

SHAPES = '''\
"""Shapes, and area."""
import math


class Shape:
    # area is in square metres
    def area(self):
        return 0


class Circle(Shape):
    def area(self):
        text = "area"
        return math.pi * self.r**2


def total_area(shapes):
    return sum(f"{each.area()}" for each in shapes)
'''


@pytest.fixture
def work(bench: Bench) -> Bench:
    bench.write("src/shapes.py", SHAPES)
    bench.write("src/main.go", "package main\nfunc TotalArea() int { return area() }\n")
    bench.write("notes.md", "area\n")
    return bench


def test_an_outline_has_lines_and_nesting(work: Bench) -> None:
    assert work.text("outline", file_path="src/shapes.py").split("\n") == [
        "5-8: class Shape",
        "7-8:   def area(self)",
        "11-14: class Circle(Shape)",
        "12-14:   def area(self)",
        "17-18: def total_area(shapes)",
    ]


def test_a_large_outline_is_bounded(work: Bench) -> None:
    work.write("a.py", "".join(f"class C{n}:\n    def m(self): ...\n" for n in range(300)))

    rows = work.text("outline", file_path="a.py").split("\n")

    assert rows[1] == "3-4: class C1"
    assert rows[-1] == "[300 more not shown; use find_symbol or grep_search]"


def test_an_outline_that_cannot_be_made_is_refused(work: Bench) -> None:
    work.write("data.json", "{}")

    assert "No symbols" in work.error("outline", file_path="data.json")
    assert "does not exist" in work.error("outline", file_path="src/shape.py")
    assert "directory" in work.error("outline", file_path="src")
    assert "outside" in work.error("outline", file_path="/etc/passwd")


@pytest.mark.parametrize(
    "name, rows",
    [
        ("Circle", ["src/shapes.py", "11: class Circle(Shape)"]),
        ("Shape.area", ["src/shapes.py", "7: def area(self)"]),
        ("Circle::area()", ["src/shapes.py", "12: def area(self)"]),
        ("irc", ["src/shapes.py", "11: class Circle(Shape)"]),
        ("TOTALAREA", ["src/main.go", "2: func TotalArea() int"]),
        ("total_", ["src/shapes.py", "17: def total_area(shapes)"]),
    ],
)
def test_symbols_are_found_by_name_and_part(work: Bench, name: str, rows: list[str]) -> None:
    assert work.text("find_symbol", name=name).split("\n") == rows


def test_symbols_that_are_not_there_are_told(work: Bench) -> None:
    assert work.text("find_symbol", name="Square").startswith("Nothing called Square")
    assert "one identifier" in work.error("find_symbol", name="two words")
    assert "one identifier" in work.error("find_references", name="a + b")


def test_references_are_code_alone(work: Bench) -> None:
    assert work.text("find_references", name="Shape.area").split("\n") == [
        "src/main.go",
        "2:func TotalArea() int { return area() }",
        "src/shapes.py",
        "7:    def area(self):",
        "12:    def area(self):",
        '18:    return sum(f"{each.area()}" for each in shapes)',
    ]
    assert work.text("find_references", name="metres").startswith("metres is not used")


def test_a_change_is_seen_at_once(work: Bench) -> None:
    work.text("find_symbol", name="Circle")
    work.write("src/shapes.py", "class Square: ...\n")

    assert work.text("find_symbol", name="Square") == "src/shapes.py\n1: class Square"
    assert work.text("find_symbol", name="Circle").startswith("Nothing")


def test_hidden_and_ignored_files_are_left_out(work: Bench) -> None:
    work.write("secret/keys.py", "def secret_key(): return area\n")
    work.write("gone/x.py", "def gone_key(): return area\n")
    work.write(".aiignore", "gone/\n")

    class Rules:
        def hidden(self, real: object) -> str:
            return "it is secret" if "secret" in str(real) else ""

        def protected(self, written: str) -> str:
            return ""

        def writable(self, real: object) -> bool:
            return True

    work.context.guarded = Rules()

    assert work.text("find_symbol", name="_key").startswith("Nothing")
    assert "keys.py" not in work.text("find_references", name="area")
    assert "hidden" in work.error("outline", file_path="secret/keys.py")


@pytest.fixture
def two(work: Bench, tmp_path: Path) -> tuple[Bench, Path]:
    """A workspace with a directory added to it."""
    added = (tmp_path / "added lib").resolve()
    (added / "src").mkdir(parents=True)
    (added / "src/round.py").write_text(
        "class Circle: ...\n\n\ndef roundness():\n    return area\n"
    )
    work.context.workspace = Workspace.at(work.root, (added, added))
    return work, added


def test_directories_that_were_added_are_known_too(two: tuple[Bench, Path]) -> None:
    work, added = two
    file = f"{added}/src/round.py"

    assert work.text("find_symbol", name="Circle").split("\n") == [
        *("src/shapes.py", "11: class Circle(Shape)"),
        *(file, "1: class Circle"),
    ]
    assert work.text("find_symbol", name="roundness") == f"{file}\n4: def roundness()"
    assert work.text("find_references", name="area").split("\n")[-2:] == [file, "5:    return area"]
    # By the very paths that were told.
    assert work.text("outline", file_path=file).split("\n")[1] == "4-5: def roundness()"
    assert "def roundness" in work.text("read_file", file_path=file)


def test_a_part_of_a_name_counts_only_where_nothing_is_called_so(two: tuple[Bench, Path]) -> None:
    work, added = two
    (added / "src/round.py").write_text("class CircleOfFriends: ...\n")

    assert "Friends" not in work.text("find_symbol", name="Circle")
    assert "Friends" in work.text("find_symbol", name="circleoff")


def test_a_directory_within_another_is_told_once(work: Bench) -> None:
    for extra in (work.root / "src", work.root.parent):
        work.context.workspace = Workspace.at(work.root, (extra,))

        assert work.text("find_symbol", name="total_area") == (
            "src/shapes.py\n17: def total_area(shapes)"
        )
        assert (
            work.text("find_references", name="Circle") == "src/shapes.py\n11:class Circle(Shape):"
        )


def test_hidden_files_of_added_directories_are_left_out(two: tuple[Bench, Path]) -> None:
    work, added = two
    (added / ".qcodeignore").write_text("gone.py\n")
    (added / "gone.py").write_text("def roundness(): ...\n")

    class Rules:
        def hidden(self, real: Path) -> str:
            return "it is secret" if real.name == "round.py" else ""

        def protected(self, written: str) -> str:
            return ""

        def writable(self, real: object) -> bool:
            return True

    work.context.guarded = Rules()

    assert work.text("find_symbol", name="roundness").startswith("Nothing")
    assert str(added) not in work.text("find_references", name="area")


def test_who_waits_for_the_first_look_sees_how_far_it_is(
    work: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexed, "_SILENT_S", 0.0)
    monkeypatch.setattr(indexed, "_EVERY_S", 0.0)
    for number in range(30):
        work.write(f"pkg/m{number}.py", f"def f{number}(): ...\n")

    work.text("find_symbol", name="f7")
    first = list(work.printed)
    work.text("find_symbol", name="f8")

    assert first[0] == "reading what work defines: 1 of 32 files\r"
    assert all(line.endswith(" of 32 files\r") for line in first)
    assert work.printed == first  # nothing had to be read


def test_a_quick_look_is_not_worth_a_line(work: Bench) -> None:
    work.text("find_symbol", name="Circle")

    assert work.printed == []


@pytest.mark.parametrize("name", ["outline", "find_symbol", "find_references"])
def test_a_call_tells_what_it_concerns(work: Bench, name: str) -> None:
    tool = work.tools[name]
    written = '{"file_path": "a"}' if name == "outline" else '{"name": "a"}'
    params = parse(tool, written)

    assert tool.touches(params) == Touch(("a",) if name == "outline" else (".",))
    assert tool.summary(params) == "a"


@pytest.mark.parametrize(
    "path, text, lines",
    [
        ("a.js", "// foo\nfoo(`${foo} foo`)\nconst s = 'foo'\n/* foo */\n", [2]),
        ("a.js", "const s = `foo`\nconst t = `${foo}`\n", [2]),
        ("a.go", 'x := "foo" // foo\ny := foo\n', [2]),
        ("a.rs", "/// foo\nfn foo() {}\nlet s = \"foo\";\n", [2]),
        ("a.java", "class A { /* foo */ int foo = 1; String s = \"foo\"; }\n", [1]),
        ("a.c", "#define foo 1\nchar *s = \"foo\"; // foo\nint x = foo;\n", [1, 3]),
        ("a.rb", "# foo\nfoo = \"foo\"\nputs \"#{foo}\"\nputs 'foo'\n", [2, 3]),
        ("a.php", "<?php\n$foo = 1; // foo\necho 'foo';\n", [2]),
        ("a.sh", "# foo\nfoo() { :; }\nfoo\necho \"$foo\"\n", [2, 3, 4]),
        ("a.lua", "-- foo\nlocal foo = 'foo'\n", [2]),
        ("a.py", "def foo_bar(): foo\nfoo2 = 'foo'\nfoo.foo\n", [1, 3]),
    ],
)  # fmt: skip
def test_comments_and_strings_are_no_code(path: str, text: str, lines: list[int]) -> None:
    name = "$foo" if path.endswith(".php") else "foo"
    assert [line for line, _ in references(path, text.encode(), name)] == lines


@settings(max_examples=examples(60), deadline=None)
@given(text=st.text(alphabet="foo_ \n\"'#(){}:", max_size=80))
def test_a_reference_is_on_its_line(text: str) -> None:
    rows = text.split("\n")
    for number, shown in references("a.py", text.encode(), "foo"):
        assert shown == rows[number - 1]
        assert "foo" in shown
