from __future__ import annotations

import time
from pathlib import Path

import pytest

from qcode.showing.choosing import choose, listed, named_in, paths_in
from qcode.showing.excerpts import parts


def tree(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def never(_path: Path) -> bool:
    return False


PATHS = dict.fromkeys(
    ["a.py", "src/core.py", "src/b/util.py", "test/util.py", "Makefile", "src", "README.md"], 1
)


@pytest.mark.parametrize(
    "task, named",
    [
        ("fix src/core.py and a.py", ["src/core.py", "a.py"]),
        ("fix core.py.", ["src/core.py"]),
        ("fix util.py", []),  # two have the name
        ("fix src/b/util.py", ["src/b/util.py"]),
        ("look into extra.py", []),
        ("the Makefile is wrong", ["Makefile"]),
        ('File "/somewhere/src/core.py", line 3', ["src/core.py"]),
        ("clean the src folder", ["src"]),
        ("say so in the README", ["README.md"]),
        ("READMEs are dull", []),
    ],
)
def test_files_are_named_by_path_or_by_a_name_of_one(task: str, named: list[str]) -> None:
    assert named_in(task, PATHS) == named


def test_paths_are_found_whether_there_or_not() -> None:
    task = "Move it from utils.py to a new module pkg/dates.py. Do not touch v1.2 or x@y.com."

    assert paths_in(task) == ["utils.py", "pkg/dates.py"]


def test_a_small_workspace_is_shown_whole(tmp_path: Path) -> None:
    root = tree(tmp_path, **{"a.py": "def a(): ...\n", "b.py": "def b(): ...\n", "c.md": "c\n"})
    files = choose(root, "what does b.py do?", never, 10_000)

    assert files.named == ("b.py",)
    assert set(files.likely) == {"a.py", "c.md"}
    assert files.rest == ()


def test_of_a_larger_one_what_the_task_is_about(tmp_path: Path) -> None:
    many = {f"pkg/m{n}.py": f"def thing_{n}():\n    return {n}\n" for n in range(60)}
    root = tree(tmp_path, **many)
    files = choose(root, "thing_17 must return 18", never, 500)

    assert files.likely[0] == "pkg/m17.py"
    assert len(files.likely) <= 6
    assert len(files.rest) == 60 - len(files.likely)


def test_hidden_files_are_not_there(tmp_path: Path) -> None:
    root = tree(tmp_path, **{"a.py": "A = 1\n", "secret.py": "KEY = 1\n"})
    files = choose(root, "fix secret.py", lambda path: path.name == "secret.py", 10_000)

    assert (files.named, files.likely, files.rest) == ((), ("a.py",), ())


def test_a_list_ends_somewhere() -> None:
    assert listed(["a", "b", "c"], 3, 1) == "a, b, c"
    assert listed(["a", "b", "c"], 2, 1) == "a and 2 more"


def test_of_a_long_file_the_lines_around_its_names_are_shown() -> None:
    text = "".join(f"def rule_{n}(x):\n    return x - {n}\n\n" for n in range(1000))
    [part] = parts(text, "In it the function rule_700 is wrong")

    assert part.first <= 2101 <= part.first + len(part.lines)
    assert "def rule_700(x):" in part.lines
    assert len(part.lines) < 40


def test_of_a_long_file_that_nobody_speaks_of_the_head_is_shown() -> None:
    [part] = parts("line\n" * 1000, "do something")

    assert (part.first, len(part.lines)) == (1, 40)


def test_thousands_of_files_are_soon_looked_for() -> None:
    paths = {f"src/pkg{number % 50}/module_{number}.py": 1 for number in range(5_000)}
    task = "Fix module_7.py. " + "what a failing test prints " * 400
    begun = time.process_time()

    assert named_in(task, paths) == ["src/pkg7/module_7.py"]
    assert time.process_time() - begun < 2
