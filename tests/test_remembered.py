"""Rules that are remembered for good."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from qcode.errors import UsageError
from qcode.remembered import add, load

HOSTILE = "shell(echo 'a\"b\\\\c' \x7f\t\x01 é \ud800 ] [x] # )"


def test_rules_are_kept_by_workspace_and_once(tmp_path: Path) -> None:
    file = tmp_path / "config" / "rules.toml"

    add(file, Path("/a"), ["shell(pytest *)"])
    add(file, Path("/b"), ["edit(src/**)"])
    add(file, Path("/a"), ["shell(make test)", "shell(pytest *)"])

    assert load(file, Path("/a")) == ("shell(pytest *)", "shell(make test)")
    assert load(file, Path("/b")) == ("edit(src/**)",)
    assert load(file, Path("/a/b")) == ()
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in file.parent.iterdir()) == ["rules.lock", "rules.toml"]


def test_no_text_breaks_the_file(tmp_path: Path) -> None:
    file, root = tmp_path / "rules.toml", Path('/odd "root"\n[x]')

    add(file, root, [HOSTILE])

    assert load(file, root) == (HOSTILE.replace("\ud800", "?"),)


@pytest.mark.parametrize(
    "content", ["allow =", "[a]\nallow = 1", "[a]\nallow = [1]", "x = 1", "\xff"]
)
def test_a_file_that_cannot_be_read_is_told_and_left_alone(tmp_path: Path, content: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_bytes(content.encode("latin-1"))

    with pytest.raises(UsageError, match=r"rules\.toml"):
        load(file, Path("/a"))
    with pytest.raises(UsageError):
        add(file, Path("/a"), ["shell(ls)"])

    assert file.read_bytes() == content.encode("latin-1")


def test_nothing_is_lost_when_two_sessions_remember_at_once(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    rules = [f"shell(make t{number})" for number in range(20)]
    threads = [threading.Thread(target=add, args=(file, Path("/a"), [rule])) for rule in rules]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(load(file, Path("/a"))) == sorted(rules)
