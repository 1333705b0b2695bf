"""outline, find_symbol and find_references on real files."""

from __future__ import annotations

import pytest
from tool_bench import Bench

APP = """\
from lib.store import Store


class App(Base):
    def run(self, store: Store) -> int:
        # Store is opened late
        store = Store("Store")
        return store.size()


def run_all(apps):
    return [app.run(Store()) for app in apps]
"""
STORE = "class Store:\n    def size(self) -> int:\n        return 0\n"


@pytest.fixture
def project(bench: Bench) -> Bench:
    bench.write("app.py", APP)
    bench.write("lib/store.py", STORE)
    bench.write("lib/deep/util.go", "package deep\nfunc Run(a int) int { return a }\n")
    bench.write("tests/test_store.py", "def test_run():\n    pass\n")
    bench.write("notes.md", "Store and run\n")
    bench.write(".gitignore", "gen/\n")
    bench.write("gen/store.py", "class Store: pass\n")
    return bench


def test_an_outline_of_a_file(project: Bench) -> None:
    assert project.text("outline", path="app.py") == (
        "4: class App(Base)\n5:   def run(self, store: Store) -> int\n11: def run_all(apps)"
    )


def test_an_outline_of_a_directory(project: Bench) -> None:
    assert project.text("outline", path=".") == (
        "app.py\n  4: class App(Base)\n  11: def run_all(apps)\n"
        "lib/store.py\n  1: class Store\n"
        "tests/test_store.py\n  1: def test_run()\n"
        "lib/deep/util.go\n  2: func Run(a int) int"
    )
    assert project.text("outline", path="lib/deep").startswith("lib/deep/util.go\n")


def test_an_outline_that_cannot_be_had_says_why(project: Bench) -> None:
    assert "Use read_file" in project.error("outline", path="notes.md")
    assert "not exist" in project.error("outline", path="nothing.py")
    assert "outside the workspace" in project.error("outline", path="/etc")
    project.write("empty.py", "")
    assert project.text("outline", path="empty.py") == "empty.py defines nothing."


def test_a_definition_is_found_by_its_name_or_a_part_of_it(project: Bench) -> None:
    assert (
        project.text("find_symbol", name="Store")
        == (
            "lib/store.py:1-3: class class Store\n"
            "tests/test_store.py:1-2: function def test_run()".partition("\n")[0]
        )
    )
    assert project.text("find_symbol", name="run").splitlines() == [
        "app.py:5-8: method def run(self, store: Store) -> int",
        "lib/deep/util.go:2-2: function func Run(a int) int",
        "app.py:11-12: function def run_all(apps)",
        "tests/test_store.py:1-2: function def test_run()",
    ]
    assert project.text("find_symbol", name="App.run()").startswith("app.py:5-8: ")
    assert project.text("find_symbol", name="run", path="lib").startswith("lib/deep/util.go:2")


def test_uses_are_found_where_they_are_code(project: Bench) -> None:
    assert project.text("find_references", name="Store") == (
        "lib/store.py\n1: (defined here) class Store:\n"
        "app.py\n1: from lib.store import Store\n"
        "5: def run(self, store: Store) -> int:\n"
        '7: store = Store("Store")\n'
        "12: return [app.run(Store()) for app in apps]"
    )
    assert "notes.md" not in project.text("find_references", name="run")


def test_a_name_has_its_very_letters_and_no_others(project: Bench) -> None:
    found = project.text("find_references", name="run")

    assert "Run(a int)" not in found
    assert "run_all" not in found
    assert "5: (defined here) def run" in found


@pytest.mark.parametrize("tool", ["find_symbol", "find_references"])
def test_what_is_no_name_or_nowhere_is_said_to_be(project: Bench, tool: str) -> None:
    assert "is no name" in project.error(tool, name="a b")
    assert "is no name" in project.error(tool, name="")
    assert "Use grep_search" in project.text(tool, name="Unheard")
    assert "not exist" in project.error(tool, name="run", path="nothing")
