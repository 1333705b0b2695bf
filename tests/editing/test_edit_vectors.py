from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT.parent / "shared/edits/vectors.jsonl"
OF_THE_RULES = Path(__file__).with_name("vectors-spec.jsonl")
"""Written from the rules alone, by somebody who had not seen the engine."""


def run(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "tests/vectors.py", "edits", path],
        capture_output=True,
        text=True,
        cwd=path.parent,
        timeout=60,
    )


@pytest.mark.parametrize("path", [REFERENCE, OF_THE_RULES], ids=["reference", "rules"])
def test_every_vector_passes(path: Path) -> None:
    if not path.exists():
        pytest.skip("the reference material is not beside this checkout")
    done = run(path)

    assert done.stdout.splitlines()[-1].endswith("passed, 0 failed"), done.stdout
    assert done.returncode == 0


def test_failing_vectors_are_named_and_wrong_edits_marked(tmp_path: Path) -> None:
    edit = {"old_string": "a", "new_string": "b"}
    vectors = [
        {"id": "good", "file_before": "a", "edit": edit, "expected": {"file_after": "b"}},
        {"id": "other", "file_before": "a", "edit": edit, "expected": {"file_after": "c"}},
        {"id": "made", "file_before": "a", "edit": edit, "expected": {"error": "ambiguous"}},
        {"id": "missed", "file_before": "x", "edit": edit, "expected": {"file_after": "c"}},
        {"id": "code", "file_before": "x", "edit": edit, "expected": {"error": "stale"}},
        {
            "id": "as good",
            "file_before": "x",
            "edit": edit,
            "expected": {"error": "stale", "accept": ["not_found"]},
        },
    ]
    path = tmp_path / "vectors.jsonl"
    path.write_text("".join(json.dumps(vector) + "\n" for vector in vectors) + "\n")

    done = run(path)

    lines = done.stdout.splitlines()
    named = [line.rstrip(" :") for line in lines if line[:1] != " "]
    assert named == [
        "other: WRONG EDIT",
        "made: WRONG EDIT",
        "missed: MISSED",
        "code: WRONG CODE",
        "WRONG EDITS: 2",
        "2 passed, 4 failed",
    ]
    assert done.returncode == 1
