from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from program import Program, git, repository
from schemas import faults

Reply = Callable[[scripted.Seen], scripted.Stream]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    repository(folder, {"a.txt": "one\n", "check.sh": "grep -q two a.txt || exit 3\n"})
    (folder / "mine.txt").write_text("not committed\n")
    return folder


def edit(new: str) -> scripted.Stream:
    return scripted.call("edit", file_path="a.txt", old_string="one", new_string=new)


class Models:
    """Answers each attempt by its own script: an attempt is known by its temperature."""

    def __init__(self, *scripts: list[Any]) -> None:
        self._scripts = [list(script) for script in scripts]
        self._known: dict[object, int] = {}
        self._lock = threading.Lock()
        self.firsts: list[bytes] = []

    def __call__(self, seen: scripted.Seen) -> scripted.Stream:
        with self._lock:
            warmth = seen.json.get("temperature")
            if warmth not in self._known:
                self._known[warmth] = len(self._known)
                self.firsts.append(seen.raw)
            script = self._scripts[self._known[warmth]]
            reply = script.pop(0) if script else scripted.text("Done.")
        return reply(seen) if callable(reply) else reply


def run(work: Path, models: Models, *args: str) -> tuple[object, scripted.ScriptedServer]:
    with scripted.ScriptedServer(models) as server:
        ended = Program(work, server.base_url).run(
            "run", "-y", "-o", "json", "--verify", "sh check.sh", *args, "make it two"
        )
    return ended, server


def left(work: Path) -> list[str]:
    """What a run should have removed."""
    copies = Path(os.environ["XDG_CACHE_HOME"]) / "qcode" / "worktrees"
    trees = git(work, "worktree", "list").splitlines()[1:]
    return [*(os.listdir(copies) if copies.exists() else []), *trees]


def test_the_smallest_verified_change_is_kept_as_one_step(work: Path) -> None:
    together = threading.Barrier(2, timeout=30)

    def say(text: str) -> Reply:
        def reply(_seen: scripted.Seen) -> scripted.Stream:
            together.wait()
            return scripted.text(text)

        return reply

    models = Models([edit("two\nthree\nfour\nfive"), say("Long.")], [edit("two"), say("Short.")])
    ended, _ = run(work, models, "--attempts", "2", "--at-once", "2")
    result = ended.json()  # type: ignore[attr-defined]

    assert ended.code == 0, ended.err  # type: ignore[attr-defined]
    assert faults("stream", result) == []
    assert (work / "a.txt").read_text() == "two\n"
    assert (work / "mine.txt").read_text() == "not committed\n"
    assert result["attempt"] == 2
    assert result["result"] == "Short."
    assert result["files_changed"] == ["a.txt"]
    assert [one["verified"] for one in result["attempts"]] == [True, True]
    assert [one["lines_changed"] for one in result["attempts"]] == [5, 2]
    assert result["usage"]["input_tokens"] == 4000
    assert left(work) == []
    assert git(work, "status", "--porcelain") == " M a.txt\n?? mine.txt\n"

    undone = Program(work).run("undo", "-y")
    assert undone.code == 0, undone.err
    assert (work / "a.txt").read_text() == "one\n"


def test_all_attempts_begin_with_the_same_bytes(work: Path) -> None:
    slow = scripted.text("Done.", chunks=9, delay=0.2)
    models = Models([edit("two"), slow], [edit("two")])
    run(work, models, "--attempts", "2", "--at-once", "2")
    first, second = (json.loads(raw) for raw in models.firsts)

    assert first["messages"] == second["messages"]
    assert first["tools"] == second["tools"]
    assert first.get("temperature") != second.get("temperature")


def test_none_verified_leaves_the_files_and_keeps_the_reports(work: Path) -> None:
    models = Models([edit("three")], [scripted.text("I cannot.")])
    ended, _ = run(work, models, "--attempts", "2")
    result = ended.json()  # type: ignore[attr-defined]

    assert ended.code == 1  # type: ignore[attr-defined]
    assert "none of 2 attempts is verified" in ended.error  # type: ignore[attr-defined]
    assert (work / "a.txt").read_text() == "one\n"
    assert result["attempt"] == 0 if "attempt" in result else True
    assert faults("stream", result) == []
    first = result["attempts"][0]
    assert "+three" in Path(first["patch"]).read_text()
    assert json.loads(Path(first["report"]).read_text())["exit_code"] == 1
    assert left(work) == []


def test_one_after_the_other_stops_at_the_first_that_is_verified(work: Path) -> None:
    models = Models([scripted.text("No.")] * 9, [edit("two")], [edit("two")])
    ended, _ = run(work, models, "--attempts", "3", "--at-once", "1")
    result = ended.json()  # type: ignore[attr-defined]

    assert ended.code == 0  # type: ignore[attr-defined]
    assert result["attempt"] == 2
    assert len(result["attempts"]) == 2
    assert len(models.firsts) == 2


def test_reports_are_kept_for_a_month(work: Path) -> None:
    kept = Path(os.environ["XDG_STATE_HOME"]) / "qcode" / "attempts"
    for name, days in (("old", 31), ("young", 29)):
        (kept / name).mkdir(parents=True)
        then = time.time() - days * 86_400
        os.utime(kept / name, (then, then))
    run(work, Models([edit("two")]), "--attempts", "1")

    assert not (kept / "old").exists()
    assert (kept / "young").exists()


def test_a_change_made_meanwhile_is_not_lost(work: Path) -> None:
    def change(_seen: scripted.Seen) -> scripted.Stream:
        (work / "a.txt").write_text("somebody's\n")
        return scripted.text("Done.")

    script: list[Any] = [edit("two"), change]
    with scripted.ScriptedServer(script) as server:
        ended = Program(work, server.base_url).run(
            "run", "-y", "-o", "json", "--verify", "sh check.sh", "--attempts", "1", "make it two"
        )

    assert ended.code == 1
    assert (work / "a.txt").read_text() == "somebody's\n"
    assert "changed meanwhile in the same lines: a.txt" in ended.error
    patch = next(Path(os.environ["XDG_STATE_HOME"]).glob("qcode/attempts/*/1.patch"))
    assert "+two" in patch.read_text()


def test_a_worktree_leaves_the_files_alone_and_gives_a_patch(work: Path) -> None:
    models = Models([edit("two"), scripted.text("Done.")])
    ended, _ = run(work, models, "--worktree", "--patch", "out.patch")

    assert ended.code == 0  # type: ignore[attr-defined]
    assert (work / "a.txt").read_text() == "one\n"
    assert ended.json()["files_changed"] == ["a.txt"]  # type: ignore[attr-defined]
    git(work, "apply", "out.patch")
    assert (work / "a.txt").read_text() == "two\n"
    assert left(work) == []


def test_a_worktrees_commit_is_on_a_branch_of_its_own(work: Path) -> None:
    models = Models([edit("two"), scripted.text("Done.")])
    ended, _ = run(work, models, "--worktree", "--commit")
    result = ended.json()  # type: ignore[attr-defined]
    branch = f"qcode-{result['session_id']}"

    assert ended.code == 0, ended.err  # type: ignore[attr-defined]
    assert (work / "a.txt").read_text() == "one\n"
    assert git(work, "rev-parse", branch).strip() == result["commit"]
    assert git(work, "show", f"{branch}:a.txt") == "two\n"
    assert git(work, "diff", "--name-only", "HEAD", branch).split() == ["a.txt"]


def test_the_winner_is_committed_where_the_person_is(work: Path) -> None:
    models = Models([edit("two"), scripted.text("Done.")], [scripted.text("No.")] * 9)
    ended, _ = run(work, models, "--attempts", "2", "--commit")

    assert ended.code == 0, ended.err  # type: ignore[attr-defined]
    assert git(work, "show", "HEAD:a.txt") == "two\n"
    assert git(work, "status", "--porcelain") == "?? mine.txt\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_and_removes_the_copies(work: Path, number: signal.Signals) -> None:
    both = threading.Semaphore(0)

    def stall(_seen: scripted.Seen) -> scripted.Stream:
        both.release()
        return scripted.stall(scripted.text("never ends"), 2)

    with scripted.ScriptedServer(stall) as server:
        program = Program(work, server.base_url)
        process = program.start(
            "run", "-y", "-o", "json", "--verify", "sh check.sh", "--attempts", "2",
            "--at-once", "2", "make it two",
        )  # fmt: skip
        assert both.acquire(timeout=30)
        assert both.acquire(timeout=30)
        process.send_signal(number)
        ended = program.end(process)

    assert ended.code == 128 + number
    assert faults("stream", ended.json()) == []
    assert (work / "a.txt").read_text() == "one\n"
    assert left(work) == []


def test_the_budget_is_for_all_together(work: Path) -> None:
    reads = [scripted.call("read_file", file_path="a.txt", offset=n + 1) for n in range(40)]
    models = Models(list(reads), list(reads))
    ended, server = run(work, models, "--attempts", "2", "--max-tokens", "4000")

    assert ended.code == 4  # type: ignore[attr-defined]
    assert len(server.requests) <= 6
    assert left(work) == []


def test_what_does_not_go_together_is_said(work: Path) -> None:
    program = Program(work)
    for args, words in (
        (["--attempts", "2", "x"], "--attempts needs --verify"),
        (["--attempts", "0", "x"], "no number from 1 to"),
        (["--attempts", "2", "--verify", "true", "-c", "x"], "begins anew"),
        (["--at-once", "2", "x"], "--at-once is about --attempts"),
    ):
        ended = program.run("run", *args)
        assert ended.code == 2
        assert words in ended.error
