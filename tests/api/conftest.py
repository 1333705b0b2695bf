"""Tests of this folder may be coroutines; each has an event loop of its own."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return repository(tmp_path / "project")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return repository(tmp_path / "other")


def repository(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.txt").write_text("alpha\n")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder
