from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from thorough import many

ROOT = Path(__file__).parents[2]
RUNNER = ROOT / "tests/vectors.py"
REFERENCE = ROOT.parent / "shared/tool-calls/vectors.jsonl"
OWN = Path(__file__).with_name("vectors.jsonl")
OF_THE_RULES = Path(__file__).with_name("vectors-spec.jsonl")
"""Written from the rules alone, by somebody who had not seen the decoder."""


def run(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, RUNNER, "tool-calls", path],
        capture_output=True,
        text=True,
        cwd=path.parent,
        env={**os.environ, "QCODE_CUTS": str(many(2000, 100))},
        timeout=120,
    )


@pytest.mark.slow
@pytest.mark.parametrize("path", [REFERENCE, OWN, OF_THE_RULES], ids=["reference", "own", "rules"])
def test_every_vector_passes_whole_and_in_pieces(path: Path) -> None:
    done = run(path)

    assert done.stdout.splitlines()[-1].endswith("passed, 0 failed"), done.stdout
    assert done.returncode == 0


def test_a_wrong_vector_fails_and_is_named(tmp_path: Path) -> None:
    tools = {"ls": {"type": "object", "properties": {}}}
    call = '<tool_call>{"name": "ls", "arguments": {}}</tool_call>'
    good = {"id": "good", "input": call, "tools": tools}
    good["expected"] = {"content": "", "calls": [{"name": "ls", "arguments": {}}]}
    wrong = {**good, "id": "wrong", "expected": {"content": call, "calls": []}}
    file = tmp_path / "v.jsonl"
    file.write_text("\n".join(map(json.dumps, (good, wrong))))

    done = run(file)

    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith("wrong: ")
    assert done.stdout.splitlines()[-1] == "1 passed, 1 failed"


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    assert run(tmp_path / "none.jsonl").returncode == 2
