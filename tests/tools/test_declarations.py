from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tool_bench import Bench

from qcode import prompts
from qcode.tools.base import Touch
from qcode.tools.schema import parse


@pytest.mark.parametrize(
    "name, arguments, touch, summary",
    [
        ("read_file", '{"file_path": "a"}', Touch(("a",)), "a"),
        ("read_file", '{"file_path": "a", "offset": 4, "limit": 2}', Touch(("a",)), "a:5-6"),
        ("write_file", '{"file_path": "a", "content": "1\\n2"}', Touch(("a",)), "a (2 lines)"),
        ("edit", '{"file_path": "a", "old_string": "b", "new_string": "c"}', Touch(("a",)), "a"),
        ("list_directory", '{"path": "a"}', Touch(("a",)), "a"),
        ("glob", '{"pattern": "**/*.c", "path": "a"}', Touch(("a",)), "**/*.c in a"),
        ("glob", '{"pattern": "/x/*/y"}', Touch(("/x",)), "/x/*/y"),
        ("glob", '{"pattern": "a/b.c", "path": "d"}', Touch(("d/a",)), "a/b.c in d"),
        ("grep_search", '{"pattern": "x"}', Touch((".",)), "'x'"),
        ("grep_search", '{"pattern": "x", "glob": "*.c", "path": "a"}', Touch(("a",)),
         "'x' in *.c in a"),
        ("run_shell_command", '{"command": "ls"}', Touch((), "ls"), "ls"),
        ("run_shell_command", '{"command": "ls", "directory": "a"}', Touch(("a",), "ls"), "ls"),
        ("todo_write", '{"todos": []}', Touch(), "0 of 0 done"),
    ],
)  # fmt: skip
def test_a_call_tells_what_it_concerns(
    bench: Bench, name: str, arguments: str, touch: Touch, summary: str
) -> None:
    tool = bench.tools[name]
    params = parse(tool, arguments)

    assert tool.touches(params) == touch
    assert tool.summary(params) == summary


def test_importing_the_tools_stays_cheap() -> None:
    code = (
        "import asyncio, dataclasses, json, sys; before = set(sys.modules);"
        "from qcode.tools import default_tools; from qcode.tools.schema import schema;"
        "[schema(tool.params) for tool in default_tools()];"
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True,
        cwd=Path(prompts.__file__).resolve().parents[1],
    ).stdout.split()  # fmt: skip

    heavy = {"tempfile", "shutil", "difflib", "random", "secrets", "pydantic", "logging"}
    assert not heavy & set(loaded)
    assert len(loaded) < 52


def test_the_context_may_reach_its_own_outputs(bench: Bench, tmp_path: Path) -> None:
    assert bench.context.path(str(tmp_path / "spill" / "x")) == (tmp_path / "spill" / "x")
