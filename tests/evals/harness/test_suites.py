from __future__ import annotations

import json
from pathlib import Path

import pytest

from qcode.errors import UsageError
from qcode.evals.harness.records import digest, from_json, to_json
from qcode.evals.harness.suites import SUITES, load, located, names, picked
from qcode.evals.harness.task import Task


def written(folder: Path, name: str, *ids: str, prompt: str = "x") -> Path:
    folder.mkdir(exist_ok=True)
    tasks = [{"id": each, "suite": name, "category": "odd", "prompt": prompt,
              "check": {"cmd": "true"}} for each in ids]  # fmt: skip
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    return path


def ids(words: list[str], environ: dict[str, str], cache: Path) -> list[str]:
    return [task.id for task in load(words, environ, cache).tasks]


def test_the_persons_folders_are_searched_before_qcodes_own(tmp_path: Path) -> None:
    mine = written(tmp_path / "mine", "mock", "a")
    other = written(tmp_path / "other", "own", "b")
    environ = {"QCODE_EVALS": f"{tmp_path / 'mine'}:{tmp_path / 'other'}"}

    assert located("mock", environ) == str(mine)
    assert located("mock", {}) == str(SUITES / "mock.jsonl")
    assert {"mock", "own"} <= set(names(environ))
    assert ids(["mock", "own", str(other)], environ, tmp_path) == ["a", "b"]


def test_two_tasks_of_one_name_are_an_error(tmp_path: Path) -> None:
    one = written(tmp_path / "one", "x", "a")
    other = written(tmp_path / "other", "x", "a", prompt="otherwise")

    with pytest.raises(UsageError, match="two different tasks are called a"):
        ids([str(one), str(other)], {}, tmp_path)


def test_tasks_are_picked_by_id_or_category_and_number(tmp_path: Path) -> None:
    tasks = load([str(written(tmp_path, "x", "a1", "a2", "b1"))], {}, tmp_path).tasks

    assert [task.id for task in picked(tasks, ["a*"], None)] == ["a1", "a2"]
    assert [task.id for task in picked(tasks, ["odd"], 2)] == ["a1", "a2"]
    with pytest.raises(UsageError, match="no task fits c"):
        picked(tasks, ["c*"], None)


def test_a_task_is_the_same_after_it_was_written_down(tmp_path: Path) -> None:
    tasks = load(["mock"], {}, tmp_path).tasks

    again = [from_json(Task, json.loads(json.dumps(to_json(task)))) for task in tasks]

    assert digest(again) == digest(tasks) == digest(reversed(tasks))
    assert [task.only_change for task in again] == [task.only_change for task in tasks]
    assert digest(again[1:]) != digest(again)


def test_a_kind_is_looked_at_before_the_ending_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "i.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match="instance_id"):
        ids([f"swebench:{tmp_path / 'i.jsonl'}"], {}, tmp_path / "cache")
    odd = written(tmp_path / "a:b", "odd", "one")
    assert ids([str(odd)], {}, tmp_path / "cache") == ["one"]


def test_where_nothing_can_be_tried_that_is_said() -> None:
    with pytest.raises(UsageError, match="none of the tasks can be tried here"):
        picked([], [], None)
