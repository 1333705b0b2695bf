from __future__ import annotations

import os
from pathlib import Path

import pytest

from qcode.errors import QcodeError
from qcode.memory.adding import add_note
from qcode.memory.files import Places


def places(tmp_path: Path) -> Places:
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    return Places(Path(os.path.realpath(work)), tmp_path / "own", tmp_path)


def test_the_first_note_makes_the_file(tmp_path: Path) -> None:
    where = places(tmp_path)

    assert add_note(where, "use  tabs", own=False) == where.cwd / "AGENTS.md"
    add_note(where, "be brief", own=False)
    assert add_note(where, "in French", own=True) == tmp_path / "own/AGENTS.md"

    assert (where.cwd / "AGENTS.md").read_bytes() == b"- use tabs\n- be brief\n"
    assert (tmp_path / "own/AGENTS.md").read_text() == "- in French\n"
    assert (tmp_path / "own/AGENTS.md").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "before, after",
    [
        (b"Rules", b"Rules\n\n- x\n"),
        (b"Rules\n", b"Rules\n\n- x\n"),
        (b"Rules:\n- one\n\n", b"Rules:\n- one\n\n- x\n"),
        (b"Rules\r\n", b"Rules\r\n\r\n- x\r\n"),
    ],
)
def test_what_is_there_stays_as_it_is(tmp_path: Path, before: bytes, after: bytes) -> None:
    where = places(tmp_path)
    file = where.cwd / "CLAUDE.md"
    file.write_bytes(before)
    file.chmod(0o640)

    assert add_note(where, "x", own=False) == file

    assert file.read_bytes() == after
    assert file.stat().st_mode & 0o777 == 0o640
    assert os.listdir(where.cwd) == ["CLAUDE.md"]


def test_a_link_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    where = places(tmp_path)
    (tmp_path / "profile").write_text("export A=1\n")
    (where.cwd / "AGENTS.md").symlink_to(tmp_path / "profile")

    with pytest.raises(QcodeError, match="leads out of the repository"):
        add_note(where, "x", own=False)

    assert (tmp_path / "profile").read_text() == "export A=1\n"


def test_a_link_within_stays_one(tmp_path: Path) -> None:
    where = places(tmp_path)
    (where.cwd / "CLAUDE.md").write_text("- a\n")
    (where.cwd / "AGENTS.md").symlink_to("CLAUDE.md")

    add_note(where, "b", own=False)

    assert (where.cwd / "AGENTS.md").is_symlink()
    assert (where.cwd / "CLAUDE.md").read_text() == "- a\n- b\n"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * (1 << 21)])
def test_what_is_no_such_file_is_left_alone(tmp_path: Path, content: bytes) -> None:
    where = places(tmp_path)
    (where.cwd / "AGENTS.md").write_bytes(content)

    with pytest.raises(QcodeError, match="AGENTS.md"):
        add_note(where, "x", own=False)

    assert (where.cwd / "AGENTS.md").read_bytes() == content
