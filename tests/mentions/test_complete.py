from __future__ import annotations

from pathlib import Path

import pytest

from qcode.mentions.complete import SHOWN, Paths, typed


@pytest.mark.parametrize(
    "before, fragment",
    [
        ("fix @", ""),
        ("fix @src/a", "src/a"),
        ('fix @"my f', '"my f'),
        ("(@a", "a"),
        ("fix @a ", None),
        ("me@example", None),
        ("", None),
        ('@"done" now', None),
        ("x\n@b", "b"),
    ],
)
def test_what_is_typed_of_a_mention(before: str, fragment: str | None) -> None:
    assert typed(before) == fragment


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    for name in ("src/app.py", "src/deep/apply.py", "src/my file.py", "build/app.js", ".env", ".x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / ".gitignore").write_text("build/\n*.log\n")
    (tmp_path / "src/a.log").write_text("")
    (tmp_path / "out").symlink_to(tmp_path.parent)
    return Paths(tmp_path, lambda real: real.name == ".env")


@pytest.mark.parametrize(
    "fragment, found",
    [
        ("", ["out/", "src/"]),
        ("s", ["src/"]),
        ("src/", ["src/app.py", "src/deep/", '"src/my file.py"']),
        ("SRC/A", []),
        ("src/A", ["src/app.py"]),
        ("app", ["src/app.py", "src/deep/apply.py"]),
        ('"src/my', ['"src/my file.py"']),
        (".", [".gitignore", ".x"]),
        ("git:", ["git:diff", "git:staged"]),
        ("build/", []),
        ("nowhere/", []),
        *((outside, []) for outside in ("../", "/", "~/", "out/")),
    ],
)
def test_paths_are_completed_but_for_ignored_and_hidden_ones(
    paths: Paths, fragment: str, found: list[str]
) -> None:
    assert paths.candidates(fragment) == found


def test_there_is_an_end_to_it(tmp_path: Path) -> None:
    for number in range(SHOWN + 5):
        (tmp_path / f"f{number}").touch()

    assert len(Paths(tmp_path, lambda _: False).candidates("f")) == SHOWN
