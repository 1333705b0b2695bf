from __future__ import annotations

from pathlib import Path

import pytest

from qcode.culprit import AROUND_LINES, excerpt
from qcode.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    for name, content in {
        "src/words.py": "def split(text):\n    return text.spilt()\n",
        "src/counts.py": "from words import split\n",
        "tests/test_words.py": "import words\n",
        "lib/calc.test.js": "test()\n",
        "lib/calc.js": "calc()\n",
        ".venv/lib/site-packages/dep.py": "x\n",
        "long.c": "".join(f"line {n};\n" for n in range(1, 501)),
        "wide.min.js": "x" * 5000,
        "latin.py": "",
    }.items():
        path = tmp_path / "w" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "w" / "latin.py").write_bytes(b"# \xe4\n")
    (tmp_path / "outside.py").write_text("secret\n")
    (tmp_path / "w" / "link.py").symlink_to(tmp_path / "outside.py")
    return Workspace.at(tmp_path / "w")


@pytest.mark.parametrize(
    "output,path",
    [
        ('File "tests/test_words.py", line 1\n  File "src/words.py", line 2\n', "src/words.py"),
        ('File "src/counts.py", line 1\n  File "src/words.py", line 2\n', "src/words.py"),
        ('File "src/words.py", line 2\n File "/usr/lib/x.py", line 9\n', "src/words.py"),
        ('File "src/words.py", line 2\n File ".venv/lib/site-packages/dep.py", line 1\n',
         "src/words.py"),
        ('File "src/words.py", line 2\n File "tests/test_words.py", line 1\n', "src/words.py"),
        ("tests/test_words.py:1: AssertionError\n", "tests/test_words.py"),
        ("src/words.py:2: in split\nE   AttributeError\n", "src/words.py"),
        ("long.c:250:3: error: expected ';'", "long.c"),
        ("    at Object.<anonymous> (lib/calc.js:1:1)\n  at lib/calc.test.js:1:2", "lib/calc.js"),
    ],
)  # fmt: skip
def test_the_innermost_own_code_is_found(workspace: Workspace, output: str, path: str) -> None:
    found = excerpt(output, workspace)

    assert found is not None
    assert found.path == path


@pytest.mark.parametrize(
    "output",
    [
        "all is well",
        'File "none.py", line 1',
        'File "link.py", line 1',
        'File "../outside.py", line 1',
        'File "<string>", line 1',
        "wide.min.js:1:1",
        "latin.py:1",
        "it took 10:30 at 127.0.0.1:8080",
    ],
)
def test_nothing_is_shown_of_what_is_not_own_code(workspace: Workspace, output: str) -> None:
    assert excerpt(output, workspace) is None


def test_a_short_file_is_whole_and_a_long_one_is_cut_around_the_place(
    workspace: Workspace,
) -> None:
    short = excerpt("src/words.py:2: error", workspace)
    long = excerpt("long.c:250: error", workspace)

    assert short is not None
    assert short.whole
    assert short.text == "def split(text):\n    return text.spilt()"
    assert long is not None
    assert not long.whole
    assert long.first == 250 - AROUND_LINES
    assert len(long.text.splitlines()) == 2 * AROUND_LINES + 1


def test_a_file_that_is_hidden_is_passed_over(workspace: Workspace) -> None:
    output = 'File "src/counts.py", line 1\n File "src/words.py", line 2\n'
    found = excerpt(output, workspace, lambda real: real.name == "words.py")

    assert found is not None
    assert found.path == "src/counts.py"
    assert excerpt(output, workspace, lambda _real: True) is None
