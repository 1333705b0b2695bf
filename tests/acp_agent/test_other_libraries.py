"""`qcode acp` with a client that is not of the library that it is made with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import scripted_server as scripted
from program import COMMAND, repository
from scripted_server import call, text

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".peers"


@pytest.mark.skipif(
    shutil.which("node") is None or not (PEERS / "node_modules/@agentclientprotocol").exists(),
    reason="`make peers` installs it, where there is npm",
)
def test_the_typescript_library_drives_a_session(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    repository(work, {"a.py": "def f():\n    return 1\n"})
    edit = call("edit", file_path="a.py", old_string="return 1", new_string="return 2")
    with scripted.ScriptedServer([edit, text("Done.")]) as server:
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
