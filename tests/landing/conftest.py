"""What the tests of landing share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_repo import LINES, git

from qcode.checkpoints.keeper import Checkpoints


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    git(root, "config", "user.email", "a@b.c")
    git(root, "config", "user.name", "A")
    (root / "a.txt").write_text(LINES)
    (root / "b.txt").write_text("b\n")
    (root / ".gitignore").write_text("*.log\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    return root


@pytest.fixture
def kept(root: Path, tmp_path: Path) -> Iterator[Checkpoints]:
    kept = Checkpoints(root, "s1", tmp_path / "state")
    yield kept
    kept.close()
