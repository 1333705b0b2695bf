"""Hooks by a library that others wrote for Claude Code, imported from its settings."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import scripted_server as scripted
from program import Program
from scripted_server import call, text

PEERS = Path(__file__).resolve().parents[2] / ".peers/python"
EVENTS = (
    *("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop", "SessionEnd"),
    *("Notification", "PreCompact", "SubagentStop"),
)


@pytest.mark.skipif(not (PEERS / "cchooks").exists(), reason="`make peers` installs it")
def test_hooks_of_a_library_for_claude_code_work_as_they_are(tmp_path: Path) -> None:
    work, seen = tmp_path / "work", tmp_path / "seen"
    work.mkdir()
    script = Path(__file__).with_name("peer_hook.py")
    hook = {"type": "command", "command": f"{sys.executable} {script} {PEERS} {seen}"}
    settings = Path.home() / ".claude/settings.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"hooks": {event: [{"hooks": [hook]}] for event in EVENTS}}))
    imported = Program(work, None).run("config", "import", "claude", "-y")
    assert imported.code == 0, imported.err
    replies = [
        call("run_shell_command", command="rm x"),
        call("write_file", file_path="new.txt", content="hi\n"),
        text("Done."),
        text("More."),
    ]
    with scripted.ScriptedServer(replies) as server:
        ended = Program(work, server.base_url).run("run", "do it")
    assert (ended.code, ended.out) == (0, "More.\n"), ended.err
    assert "a hook kept you from it" in ended.err
    said = [message["content"] for message in server.requests[-1].json["messages"][1:]]
    first = said[0]
    assert first.index("it is spring") < first.index("do it") < first.index("it is raining")
    assert "no removing" in said[2]
    assert said[4].endswith("well done")
    assert said[6] == "say more"
    assert (work / "new.txt").exists()
    assert seen.read_text().split() == [
        *("SessionStart", "UserPromptSubmit", "PreToolUse", "PreToolUse", "PostToolUse"),
        *("Stop", "Stop", "SessionEnd"),
    ]
