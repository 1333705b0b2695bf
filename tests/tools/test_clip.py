from __future__ import annotations

from typing import Any

import pytest
from tool_bench import Bench

from qcode.tools.clip import clip

LONG = "x" * 1_000_000


def test_the_middle_is_cut() -> None:
    assert clip("a" * 200) == "a" * 200
    assert clip("a" * 500 + "b" * 500) == "a" * 100 + "…[800 characters]…" + "b" * 100


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "name, arguments",
    [
        ("read_file", {"file_path": LONG}),
        ("read_file", {"file_path": "a/" * 500_000}),
        ("read_file", {"file_path": "y" * 4000}),
        ("read_file", {"file_path": "/" + "y" * 4000}),
        ("read_file", {"file_path": "y/../" * 500}),
        ("read_file", {"file_path": "f/../" * 500 + "f", "offset": 7}),
        ("read_file", {"file_path": "f", LONG: 1}),
        ("read_file", {"file_path": "f", **{f"{n}{'y' * 100}": 1 for n in range(100)}}),
        ("read_file", {"file_path": "f", "limit": [1] * 1000}),
        ("write_file", {"file_path": "y" * 4000, "content": ""}),
        ("write_file", {"file_path": "y" * 3000 + "/", "content": ""}),
        ("write_file", {"file_path": "f", "content": f"# ... rest of the code{' ' * 9999}"}),
        ("edit", {"file_path": LONG, "old_string": "a", "new_string": "b"}),
        ("edit", {"file_path": "./" * 2000 + "f", "old_string": "", "new_string": "b"}),
        ("list_directory", {"path": "./" * 2000 + "f"}),
        ("list_directory", {"path": ".", "ignore": ["[b-a]" * 800]}),
        ("glob", {"pattern": LONG}),
        ("glob", {"pattern": "*", "path": "./" * 2000 + "f"}),
        ("grep_search", {"pattern": "(" * 9000}),
        ("grep_search", {"pattern": "a", "path": LONG}),
        ("grep_search", {"pattern": "a", "glob": LONG}),
        ("run_shell_command", {"command": "true", "directory": "./" * 2000 + "f"}),
        ("run_shell_command", {"command": "true", "directory": LONG}),
    ],
)
def test_errors_do_not_echo_long_texts(bench: Bench, name: str, arguments: dict[str, Any]) -> None:
    bench.write("f", "a\n")
    assert len(bench.error(name, **arguments)) < 1500


def test_results_do_not_echo_long_texts(bench: Bench) -> None:
    assert len(bench.text("grep_search", pattern="y" * 9000, glob="z" * 4000)) < 1000
    assert len(bench.text("glob", pattern="y" * 4000)) < 1000
    todo = {"content": LONG, "status": "in_progress"}
    assert len(bench.text("todo_write", todos=[todo])) < 1000


def test_a_number_with_too_many_digits_is_refused(bench: Bench) -> None:
    from qcode.errors import ToolError
    from qcode.tools.schema import parse

    with pytest.raises(ToolError, match="too many digits"):
        parse(bench.tools["read_file"], '{"file_path": "f", "limit": %s}' % ("9" * 5000))
