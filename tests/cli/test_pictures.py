from __future__ import annotations

from pathlib import Path

import pytest

from qcode.cli.pictures import kept

PNG = "\\211PNG\\r\\n\\032\\n"


def program(folder: Path, script: str, name: str = "wl-paste") -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_a_picture_is_kept_for_the_person_alone(tmp_path: Path) -> None:
    environ = program(tmp_path / "bin", f"printf '{PNG}and more'")

    path = kept(tmp_path / "kept", environ)

    assert path is not None
    assert Path(path).read_bytes() == b"\x89PNG\r\n\x1a\nand more"
    assert Path(path).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o700
    assert kept(tmp_path / "kept", environ) == path


@pytest.mark.parametrize("script", ["echo text", f"printf '{PNG}'; exit 1", "exit 1"])
def test_what_is_no_picture_is_not_kept(tmp_path: Path, script: str) -> None:
    assert kept(tmp_path / "kept", program(tmp_path / "bin", script)) is None
    assert not (tmp_path / "kept").exists()


def test_the_next_program_is_asked(tmp_path: Path) -> None:
    program(tmp_path / "bin", "exit 1")
    environ = program(tmp_path / "bin", f"printf '{PNG}'", name="pngpaste")

    assert kept(tmp_path / "kept", environ) is not None
