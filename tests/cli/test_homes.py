from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from qcode.cli import homes


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def unwritable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that takes no folder, for root too: it is a file."""
    home = tmp_path / "home"
    home.write_text("")
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    return temporary


def test_a_home_that_can_be_written_is_left_alone(tmp_path: Path, told: list[str]) -> None:
    environ = {"XDG_STATE_HOME": "kept"}
    homes.settle(told.append, environ)

    assert environ == {"XDG_STATE_HOME": "kept"}
    assert told == []


def test_without_a_home_things_go_to_a_private_folder(unwritable: Path, told: list[str]) -> None:
    environ: dict[str, str] = {}
    homes.settle(told.append, environ)

    base = unwritable / f"qcode-{os.getuid()}"
    assert environ == {
        "XDG_STATE_HOME": str(base / "state"),
        "XDG_CACHE_HOME": str(base / "cache"),
    }
    assert stat.S_IMODE(base.stat().st_mode) == 0o700
    assert len(told) == 1
    assert f"XDG_STATE_HOME={base / 'state'}" in told[0]


def test_a_folder_that_others_can_write_is_not_taken(unwritable: Path, told: list[str]) -> None:
    open_to_all = unwritable / f"qcode-{os.getuid()}"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    environ: dict[str, str] = {}
    homes.settle(told.append, environ)

    assert not environ["XDG_STATE_HOME"].startswith(f"{open_to_all}/")
    assert stat.S_IMODE(Path(environ["XDG_STATE_HOME"]).parent.stat().st_mode) == 0o700


def test_a_link_is_not_followed(unwritable: Path, told: list[str]) -> None:
    elsewhere = unwritable / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (unwritable / f"qcode-{os.getuid()}").symlink_to(elsewhere)
    environ: dict[str, str] = {}
    homes.settle(told.append, environ)

    assert "elsewhere" not in str(Path(environ["XDG_STATE_HOME"]).resolve())
