"""What a person names finds its loader, or one line that says what there is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qcode.errors import UsageError
from qcode.evals.loaders.base import Loading
from qcode.evals.loaders.registry import KINDS, Loader, loader_for

ROW = {"id": "a", "suite": "own", "prompt": "p", "check": {"cmd": "true"}}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_module_with_a_loader(kind: str) -> None:
    from importlib import import_module

    assert loader_for(f"{kind}:some/path") == Loader(kind, "some/path")
    assert callable(import_module(f"qcode.evals.loaders.{KINDS[kind]}").load)


def test_task_files_are_taken_by_path_url_and_name(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text(json.dumps(ROW))
    told = Loading(tmp_path / "cache")

    assert loader_for("https://x.invalid/a.jsonl#sha256=0").kind == "kit"
    for text in ("own", str(tmp_path / "own.jsonl"), (tmp_path / "own.jsonl").as_uri()):
        tasks = loader_for(text, suites=tmp_path).load(told)
        assert [task.id for task in tasks] == ["a"]


def test_an_unknown_name_is_answered_with_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "small.jsonl").write_text("")
    with pytest.raises(UsageError, match="there is no suite smal; did you mean small?"):
        loader_for("smal", suites=tmp_path)
    with pytest.raises(UsageError, match=r"there are: small, exercism:, .*, FILE.jsonl"):
        loader_for("zzz", suites=tmp_path)
    with pytest.raises(UsageError, match="names no place; write polyglot:PATH"):
        loader_for("polyglot:")


def test_calls_are_no_tasks(tmp_path: Path) -> None:
    loader = loader_for(f"bfcl:{tmp_path}")

    assert loader.is_calls
    with pytest.raises(UsageError, match="has no tasks: it is played by itself"):
        loader.load(Loading(tmp_path))
