"""Tasks of one's own: from a commit and from a session, each proved before it is written."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from eval_places import checked, git, laid_out, put, repository
from scripted_server import ScriptedServer, call, text

from qcode.errors import UsageError
from qcode.evals.harness.judging import judge
from qcode.evals.harness.placing import place, write_files
from qcode.evals.harness.task import Content, Task
from qcode.evals.loaders import kit, new_cli, new_commit

pytestmark = pytest.mark.slow  # each runs a project's tests several times, in the sandbox

CALC = "def add(a, b):\n    return a - b\n\n\ndef twice(n):\n    return 2 * n\n"
FIXED = CALC.replace("a - b", "a + b")
OLD_TEST = "from calc import twice\n\n\ndef test_twice():\n    assert twice(2) == 4\n"
NEW_TEST = OLD_TEST.replace("import twice", "import add, twice") + (
    "\n\ndef test_add():\n    assert add(1, 2) == 3\n"
)
MESSAGE = """Add numbers instead of subtracting them (#12)

Sums were wrong.

Signed-off-by: A Person <a@example.invalid>
"""
BROKEN = "def test_broken():\n    assert False\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    top = tmp_path / "calc"
    repository(top, {"calc.py": CALC, "test_calc.py": OLD_TEST, ".env": "TOKEN=hush\n"})
    repository(top, {"calc.py": FIXED, "test_calc.py": NEW_TEST}, MESSAGE)
    return top


def make(*words: str) -> int:
    parser = argparse.ArgumentParser()
    new_cli.configure(parser)
    return new_cli.main(parser.parse_args(words))


def only(out: Path) -> Task:
    (task,) = kit.load(out)
    return task


def proved(task: Task, tmp_path: Path, answer: dict[str, Any]) -> tuple[int, int]:
    folder = laid_out(task, tmp_path / "again")
    before = checked(task, folder, tmp_path / "aside").returncode
    put(folder, answer)
    return before, checked(task, folder, tmp_path / "aside").returncode


def test_a_commit_becomes_a_task_that_its_tests_judge(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "own.jsonl"

    code = make("commit", "HEAD", "--repo", str(project), "-o", str(out))

    task = only(out)
    said = capsys.readouterr()
    assert code == 0
    assert "fails before the change, passes with it" in said.out
    assert "tests: 1 mended, 1 kept" in said.out
    assert "read its prompt" in said.err
    told = [line.rpartition("py ")[2] for line in said.err.splitlines() if "running" in line]
    assert told == [
        "before the change …", "with the change …",
    ]  # fmt: skip
    assert said.err.count("laid out anew") == 2
    assert task.prompt == (
        "Add numbers instead of subtracting them\n\nSums were wrong.\n\n" + new_commit.RULES
    )
    assert dict(task.files) == {"calc.py": CALC, "test_calc.py": OLD_TEST}
    assert dict(task.check.overlay) == {"test_calc.py": NEW_TEST}
    assert task.check.more == {
        "fail_to_pass": ["test_calc.py::test_add"],
        "pass_to_pass": ["test_calc.py::test_twice"],
    }
    assert "a + b" not in json.dumps(dict(task.files)) + task.prompt
    assert proved(task, tmp_path, {"calc.py": FIXED}) == (1, 0)


def verdicts(task: Task, top: Path, *answers: Mapping[str, Content]) -> list[str]:
    """Return what `qcode eval` judges of a task as it is laid out, and with each answer on top."""

    async def judged() -> list[str]:
        placed = await place(task, top, os.environ)
        found: list[str] = []
        for answer in ({}, *answers):
            write_files(placed.repo, answer)
            verdict = await judge(task, placed, os.environ, answer=top / "none")
            found.append(verdict.reason)
            assert all((placed.repo / name).read_text() == text for name, text in answer.items()), (
                "judging leaves the agent's files alone"
            )
        return found

    return asyncio.run(judged())


def test_a_trial_of_it_is_judged_by_the_hidden_tests_one_by_one(
    project: Path, tmp_path: Path
) -> None:
    out = tmp_path / "own.jsonl"
    make("commit", "HEAD", "--repo", str(project), "-o", str(out))

    assert verdicts(
        only(out),
        tmp_path / "top",
        {"test_calc.py": "def test_add():\n    pass\n"},
        {"conftest.py": "import pytest\n\n\n@pytest.fixture(autouse=True)\n"
                        "def all_skipped():\n    pytest.skip('not today')\n"},
        {"conftest.py": "", "calc.py": FIXED.replace("twice", "thrice")},
        {"calc.py": FIXED},
    ) == [
        "still_failing", "still_failing", "still_failing", "still_failing", "pass",
    ]  # fmt: skip


def test_a_module_that_nobody_wrote_is_a_failure_and_no_error(
    project: Path, tmp_path: Path
) -> None:
    repository(project, {"more.py": "x = 1\n", "test_more.py": "from more import x\n\n\n"
                         "def test_x():\n    assert x == 1\n"})  # fmt: skip
    out = tmp_path / "own.jsonl"
    make("commit", "HEAD", "--repo", str(project), "-o", str(out))

    found = verdicts(only(out), tmp_path / "top", {"more.py": "x = 2\n"}, {"more.py": "x = 1\n"})

    assert found == ["still_failing", "still_failing", "pass"]


def test_a_large_tree_stands_in_a_bundle_without_any_history(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "own.jsonl"

    make("commit", "HEAD", "--repo", str(project), "-o", str(out), "--bundle", "--id", "b")

    task = only(out)
    assert task.files == {}
    assert proved(task, tmp_path, {"calc.py": FIXED}) == (1, 0)
    git(tmp_path, "clone", "-q", "-b", "main", str(tmp_path / "b.bundle"), str(tmp_path / "look"))
    objects = git(tmp_path / "look", "cat-file", "--batch", "--batch-all-objects")
    assert "a - b" in objects
    assert "a + b" not in objects
    assert git(tmp_path / "look", "rev-list", "--all", "--count").strip() == "1"
    # The line does not hold where the bundle lay; it is looked for beside the file.
    assert str(tmp_path) not in out.read_text()
    assert kit.line(task) == out.read_text().strip()


def test_a_bundle_that_was_changed_is_not_unpacked(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "own.jsonl"
    make("commit", "HEAD", "--repo", str(project), "-o", str(out), "--bundle", "--id", "b")
    (tmp_path / "b.bundle").write_bytes(b"other")
    (tmp_path / "place").mkdir()

    done = subprocess.run(
        [sys.executable, "-c", only(out).setup],
        cwd=tmp_path / "place",
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert done.stderr.startswith(f"the bundle {tmp_path / 'b.bundle'} has the SHA-256 ")


def test_tests_that_are_broken_anyway_do_not_count(project: Path, tmp_path: Path) -> None:
    repository(project, {"calc.py": CALC, "test_calc.py": OLD_TEST})
    repository(project, {"calc.py": FIXED, "test_calc.py": NEW_TEST + "\n\n" + BROKEN})
    out = tmp_path / "own.jsonl"

    make("commit", "HEAD", "--repo", str(project), "-o", str(out))

    assert only(out).check.cmd.endswith("test_calc.py --deselect=test_calc.py::test_broken")


def test_a_new_test_file_and_one_that_went_are_put_right(project: Path, tmp_path: Path) -> None:
    git(project, "rm", "-q", "test_calc.py")
    repository(project, {"more.py": "x = 1\n", "tests/test_more.py": "from more import x\n\n\n"
                         "def test_x():\n    assert x == 1\n"})  # fmt: skip
    out = tmp_path / "own.jsonl"

    make("commit", "HEAD", "--repo", str(project), "-o", str(out), "--prompt", "Add more.")

    task = only(out)
    assert task.prompt == "Add more."
    assert task.check.overlay["test_calc.py"] is None
    before, after = proved(task, tmp_path, {"more.py": "x = 1\n"})
    assert (before != 0, after) == (True, 0)


def refused(*words: str) -> str:
    with pytest.raises(UsageError) as caught:
        make(*words)
    return str(caught.value)


def test_commits_that_judge_nothing_are_refused(project: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "own.jsonl")
    here = ("--repo", str(project), "-o", out)
    assert "has no parent" in refused("commit", "HEAD~1", *here)
    assert "has no commit nowhere" in refused("commit", "nowhere", *here)
    with pytest.raises(UsageError, match="'-x' is no git revision"):
        new_commit.read(project, "-x")
    assert "'../x' is no id of a task" in refused("commit", "HEAD", *here, "--id", "../x")
    repository(project, {"calc.py": FIXED + "\n"})
    assert "changes no tests; they are what judges a task" in refused("commit", "HEAD", *here)
    repository(project, {"test_calc.py": NEW_TEST + "\n"})
    assert "changes nothing but tests" in refused("commit", "HEAD", *here)
    repository(project, {"calc.py": FIXED + "\n\n", "test_calc.py": NEW_TEST})
    assert "its tests pass before the change already" in refused("commit", "HEAD", *here)
    repository(project, {"calc.py": CALC, "test_calc.py": NEW_TEST + "\n# more\n"})
    assert "its tests pass before the change already" in refused("commit", "HEAD", *here)
    repository(project, {"calc.py": FIXED, "test_calc.py": BROKEN})
    assert "its tests fail with the change as well" in refused("commit", "HEAD", *here)
    assert f"{tmp_path} is in no git repository" in refused(
        "commit", "HEAD", "--repo", str(tmp_path), "-o", out
    )
    assert not Path(out).exists()


def test_a_task_is_not_added_twice_and_the_file_stays(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "own.jsonl"
    words = ("commit", "HEAD", "--repo", str(project), "-o", str(out), "--bundle", "--id", "t")
    make(*words)
    before = out.read_text(), (tmp_path / "t.bundle").read_bytes()

    assert "has a task t already; name another: --id NAME" in refused(*words)

    assert (out.read_text(), (tmp_path / "t.bundle").read_bytes()) == before
    make(*words[:-1], "t2")
    assert [task.id for task in kit.load(out)] == ["t", "t2"]


def test_a_check_of_the_persons_own_is_taken(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "own.jsonl"
    code = "import calc; assert calc.add(1, 1) == 2"
    check = f"{Path(sys.executable).name} -c {json.dumps(code)}"

    make("commit", "HEAD", "--repo", str(project), "-o", str(out), "--check", check)

    assert (only(out).check.cmd, dict(only(out).check.more)) == (check, {})


# ------------------------------------------------------------------ sessions


def session(project: Path, *replies: Any, prompt: str = "Make add add.") -> None:
    with ScriptedServer(list(replies)) as server:
        done = subprocess.run(
            [
                *(sys.executable, "-P", "-m", "qcode", "run", "-y", "--base-url", server.base_url),
                *("-m", "scripted", prompt),
            ],
            cwd=project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            },
        )
    assert done.returncode == 0, done.stderr


FIX = call("edit", file_path="calc.py", old_string="a - b", new_string="a + b")
TESTED = call("run_shell_command", command="python -m pytest -q -p no:cacheprovider test_calc.py")
WRITTEN = call("write_file", file_path="test_calc.py", content=NEW_TEST)


def test_a_session_becomes_a_task_with_the_persons_words(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository(project, {"calc.py": CALC, "test_calc.py": OLD_TEST})
    (project / "notes.txt").write_text("not committed\n")
    read = call("read_file", file_path="test_calc.py")
    session(
        project,
        *(call("read_file", file_path="calc.py"), FIX, read, WRITTEN, TESTED, text("Done.")),
    )
    monkeypatch.chdir(project)
    out = tmp_path / "own.jsonl"

    code = make("session", "-o", str(out))

    task = only(out)
    assert code == 0
    assert task.prompt == "Make add add."
    assert dict(task.files) == {
        "calc.py": CALC,
        "notes.txt": "not committed\n",
        "test_calc.py": OLD_TEST,
    }
    assert dict(task.check.overlay) == {"test_calc.py": NEW_TEST}
    assert task.check.cmd == "python -m pytest -q -p no:cacheprovider test_calc.py"
    assert proved(task, tmp_path, {"calc.py": FIXED}) == (1, 0)
    assert verdicts(task, tmp_path / "top", {"calc.py": FIXED}) == ["still_failing", "pass"]


def test_sessions_that_show_nothing_are_refused(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository(project, {"calc.py": CALC, "test_calc.py": OLD_TEST})
    out = str(tmp_path / "own.jsonl")
    monkeypatch.chdir(project)
    assert "no file states of a session in" in refused("session", "-o", out)

    session(project, call("read_file", file_path="calc.py"), FIX, text("Done."))
    assert "no test was run and passed in session" in refused("session", "-o", out)

    git(project, "checkout", "-q", ".")
    session(project, call("read_file", file_path="calc.py"), FIX, TESTED, text("Done."))
    assert "its tests pass before the change already" in refused("session", "-o", out)
    assert not Path(out).exists()
