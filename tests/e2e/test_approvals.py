"""Questions about calls in a real terminal: what is seen, and what comes of the answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scripted_server import ScriptedServer, call, text
from terminal import ENTER, Screened


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def options(server: ScriptedServer) -> tuple[str, ...]:
    return ("--base-url", server.base_url, "-m", "scripted")


def told(server: ScriptedServer, number: int) -> str:
    """Return the last result that a request has."""
    results: list[Any] = [
        one["content"] for one in server.requests[number].json["messages"] if one["role"] == "tool"
    ]
    return str(results[-1])


def test_the_change_is_shown_as_it_will_be_in_the_file(work: Path) -> None:
    lines = [f"line {n}" for n in range(1, 41)]
    (work / "a.txt").write_text("\n".join(lines) + "\n")
    script = [
        call("edit", file_path="a.txt", old_string="line 30\n", new_string="thirty\n"),
        call("edit", file_path="a.txt", old_string="nowhere", new_string="x"),
        text("Done."),
    ]
    with ScriptedServer(script) as server, Screened(work, *options(server), "go") as qcode:
        shown = qcode.expect("Allow edit a.txt?")
        assert (
            "@@ -27,7 +27,7 @@\n   line 27\n   line 28\n   line 29\n  -line 30\n  +thirty\n"
            in shown
        )
        qcode.expect("instead:")
        qcode.type("y" + ENTER)
        shown = qcode.expect("Allow edit a.txt?")
        assert "-nowhere\n  +x\n" in shown
        assert "as things are it would fail: a.txt: " in shown
        qcode.expect("instead:")
        qcode.type("n" + ENTER)
        qcode.expect("Done.")

        assert (work / "a.txt").read_text().split("\n")[29] == "thirty"
