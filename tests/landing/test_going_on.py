"""--commit and --patch in a session that goes on in another process."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import scripted_server as scripted
from landing_repo import set_hook
from program import Ended, Program, git, repository

EDIT = scripted.call("edit", file_path="a.txt", old_string="one", new_string="two")


def run(work: Path, script: list[scripted.Stream], *args: str) -> Ended:
    with scripted.ScriptedServer(script) as server:
        return Program(work, server.base_url).run("run", "-y", *args, "do it")


def test_what_a_hook_refused_is_committed_by_a_later_run(tmp_path: Path) -> None:
    work = repository(tmp_path / "work", {"a.txt": "one\n"})
    set_hook(work, "echo not today >&2; exit 1")
    ended = run(work, [EDIT, scripted.text("ok"), scripted.text("Make it two")], "--commit")
    assert ended.code != 0
    assert "not today" in ended.err
    assert "`git commit` by hand" in ended.err
    (work / ".git/hooks/pre-commit").unlink()
    later = [scripted.text("nothing more"), scripted.text("Make it two")]
    ended = run(work, later, "--continue", "--commit", "--patch", "../patch")
    assert ended.code == 0, ended.err
    assert "+two" in (tmp_path / "patch").read_text()
    assert git(work, "log", "-1", "--format=%s").strip() == "Make it two"
    assert git(work, "status", "--porcelain") == ""
    ended = run(work, [scripted.text("nothing more")], "--continue", "--commit")
    assert ended.code == 0
    assert "nothing to commit" in ended.err


def test_a_run_without_changes_commits_nothing(tmp_path: Path) -> None:
    work = repository(tmp_path / "work", {"a.txt": "one\n"})
    (work / "a.txt").write_text("mine\n")
    ended = run(work, [scripted.text("ok")], "--commit", "--patch", "../patch")
    assert ended.code == 0
    assert "nothing to commit" in ended.err
    assert (tmp_path / "patch").read_bytes() == b""
    assert git(work, "status", "--porcelain").split() == ["M", "a.txt"]


def test_a_commit_under_way_when_interrupted_is_told(tmp_path: Path) -> None:
    work = repository(tmp_path / "work", {"a.txt": "one\n"})
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    set_hook(work, "touch .git/begun; until test -f .git/go; do sleep 0.02; done")
    script = [EDIT, scripted.text("ok"), scripted.text("Make it two")]
    with scripted.ScriptedServer(script) as server:
        program = Program(work, server.base_url, environ={"TMPDIR": str(temporary)})
        running = program.start("run", "-y", "--commit", "do it")
        while not (work / ".git/begun").exists():
            assert running.poll() is None
            time.sleep(0.02)
        running.send_signal(signal.SIGTERM)
        (work / ".git/go").touch()
        ended = program.end(running)
    assert ended.code == 128 + signal.SIGTERM
    assert "committed " in ended.err
    assert git(work, "log", "-1", "--format=%s").strip() == "Make it two"
    assert git(work, "status", "--porcelain") == ""
    assert not list((work / ".git").glob("qcode-index-*"))
