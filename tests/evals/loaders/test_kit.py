"""Task files: read strictly, written the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qcode.errors import UsageError
from qcode.evals.loaders import kit

GOOD: dict[str, Any] = {
    "id": "a-1",
    "suite": "a",
    "prompt": "Fix it.",
    "files": {"a.py": "x = 1\n", "b.bin": {"b64": "AAE="}, "run": {"text": "#!", "exec": True}},
    "protect": ["test_*"],
    "only_change": [],
    "license": "MIT",
    "check": {"cmd": "true", "timeout_s": 5, "overlay": {"t.py": "", "gone.py": None}},
}


def file(folder: Path, *rows: object) -> Path:
    path = folder / "tasks.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def said(folder: Path, change: dict[str, Any], **check: Any) -> str:
    row = {**GOOD, **change}
    if check:
        row["check"] = {**GOOD["check"], **check}
    with pytest.raises(UsageError) as caught:
        kit.load(file(folder, GOOD | {"id": "first"}, row))
    return str(caught.value).removeprefix(f"{folder}/tasks.jsonl:")


def test_a_task_is_read_with_all_it_says(tmp_path: Path) -> None:
    (task,) = kit.load(file(tmp_path, GOOD))

    assert (task.id, task.suite, task.licence, task.protect) == ("a-1", "a", "MIT", ("test_*",))
    assert task.only_change == ()
    assert task.files["run"] == {"text": "#!", "exec": True}
    assert task.check.overlay == {"t.py": "", "gone.py": None}
    assert (task.check.timeout_s, task.time_limit_s, task.git) == (5.0, 600.0, True)


def test_what_one_kind_has_alone_is_kept_apart(tmp_path: Path) -> None:
    row = {
        **GOOD,
        "base": {"git": {"url": "u", "commit": "c"}},
        "env": {"python": "3.9"},
        "check": {"cmd": "t", "patch": "p", "parser": "pytest", "fail_to_pass": ["a"]},
    }

    (task,) = kit.load(file(tmp_path, row))

    assert task.more == {"base": row["base"], "env": row["env"]}
    assert task.check.more == {"patch": "p", "parser": "pytest", "fail_to_pass": ["a"]}


def test_a_task_written_is_read_the_same(tmp_path: Path) -> None:
    row = {**GOOD, "more": {"own": 1}, "check": {**GOOD["check"], "patch": "p", "more": {"x": 2}}}
    (task,) = kit.load(file(tmp_path, row))

    again = kit.parse(json.loads(kit.line(task)), "here")

    assert again == task


def test_unicode_separators_do_not_part_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    text = json.dumps({**GOOD, "prompt": "one\u2028two"}, ensure_ascii=False)
    path.write_text(f"{text}\n\n", encoding="utf-8")

    assert [task.prompt for task in kit.load(path)] == ["one\u2028two"]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"promt": "x"}, "2: there is no field `promt`; did you mean `prompt`?"),
        ({"id": ""}, "2: a task needs `id`"),
        ({"id": "first"}, "2: task first stands in line 1 already"),
        ({"prompt": 3}, "2: `prompt` is to be text"),
        ({"time_limit_s": 0}, "2: `time_limit_s` is to be seconds above 0"),
        ({"git": "no"}, "2: `git` is to be true or false"),
        ({"protect": "x"}, "2: `protect` is to be a list of globs"),
        ({"files": {"../x": ""}}, "2: '../x' in `files` is no path in the task's folder"),
        ({"files": {"/x": ""}}, "2: '/x' in `files` is no path in the task's folder"),
        ({"files": {".git/hooks/x": ""}}, "2: '.git/hooks/x' in `files` is no path in the"),
        ({"files": {"x": {"b64": "?"}}}, "2: x in `files` is neither text nor an object"),
        ({"files": {"x": 1}}, "2: x in `files` is neither text nor an object"),
        ({"script": [{"say": "x"}]}, "2: turn 1 of `script` has `text`, `calls` and `wait_s`"),
        ({"script": [{"text": "x", "wait_s": "2"}]}, "2: `script.wait_s` is to be seconds above 0"),
        ({"script": [{"calls": [{}]}]}, "2: a call in turn 1 names no `tool`"),
        ({"script": [{"calls": 5}]}, "2: in turn 1 of `script`, `calls` is a list"),
        ({"base": 5}, "2: `base` is to be an object"),
        ({"env": {"vars": []}}, "2: `env.vars` is to be an object"),
        ({"env": {"pip": "pytest"}}, "2: `env.pip` is to be a list of texts"),
        ({"files": {"a": "", "a/b": ""}}, "2: `files` has a as a file and as a folder"),
        ({"prompt": "\ud800"}, "2: it has half of a surrogate pair"),
        ({"id": "x" * 201}, "2: `id` is longer than 200 bytes"),
    ],
)
def test_a_mistake_is_told_with_its_line(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    assert said(tmp_path, change).startswith(message)


def test_a_check_that_would_judge_nothing_is_refused(tmp_path: Path) -> None:
    row = {name: value for name, value in GOOD.items() if name != "check"}
    with pytest.raises(UsageError, match="a task needs `check`"):
        kit.load(file(tmp_path, row))

    assert "there is no field `check.overlays`; did you mean" in said(tmp_path, {}, overlays={})
    assert "`check.cmd` is missing" in said(tmp_path, {}, cmd=" ")


def test_broken_lines_and_empty_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": \n')
    with pytest.raises(UsageError, match=r"t.jsonl:1: this line is no JSON"):
        kit.load(path)
    path.write_text("3\n")
    with pytest.raises(UsageError, match=r"t.jsonl:1: this is no JSON object"):
        kit.load(path)
    path.write_text("\n")
    with pytest.raises(UsageError, match="has no tasks"):
        kit.load(path)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        kit.load(tmp_path / "none.jsonl")
