from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from program import Ended, Program, git, repository
from schemas import faults

CODE = "def double(number):\n    return number + number + 1\n"
TEST = (
    "import unittest\nfrom code_here import double\n\n\nclass TestDouble(unittest.TestCase):\n"
    "    def test_it(self):\n        self.assertEqual(double(21), 42)\n"
)
VERIFY = "python -m unittest -q test_code"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    files = {"code_here.py": CODE, "test_code.py": TEST, "golden/a.txt": "gold\n"}
    return repository(folder, files)


def run(work: Path, script: list[Any], *args: str) -> Ended:
    with scripted.ScriptedServer([*script, scripted.text("Done.")]) as server:
        return Program(work, server.base_url).run("run", "-y", "-o", "json", *args, "make it pass")


def shell(command: str) -> scripted.Stream:
    return scripted.call("run_shell_command", command=command)


def honest() -> scripted.Stream:
    return scripted.call("edit", file_path="code_here.py", old_string=" + 1", new_string="")


@pytest.mark.parametrize(
    "cheat,kind,path",
    [
        (scripted.call("edit", file_path="test_code.py", old_string="42", new_string="43"),
         "weakened", "test_code.py"),
        (shell("sed -i 's/def test_it/def it/' test_code.py"), "deleted", "test_code.py"),
        (shell("rm test_code.py && touch test_code.py"), "deleted", "test_code.py"),
        (scripted.call("edit", file_path="code_here.py", old_string="    return",
                       new_string="    if number == 21:\n        return 42\n    return"),
         "special-cased", "code_here.py"),
        (scripted.call("write_file", file_path="unittest.py", content="import sys\nsys.exit(0)\n"),
         "harness", "unittest.py"),
    ],
)  # fmt: skip
def test_what_gets_past_the_tests_is_named_and_put_back(
    work: Path, cheat: scripted.Stream, kind: str, path: str
) -> None:
    ended = run(work, [cheat], "--verify", VERIFY)
    result = ended.json()

    assert ended.code == 6
    assert faults("stream", result) == []
    assert result["subtype"] == "error_verification"
    assert (kind, path) in {(v["kind"], v["path"]) for v in result["violations"]}
    assert all(v["rolled_back"] for v in result["violations"])
    assert path in ended.error
    assert git(work, "status", "--porcelain", "-uall") == ""


def test_the_model_is_told_at_once_and_its_other_work_stays(work: Path) -> None:
    cheat = scripted.call("edit", file_path="test_code.py", old_string="42", new_string="43")
    with scripted.ScriptedServer([cheat, honest(), scripted.text("Done.")]) as server:
        ended = Program(work, server.base_url).run(
            "run", "-y", "-o", "json", "--verify", VERIFY, "make it pass"
        )

    assert ended.code == 6
    assert "put back as it was" in server.requests[1].json["messages"][-1]["content"]
    assert (
        "Do not change these tests: test_code.py"
        in server.requests[0].json["messages"][1]["content"]
    )
    assert (work / "test_code.py").read_text() == TEST
    assert " + 1" not in (work / "code_here.py").read_text()
    assert ended.json()["verification"][0]["passed"] is True


def test_adding_tests_is_no_cheating(work: Path) -> None:
    more = scripted.call(
        "edit", file_path="test_code.py", old_string="42)\n",
        new_string="42)\n\n    def test_nought(self):\n        self.assertEqual(double(0), 0)\n",
    )  # fmt: skip
    ended = run(work, [honest(), more], "--verify", VERIFY)

    assert ended.code == 0, ended.err
    assert ended.json()["violations"] == []


def test_what_a_glob_names_stays_byte_for_byte(work: Path) -> None:
    ended = run(
        work, [shell("echo more >> golden/a.txt; echo > golden/b")], "--protect", "golden/**"
    )

    assert ended.code == 6
    assert (work / "golden" / "a.txt").read_text() == "gold\n"
    assert not (work / "golden" / "b").exists()
    assert {v["path"] for v in ended.json()["violations"]} == {"golden/a.txt", "golden/b"}


def test_a_person_can_say_that_tests_may_change(work: Path) -> None:
    change = scripted.call("edit", file_path="test_code.py", old_string="42", new_string="43")
    freely = run(work, [change], "--verify", VERIFY, "--may-change", "test_code.py")
    assert (freely.code, freely.json()["violations"]) == (0, [])
    git(work, "checkout", "-q", ".")
    freely = run(work, [change], "--verify", VERIFY, "--no-protect")
    assert (freely.code, freely.json()["violations"]) == (0, [])
