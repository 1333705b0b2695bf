from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest
from fixing_model import BROKEN, WHOLE, FixingModel, work_in
from scripted_server import ScriptedServer, Stall, Whole, fault, text

from qcode.evals.agents import Outcome, Work
from qcode.evals.agents.oneshot import Oneshot, Part, _names, read_files, read_parts, write_parts


def worked(work: Work) -> Outcome:
    return asyncio.run(Oneshot({}).work(work, os.environ))


def test_the_file_in_the_answer_is_written(tmp_path: Path) -> None:
    with ScriptedServer(FixingModel()) as server:
        work = work_in(tmp_path, server.base_url)
        outcome = worked(work)

    assert (work.folder / "calc.py").read_text() == WHOLE
    assert outcome.answer.startswith("add subtracted")
    assert (outcome.exit_code, outcome.error, outcome.effort.steps) == (0, "", 1)
    assert (outcome.conduct.edits, outcome.conduct.failed_edits) == (1, 0)


def test_the_model_is_shown_all_files_and_the_task(tmp_path: Path) -> None:
    with ScriptedServer([text("nothing to do")]) as server:
        work = work_in(tmp_path, server.base_url)
        (work.folder / "notes.md").write_text("```\ncode\n```\n")
        worked(work)

    shown = server.requests[0].json["messages"][1]["content"]
    assert f"calc.py\n````\n{BROKEN}````" in shown
    assert "notes.md\n````\n```\ncode\n```\n````" in shown
    assert work.prompt in shown


def test_an_answer_in_words_changes_nothing(tmp_path: Path) -> None:
    with ScriptedServer([text("It is right already.")]) as server:
        work = work_in(tmp_path, server.base_url)
        outcome = worked(work)

    assert (work.folder / "calc.py").read_text() == BROKEN
    assert outcome.conduct.edits == 0


def test_an_endpoint_that_fails_is_no_failure_of_the_agent(tmp_path: Path) -> None:
    with ScriptedServer([fault(500, "out of memory")]) as server:
        outcome = worked(work_in(tmp_path, server.base_url))

    assert outcome.error.startswith("the endpoint failed: ")
    assert outcome.error.endswith(": out of memory")


def test_a_model_that_the_files_are_too_long_for_has_failed_at_the_task(tmp_path: Path) -> None:
    with ScriptedServer([fault(400, "maximum context length is 10 tokens")]) as server:
        outcome = worked(work_in(tmp_path, server.base_url))

    assert (outcome.error, outcome.exit_code) == ("", 1)
    assert outcome.ended == "status 400: maximum context length is 10 tokens"


def test_the_time_limit_ends_it(tmp_path: Path) -> None:
    with ScriptedServer([Whole(b"", before=(Stall(),))]) as server:
        outcome = worked(work_in(tmp_path, server.base_url, time_s=0.5))

    assert (outcome.exit_code, outcome.ended, outcome.error) == (None, "time limit", "")


@pytest.mark.parametrize(
    "reply, parts",
    [
        ("a.py\n```\nx\n```\n", [Part("a.py", "x\n")]),
        ("**`src/a.py`**:\n\n```python\nx\n```", [Part("src/a.py", "x\n")]),
        ("### a.py\n~~~\nx\n~~~\nb.py\n~~~\ny\n~~~\n", [Part("a.py", "x\n"), Part("b.py", "y\n")]),
        ("README.md\n````\n```\ncode\n```\n````\n", [Part("README.md", "```\ncode\n```\n")]),
        ("Here is what I would do:\n```\nx\n```\n", [Part("", "x\n")]),
        ("a.py\n```\nx\r\n```\n", [Part("a.py", "x\r\n")]),
        ("a.py\n```\ncut off", []),
        ("Makefile\n```\nall:\n```\n", [Part("Makefile", "all:\n")]),
        ("my notes.txt\n```\nx\n```\n", [Part("my notes.txt", "x\n")]),
    ],
)
def test_files_are_read_out_of_an_answer(reply: str, parts: list[Part]) -> None:
    assert read_parts(reply) == parts


def test_nothing_is_written_outside_or_into_git(tmp_path: Path) -> None:
    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "out").symlink_to(tmp_path)
    paths = ("../x", "/tmp/qcode-no-such-x", ".git/hooks/pre-commit", "out/x", "a\0b", "ok/x")

    assert write_parts(folder, [Part(path, "x") for path in paths], []) == ["ok/x"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["repo"]


def test_a_single_file_without_a_path_is_the_one_that_is_asked_for(tmp_path: Path) -> None:
    assert write_parts(tmp_path, [Part("", "x")], ["a.py"]) == ["a.py"]
    assert write_parts(tmp_path, [Part("", "x")], ["a.py", "b.py"]) == []
    assert write_parts(tmp_path, [Part("", "x"), Part("", "y")], ["a.py"]) == []


def test_ignored_files_links_and_binaries_are_left_out(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("secret.txt\n")
    (tmp_path / "secret.txt").write_text("x")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "link").symlink_to("a.py")
    (tmp_path / "a.py").write_bytes(b"x\r\n")

    assert read_files(tmp_path, [], 1000, os.environ) == {
        ".gitignore": "secret.txt\n",
        "a.py": "x\r\n",
    }


def test_files_that_are_named_come_first_and_room_ends_the_rest(tmp_path: Path) -> None:
    for name in ("a.py", "b.py", "c.py"):
        (tmp_path / name).write_text("x" * 100)

    assert list(read_files(tmp_path, ["c.py"], 250, os.environ)) == ["c.py", "a.py"]


@pytest.mark.timeout(60)  # where each letter begins anew it takes minutes
def test_names_are_found_in_a_long_text_as_in_a_short_one() -> None:
    assert list(_names("x" * 400_000)) == []

    text_with = "Fix shop/cart.py. See ./a-b/c.tar.gz, 3.14 and e.g. README; not .py or x."
    assert list(_names(text_with)) == ["shop/cart.py", "./a-b/c.tar.gz", "3.14", "e.g"]


def test_half_of_a_surrogate_pair_is_an_answer_like_any_other(tmp_path: Path) -> None:
    with ScriptedServer([text("It is \ud800 right.")]) as server:
        outcome = worked(work_in(tmp_path, server.base_url))

    assert (outcome.exit_code, outcome.error) == (0, "")
