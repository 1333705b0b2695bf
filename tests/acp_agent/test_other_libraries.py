"""`qcode acp` with a client that is not of the library that it is made with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import scripted_server as scripted
from program import COMMAND, repository
from scripted_server import call, text

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".peers"


EDIT = call("edit", file_path="a.py", old_string="return 1", new_string="return 2")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return repository(folder, {"a.py": "def f():\n    return 1\n"})


def without(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        shutil.which("node") is None or not (PEERS / name).exists(),
        reason="`make peers` installs it, where there is npm",
    )


@without("node_modules/@agentclientprotocol")
def test_the_typescript_library_drives_a_session(work: Path) -> None:
    with scripted.ScriptedServer([EDIT, text("Done.")]) as server:
        env = {**os.environ, "QCODE_MODEL": "scripted", "QCODE_BASE_URL": server.base_url}
        script = str(Path(__file__).with_name("editor.mjs"))
        ended = subprocess.run(
            ["node", script, str(PEERS), str(work), *COMMAND],
            env=env, capture_output=True, text=True, timeout=60, cwd=work,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout.strip().splitlines()[-1])
    assert seen["initialized"]["agentInfo"]["name"] == "qcode"
    assert seen["modes"] == ["plan", "default", "auto-edit", "yolo"]
    assert seen["asked"] == ["edit a.py"]
    assert seen["done"]["stopReason"] == "end_turn"
    assert seen["listed"] == 1
    assert "return 2" in (work / "a.py").read_text()
    kinds = [update["sessionUpdate"] for update in seen["updates"]]
    assert kinds[:3] == ["user_message_chunk", "tool_call", "tool_call_update"]


@without("node_modules/.bin/acpx")
def test_a_client_for_terminals_drives_a_session(work: Path) -> None:
    with scripted.ScriptedServer([EDIT, text("**done**")]) as server:
        env = {**os.environ, "QCODE_MODEL": "scripted", "QCODE_BASE_URL": server.base_url}
        agent = " ".join((*COMMAND, "acp"))
        ended = subprocess.run(
            [PEERS / "node_modules/.bin/acpx", "--agent", agent, "--cwd", work, "--approve-all",
             "exec", "mend it"],
            env=env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, cwd=work,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "**done**" in ended.stdout
    assert "edit a.py" in ended.stdout
    assert "return 2" in (work / "a.py").read_text()


@pytest.mark.skipif(not (PEERS / "python").exists(), reason="`make peers` installs it")
def test_a_client_that_has_no_library_holds_a_session_and_comes_back(work: Path) -> None:
    program = f"""
import asyncio, json
from pathlib import Path
from acp_client import Agent

async def main():
    asked = []
    async def permit(request):
        asked.append(request["toolCall"]["title"])
        return "once"
    command, folder = {[*COMMAND, "acp"]!r}, Path({str(work)!r})
    agent = Agent(command, folder, permission=permit)
    first = await agent.ask("mend it")
    session = agent.session
    await agent.stop()
    again = Agent(command, folder, permission=permit, session=session)
    await again.start()
    second = await again.ask("and now?")
    same = again.session == session
    await again.stop()
    print(json.dumps([first, second, same, asked]))

asyncio.run(main())
"""
    with scripted.ScriptedServer([EDIT, text("Done."), text("Nothing.")]) as server:
        env = {**os.environ, "QCODE_MODEL": "scripted", "QCODE_BASE_URL": server.base_url}
        ended = subprocess.run(
            [sys.executable, "-c", program],
            env={**env, "PYTHONPATH": str(PEERS / "python")},
            capture_output=True, text=True, timeout=60, cwd=work,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == ["Done.", "Nothing.", True, ["edit a.py"]]
