from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from fixing_model import BROKEN, WHOLE
from scripted_server import Reply, ScriptedServer, Seen, Stall, Whole, fault, text

from qcode.errors import UsageError
from qcode.evals.agents import batch, instances

REPAIR = f"calc.py\n```\n{WHOLE}```\n"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "calc.py").write_text(BROKEN)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "start")
    return folder


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def listed(tmp_path: Path, *names: str, **fields: Any) -> Path:
    file = tmp_path / "instances.jsonl"
    lines = [
        {
            "instance_id": name,
            "problem_statement": "mend calc.py",
            "repo": "repo",
            **fields,
        }
        for name in names
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def run(server: ScriptedServer, tmp_path: Path, *more: str) -> int:
    parser = argparse.ArgumentParser()
    batch.configure(parser)
    given = ("--instances", str(tmp_path / "instances.jsonl"), "--output", str(tmp_path / "out"))
    model = ("-m", "scripted", "--base-url", server.base_url, "--agent", "oneshot")
    return batch.main(parser.parse_args([*given, *model, *more]))


def predictions(tmp_path: Path) -> Any:
    return json.loads((tmp_path / "out/preds.json").read_text())


def test_each_instance_becomes_a_patch_that_applies(tmp_path: Path, repo: Path) -> None:
    listed(tmp_path, "one", "two")

    with ScriptedServer([text(REPAIR)] * 2) as server:
        assert run(server, tmp_path) == 0

    found = predictions(tmp_path)
    assert list(found) == ["one", "two"]
    assert found["one"]["instance_id"] == "one"
    assert found["one"]["model_name_or_path"] == "scripted"
    assert (repo / "calc.py").read_text() == BROKEN
    subprocess.run(
        ["git", "apply"], cwd=repo, input=found["one"]["model_patch"].encode(), check=True
    )
    assert (repo / "calc.py").read_text() == WHOLE


def test_new_files_are_in_the_patch(tmp_path: Path, repo: Path) -> None:
    listed(tmp_path, "one")

    with ScriptedServer([text("new/file.txt\n```\nx\n```\n")]) as server:
        run(server, tmp_path)

    assert "+++ b/new/file.txt" in predictions(tmp_path)["one"]["model_patch"]


def test_it_begins_at_the_base_commit(tmp_path: Path, repo: Path) -> None:
    base = git(repo, "rev-parse", "HEAD").strip()
    (repo / "calc.py").write_text("later\n")
    git(repo, "commit", "-qam", "later")
    listed(tmp_path, "one", base_commit=base)

    with ScriptedServer([text(REPAIR)]) as server:
        run(server, tmp_path)

    assert "-    return a - b" in predictions(tmp_path)["one"]["model_patch"]


def test_the_trajectory_tells_what_was_said_and_what_it_took(tmp_path: Path, repo: Path) -> None:
    listed(tmp_path, "one")

    with ScriptedServer([text(REPAIR)]) as server:
        run(server, tmp_path)

    told = json.loads((tmp_path / "out/one/one.traj.json").read_text())
    assert told["info"]["exit_status"] == "answered"
    assert told["info"]["model_stats"]["api_calls"] == 1
    assert told["info"]["submission"] == predictions(tmp_path)["one"]["model_patch"]
    assert [one["role"] for one in told["messages"]] == ["system", "user", "assistant"]
    assert told["messages"][-1]["content"] == REPAIR


def test_what_is_done_is_not_done_again_unless_asked_for(tmp_path: Path, repo: Path) -> None:
    listed(tmp_path, "one", "two")

    with ScriptedServer(then=text(REPAIR)) as server:
        run(server, tmp_path, "--filter", "one")
        run(server, tmp_path)
        assert len(server.requests) == 2
        run(server, tmp_path, "--redo")
        assert len(server.requests) == 4


def test_one_whose_set_up_failed_is_told_and_tried_again(tmp_path: Path, repo: Path) -> None:
    listed(tmp_path, "one")

    with ScriptedServer([fault(401), text(REPAIR)]) as server:
        assert run(server, tmp_path) == 1
        assert predictions(tmp_path) == {}
        assert '"error: the endpoint failed: ' in statuses(tmp_path)
        assert run(server, tmp_path) == 0

    assert list(predictions(tmp_path)) == ["one"]
    assert statuses(tmp_path) == 'instances_by_exit_status:\n  "answered":\n    - "one"\n'


def statuses(tmp_path: Path) -> str:
    return (tmp_path / "out/exit_statuses.yaml").read_text()


def test_workers_work_at_the_same_time(tmp_path: Path, repo: Path) -> None:
    listed(tmp_path, "one", "two")
    both = threading.Barrier(2, timeout=20)

    def answered(_: Seen) -> Reply:
        both.wait()  # breaks unless two are here at once
        return text(REPAIR)

    with ScriptedServer(answered) as server:
        assert run(server, tmp_path, "-j", "2") == 0


def test_repositories_are_kept_if_wanted(tmp_path: Path, repo: Path) -> None:
    listed(tmp_path, "one")

    with ScriptedServer(then=text(REPAIR)) as server:
        run(server, tmp_path)
        assert not (tmp_path / "out/one/repo").exists()
        run(server, tmp_path, "--redo", "--keep")

    assert (tmp_path / "out/one/repo/calc.py").read_text() == WHOLE


def test_interrupted_it_ends_and_goes_on_later(tmp_path: Path, repo: Path) -> None:
    listed(tmp_path, "one", "two")
    script: list[Reply] = [text(REPAIR), Whole(b"", before=(Stall(),)), text(REPAIR)]
    code = (
        "import argparse, sys; from qcode.evals.agents import batch; p = argparse.ArgumentParser();"
        "batch.configure(p); sys.exit(batch.main(p.parse_args()))"
    )
    with ScriptedServer(lambda seen: script[len(server.requests) - 1]) as server:
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", code, "--instances", str(tmp_path / "instances.jsonl")),
                *("--output", str(tmp_path / "out"), "-m", "scripted", "--agent", "oneshot"),
                *("--base-url", server.base_url),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        server.wait_for(2, 60)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 130
        assert said.endswith("interrupted; the same command goes on with what is left\n")
        assert list(predictions(tmp_path)) == ["one"]
        assert run(server, tmp_path) == 0

    assert list(predictions(tmp_path)) == ["one", "two"]


@pytest.mark.parametrize(
    "line, error",
    [
        ("[]", "it is no object"),
        ("{", "Expecting property name"),
        ('{"problem_statement": "x"}', "`instance_id` is missing"),
        ('{"instance_id": "../x", "problem_statement": "x"}', "no name for a folder"),
        ('{"instance_id": "x"}', "`problem_statement` is missing"),
        ('{"instance_id": "x", "problem_statement": "x", "repo": "a/b"}', "`a/b` is no folder"),
        ('{"instance_id": "x", "problem_statement": "x", "base_commit": "--x"}', "no commit"),
    ],
)
def test_a_line_that_is_no_instance_is_named(tmp_path: Path, line: str, error: str) -> None:
    file = tmp_path / "i.jsonl"
    file.write_text(f"\n{line}\n")

    with pytest.raises(UsageError, match=error) as caught:
        instances.load(file)

    assert f"{file}:2 is no instance" in str(caught.value)


def test_a_repository_that_an_agent_made_within_does_not_lose_the_patch(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    (tmp_path / "repo").mkdir()
    [one] = instances.load(listed(tmp_path, "one"))
    base = instances.lay_out(one, folder, os.environ)
    (folder / "new.txt").write_text("new\n")
    (folder / "made").mkdir()
    instances.git(folder / "made", os.environ, "init", "--quiet")
    (folder / "made/f.txt").write_text("f\n")

    found = instances.patch(folder, base, os.environ)

    assert [line for line in found.splitlines() if line.startswith("diff ")] == [
        "diff --git a/new.txt b/new.txt"
    ]


def test_separators_of_lines_within_an_issue_do_not_part_it(tmp_path: Path) -> None:
    said = "one\u2028two\x85three"
    given = {"instance_id": "a", "problem_statement": said}
    (tmp_path / "i.jsonl").write_text(json.dumps(given, ensure_ascii=False) + "\n", "utf-8")

    (one,) = instances.load(tmp_path / "i.jsonl")

    assert one.prompt == said


def test_an_id_may_be_there_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`one` is there twice"):
        instances.load(listed(tmp_path, "one", "one", repo=None))


def test_a_folder_that_is_no_repository_is_copied(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo/calc.py").write_text(BROKEN)
    [one] = instances.load(listed(tmp_path, "one"))

    base = instances.lay_out(one, tmp_path / "copy", os.environ)

    assert git(tmp_path / "copy", "show", f"{base}:calc.py") == BROKEN
    assert not (tmp_path / "repo/.git").exists()


def test_without_a_repository_it_begins_with_an_empty_one(tmp_path: Path) -> None:
    [one] = instances.load(listed(tmp_path, "one", repo=None))

    instances.lay_out(one, tmp_path / "copy", os.environ)

    assert git(tmp_path / "copy", "ls-files") == ""


@pytest.mark.parametrize(
    "pattern, part, left",
    [("", "", "abc"), ("a|c", "", "ac"), ("", "1:", "bc"), ("", ":-1", "ab"), ("", "::2", "ac")],
)
def test_some_can_be_chosen(pattern: str, part: str, left: str) -> None:
    given = [instances.Instance(name, "x") for name in "abc"]

    assert "".join(one.id for one in batch.chosen(given, pattern, part)) == left


def test_what_cannot_be_chosen_by_is_said() -> None:
    with pytest.raises(UsageError, match="is no expression"):
        batch.chosen([], "(", "")
    with pytest.raises(UsageError, match="`1` is no slice|`x` is no slice"):
        batch.chosen([], "", "x")
