"""A real llama-server, where one was fetched or is on PATH."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def llama_server() -> Path:
    """The program that `qcode local up` fetched for whoever runs the tests; none: skipped."""
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)  # HOME is another one in tests
    servers = home / ".local/share/qcode/servers"
    fetched = sorted(servers.glob("skulk-llama-server-*/**/bin/llama-server"))
    if fetched:
        return fetched[-1]
    found = shutil.which("llama-server")
    if found is None:
        pytest.skip("no llama-server was fetched, and none is on PATH")
    return Path(found)
