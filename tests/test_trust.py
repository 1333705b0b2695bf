from __future__ import annotations

import stat
from pathlib import Path

import pytest

from qcode.errors import QcodeError
from qcode.trust import Trust

WISHES = {"allow": ("shell(make *)",), "network": "on"}


def test_a_folder_is_trusted_with_what_was_shown_and_nothing_else(tmp_path: Path) -> None:
    trust = Trust(tmp_path / "state" / "trust.json")
    folder = tmp_path / "work"
    folder.mkdir()

    assert not trust.covers(folder, WISHES)
    trust.add(folder, WISHES)

    assert trust.covers(folder, WISHES)
    assert trust.covers(folder, {"network": "on", "allow": ["shell(make *)"]})
    assert not trust.covers(folder, {**WISHES, "allow": ("shell(make *)", "shell(rm *)")})
    assert not trust.covers(folder, {})
    assert not trust.covers(tmp_path, WISHES)


def test_trust_goes_with_the_real_folder(tmp_path: Path) -> None:
    trust = Trust(tmp_path / "trust.json")
    (tmp_path / "work").mkdir()
    (tmp_path / "link").symlink_to("work")

    trust.add(tmp_path / "link", WISHES)

    assert list(trust.folders()) == [str(tmp_path / "work")]
    assert trust.covers(tmp_path / "work", WISHES)


def test_trust_can_be_ended(tmp_path: Path) -> None:
    trust = Trust(tmp_path / "trust.json")
    trust.add(tmp_path, WISHES)

    assert trust.remove(tmp_path)
    assert not trust.covers(tmp_path, WISHES)
    assert not trust.remove(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", '{"/": 1}', "\0", '{"a": {}}'])
def test_a_damaged_file_trusts_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "trust.json").write_text(content)
    trust = Trust(tmp_path / "trust.json")

    assert not trust.covers(Path("/"), WISHES)
    trust.add(tmp_path, WISHES)
    assert trust.covers(tmp_path, WISHES)


def test_only_the_person_reads_it_and_a_failure_leaves_it_whole(tmp_path: Path) -> None:
    file = tmp_path / "state" / "trust.json"
    trust = Trust(file)
    trust.add(tmp_path, WISHES)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["trust.json"]

    with pytest.raises(QcodeError, match="cannot write"):
        Trust(tmp_path / "state" / "trust.json" / "x").add(tmp_path, WISHES)
    assert trust.covers(tmp_path, WISHES)
