"""The examples of docs/, run as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scripted_server import ScriptedServer, Seen, Stream, call, fault, text

EXAMPLES = Path(__file__).resolve().parents[2] / "docs/examples"


def run(
    name: str, *arguments: str, cwd: Path, server: ScriptedServer
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *arguments],
        cwd=cwd,
        env={**os.environ, "QCODE_BASE_URL": server.base_url, "QCODE_MODEL": "m"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_turn_is_shown_as_it_happens(project: Path) -> None:
    script = [call("read_file", file_path="a.txt"), text("it is alpha"), text("alpha it is")]
    with ScriptedServer(script) as server:
        done = run("stream.py", "what is it?", cwd=project, server=server)

    assert (done.returncode, done.stdout) == (0, "it is alpha\n# alpha it is\n")
    assert "[read_file a.txt]" in done.stderr
    assert "[answered after 2 steps, 2,040 tokens]" in done.stderr
    with ScriptedServer([fault(401, "no"), fault(401, "no")]) as server:
        failed = run("stream.py", cwd=project, server=server)
    assert failed.returncode == 1
    assert "[provider after 1 steps, 0 tokens]" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_tools_of_ones_own_are_called_and_decided_about(project: Path) -> None:
    script = [
        call("stock"),
        call("order", items=[{"fruit": "plums", "crates": 9}]),
        call("order", items=[{"fruit": "plums", "crates": 1}]),
        text("plums are on their way"),
    ]
    with ScriptedServer(script) as server:
        done = run("own_tools.py", cwd=project, server=server)

    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["refused", "allowed"]
    assert lines[2:] == [
        "plums are on their way",
        "on the shelf now: {'apples': 3, 'pears': 40, 'plums': 20}",
    ]


def reviewed(seen: Seen) -> Stream:
    asked = str(seen.json["messages"][-1]["content"])
    return text("fine" if "good.py" in asked else "3: divides by zero")


def test_files_are_reviewed_side_by_side(project: Path) -> None:
    with ScriptedServer(reviewed) as server:
        done = run("review.py", "good.py", "bad.py", cwd=project, server=server)

    assert done.returncode == 1
    assert done.stdout == "## good.py\nfine\n\n## bad.py\n3: divides by zero\n\n"
    assert done.stderr == "2,040 tokens\n"
