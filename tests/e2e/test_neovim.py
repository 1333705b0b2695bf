"""A session in Neovim's terminal, and the plugin beside it: nothing of either is a stand-in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scripted_server import ScriptedServer, call, text
from terminal import ROOT, conversation


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nvim") is None, reason="Neovim is not installed")
def test_a_session_in_neovim_is_told_of_the_selection_and_buffers_are_reloaded(
    tmp_path: Path,
) -> None:
    (tmp_path / "app.txt").write_text("one\ntwo\n")
    script = [call("edit", file_path="app.txt", old_string="two", new_string="2"), text("Done.")]
    command = f"let g:qcode = {{'command': ['{sys.executable}', '-P', '-m', 'qcode']}}"
    with ScriptedServer(script) as server:
        ended = subprocess.run(
            [
                *("nvim", "--headless", "--clean", "-i", "NONE", "-n"),
                *("--cmd", f"set runtimepath^={ROOT}/docs/editors/nvim columns=160 lines=50"),
                *("--cmd", command, "-S", str(ROOT / "tests/bridge/session.lua")),
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "BASE_URL": server.base_url},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
        )

        assert (ended.returncode, ended.stderr.strip()) == (0, "")
        asked = conversation(server.requests[0].json)[-1][1]
    assert asked.startswith("change it @selection")
    assert 'of="app.txt lines 2-2, selected in the editor">\ntwo\n' in asked
