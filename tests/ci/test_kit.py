"""The kits for CI: their scripts are run, with what strangers could put into them."""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from program import git, repository

ROOT = Path(__file__).resolve().parents[2]
KIT = ROOT / ".github" / "actions" / "run"
SCRIPTS = [*KIT.glob("*.sh"), ROOT / "docs" / "ci" / "generic.sh"]
WORKFLOWS = [KIT / "action.yml", *(ROOT / "docs" / "ci").glob("github-*.yml")]
HOSTILE = (
    "mend it $(touch pwned) `touch pwned` \"'; touch pwned; \\\n"
    "::set-env name=X::y\n%0A::error::z\nend-0<<\nexit-code<<x\n0\nx\n-y --sandbox off @secret.txt"
)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return repository(folder, {"a.txt": "one\n"})


def program(tmp_path: Path) -> Path:
    """Where the kit would have installed qcode: this checkout's."""
    path = tmp_path / "qcode-program"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m qcode "$@"\n')
    path.chmod(0o755)
    return path


def bash(script: Path, work: Path, tmp_path: Path, **environ: str) -> tuple[int, str, str]:
    """Run a script of the action; return its code, stderr and what it said of outputs."""
    told = tmp_path / "output.txt"
    told.touch()
    env = {
        **os.environ, "KIT": str(KIT), "GITHUB_OUTPUT": str(told), "RUNNER_TEMP": str(tmp_path),
        "WORK": str(work), "QCODE_PROGRAM": str(program(tmp_path)), **environ,
    }  # fmt: skip
    done = subprocess.run(
        ["bash", str(script)], cwd=work, env=env, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr, told.read_text()


def outputs(text: str) -> dict[str, str]:
    """Read what a step says of its outputs as GitHub does."""
    out: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, sign, end = line.partition("<<")
        if not sign:
            name, _, out[name] = line.partition("=")
            continue
        value = []
        for inner in lines:
            if inner == end:
                break
            value.append(inner)
        out[name] = "\n".join(value)
    return out


GIVEN = {
    "TASK_FILE": "", "QCODE_MODEL": "scripted", "QCODE_API_KEY": "sk-secret-of-the-job",
    "VERIFY": "grep -q two a.txt\ntrue", "PROTECT": "", "APPROVAL_MODE": "yolo", "ATTEMPTS": "1",
    "MAX_COST": "", "MAX_STEPS": "9", "MAX_TIME": "", "MAX_TOKENS": "", "EXTRA": "--no-memory",
}  # fmt: skip


def test_the_action_runs_and_nothing_that_a_stranger_says_is_a_command(
    work: Path, tmp_path: Path
) -> None:
    script = [
        scripted.call("edit", file_path="a.txt", old_string="one", new_string="two"),
        scripted.call("run_shell_command", command="env; cat /proc/$PPID/environ"),
        scripted.text("::error::x\nDone."),
    ]
    with scripted.ScriptedServer(script) as server:
        code, err, told = bash(
            KIT / "run.sh", work, tmp_path, TASK=HOSTILE, QCODE_BASE_URL=server.base_url, **GIVEN
        )
        said = server.requests[0].json["messages"][1]["content"]
        seen = json.dumps([r.json["messages"] for r in server.requests])

    its = outputs(told)
    assert code == 0, err
    assert its["exit-code"] == "0"
    assert set(its) == {"exit-code", "folder", "report", "patch", "session-id"}
    assert HOSTILE in said
    assert not (work / "pwned").exists()
    assert "sk-secret-of-the-job" not in seen
    assert "+two" in Path(its["patch"]).read_text()
    assert json.loads(Path(its["report"]).read_text())["exit_code"] == 0
    assert (Path(its["folder"]) / "junit.xml").exists()


def test_what_is_not_proven_says_so_by_its_code(work: Path, tmp_path: Path) -> None:
    with scripted.ScriptedServer([scripted.text("No.")] * 9) as server:
        code, _, told = bash(
            KIT / "run.sh", work, tmp_path, TASK="x", QCODE_BASE_URL=server.base_url, **GIVEN
        )

    assert code == 0
    assert outputs(told)["exit-code"] == "1"


@pytest.mark.parametrize(
    "event,allowed,result,code",
    [
        ("pull_request_target", "false", "patch", 2), ("pull_request_target", "true", "patch", 0),
        ("pull_request", "false", "patch", 0), ("push", "false", "sudo", 2),
    ],
)  # fmt: skip
def test_a_job_with_secrets_about_strangers_code_is_refused(
    work: Path, tmp_path: Path, event: str, allowed: str, result: str, code: int
) -> None:
    ended, err, _ = bash(
        KIT / "preflight.sh", work, tmp_path, EVENT=event, ALLOWED=allowed, RESULT=result
    )

    assert ended == code
    assert ("qcode:" in err) is (code != 0 or "Landlock" in err)


PUBLISH = {
    "GITHUB_TOKEN": "t", "GITHUB_REPOSITORY": "me/it", "GITHUB_RUN_ID": "12", "BASE": "main",
    "GITHUB_RUN_ATTEMPT": "1", "NUMBER": "7",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "change.patch").write_text("something\n")
    report = {
        "task": "mend\nit", "meaning": "finished; every verification passed", "steps": 3,
        "answer": "Done. @everyone closes #5 <b>", "files_changed": [{"path": "a.txt"}],
        "total_cost_usd": None,
    }  # fmt: skip
    (folder / "report.json").write_text(json.dumps(report))
    return folder


def test_a_branch_is_pushed_without_force(work: Path, tmp_path: Path, folder: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "remote.git")
    (work / "a.txt").write_text("two\n")
    git(work, "remote", "add", "origin", str(tmp_path / "remote.git"))
    code, err, told = bash(
        KIT / "publish.sh", work, tmp_path, RESULT="branch", FOLDER=str(folder), **PUBLISH
    )

    assert code == 0, err
    assert outputs(told)["branch"] == "qcode/run-12-1"
    assert git(tmp_path / "remote.git", "show", "qcode/run-12-1:a.txt") == "two\n"
    assert "extraheader" not in (work / ".git" / "config").read_text()


def test_nothing_is_pushed_for_a_fork(work: Path, tmp_path: Path, folder: Path) -> None:
    code, err, told = bash(
        KIT / "publish.sh", work, tmp_path, RESULT="branch", FOLDER=str(folder),
        HEAD_REPOSITORY="stranger/it", **PUBLISH,
    )  # fmt: skip

    assert (code, told) == (0, "")
    assert "fork" in err


class GitHub(http.server.BaseHTTPRequestHandler):
    seen: list[tuple[str, str, Any]]
    comments: list[dict[str, Any]]

    def do_GET(self) -> None:
        self._answer(self.comments)

    def do_POST(self) -> None:
        data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.command, self.path, data))
        self.comments.append({"id": len(self.comments) + 1, "body": data["body"]})
        self._answer({})

    do_PATCH = do_POST  # noqa: N815

    def _answer(self, data: object) -> None:
        body = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def api() -> Iterator[http.server.ThreadingHTTPServer]:
    GitHub.seen, GitHub.comments = [], []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), GitHub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_there_is_one_comment_and_it_calls_nobody(
    work: Path, tmp_path: Path, folder: Path, api: http.server.ThreadingHTTPServer
) -> None:
    url = f"http://127.0.0.1:{api.server_address[1]}"
    for _ in range(2):
        code, err, _ = bash(
            KIT / "publish.sh", work, tmp_path, RESULT="comment", FOLDER=str(folder),
            GITHUB_API_URL=url, **PUBLISH,
        )  # fmt: skip
        assert code == 0, err

    (first, second) = GitHub.seen
    assert first[:2] == ("POST", "/repos/me/it/issues/7/comments")
    assert second[:2] == ("PATCH", "/repos/me/it/issues/comments/1")
    body = first[2]["body"]
    for bad in ("@everyone", "#5", "<b>"):
        assert bad not in body


def test_the_recipe_for_any_runner_passes_the_code_on(work: Path, tmp_path: Path) -> None:
    env = {**os.environ, "QCODE_PROGRAM": str(program(tmp_path)), "QCODE_MODEL": "scripted"}
    with scripted.ScriptedServer([scripted.text("No.")] * 9) as server:
        env |= {"QCODE_BASE_URL": server.base_url, "TASK": HOSTILE, "VERIFY": "false"}
        done = subprocess.run(
            ["sh", str(ROOT / "docs" / "ci" / "generic.sh"), "--max-steps", "9"],
            cwd=work, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 1
    assert "not proven" in done.stderr
    assert not (work / "pwned").exists()
    assert json.loads((work / "qcode-out" / "report.json").read_text())["exit_code"] == 1


@pytest.mark.parametrize(
    "answer,code,shown",
    [
        ('{"faults": []}', 0, ""),
        (
            '{"faults": [{"file": "a.txt", "line": 1, "what": "loses data"}]}',
            1,
            "a.txt:1: loses data",
        ),
    ],
)
def test_the_hook_reviews_what_is_staged(work: Path, answer: str, code: int, shown: str) -> None:
    (work / "a.txt").write_text("two\n")
    git(work, "add", "a.txt")
    with scripted.ScriptedServer([scripted.text(answer)]) as server:
        ended = review(work, server.base_url)
        assert "+two" in server.requests[0].json["messages"][1]["content"]

    assert ended.returncode == code
    assert shown in ended.stdout


def test_the_hook_lets_a_commit_pass_where_no_model_answers(work: Path) -> None:
    assert review(work, "http://127.0.0.1:9/v1").returncode == 0  # nothing is staged
    (work / "a.txt").write_text("two\n")
    git(work, "add", "a.txt")

    with scripted.ScriptedServer(lambda _seen: scripted.fault(401, "no")) as server:
        ended = review(work, server.base_url)
        assert (ended.returncode, ended.stdout) == (0, "qcode-review: not reviewed\n")
        assert review(work, server.base_url, QCODE_REVIEW_STRICT="1").returncode == 3


def review(work: Path, url: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "QCODE_BASE_URL": url, "QCODE_MODEL": "scripted", **environ}
    command = [sys.executable, "-P", "-m", "qcode.cli.review"]
    return subprocess.run(
        command, cwd=work, env=env, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_expression_stands_in_a_script(path: Path) -> None:
    """What strangers say comes by variables: in a script it would be code."""
    text = path.read_text()
    for match in re.finditer(r"^( *)(?:- )?run: *(.*(?:\n\1 +.*)*)", text, re.MULTILINE):
        assert "${{" not in match[2]
    assert "secrets." not in (KIT / "action.yml").read_text()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_parse(script: Path) -> None:
    shell = "sh" if script.name == "generic.sh" else "bash"
    subprocess.run([shell, "-n", str(script)], check=True)
