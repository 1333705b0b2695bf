from __future__ import annotations

from pathlib import Path

import pytest

from qcode.errors import ToolError
from qcode.workspace import Workspace, digest


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    for name in ("ws/sub", "ws2", "extra", "outside"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "ws" / "out").symlink_to("../outside")
    (tmp_path / "ws" / "in").symlink_to("sub")
    (tmp_path / "alias").symlink_to("ws")
    return Workspace.at(tmp_path / "alias", (tmp_path / "extra",))


@pytest.mark.parametrize(
    "path, real, inside",
    [
        (".", "ws", True),
        ("a/b", "ws/a/b", True),
        ("in/x", "ws/sub/x", True),
        ("sub/../x", "ws/x", True),
        ("{top}/ws/x", "ws/x", True),
        ("{top}/alias/x", "ws/x", True),
        ("{top}/extra/x", "extra/x", True),
        ("..", "", False),
        ("../ws2/x", "ws2/x", False),
        ("out/x", "outside/x", False),
        ("out/../x", "x", False),
        ("~/x", "ws/~/x", True),
        ("$HOME", "ws/$HOME", True),
    ],
)
def test_paths_are_resolved_and_confined(
    workspace: Workspace, tmp_path: Path, path: str, real: str, inside: bool
) -> None:
    resolved = workspace.resolve(path.replace("{top}", str(tmp_path)))

    assert resolved == (tmp_path / real).resolve()
    assert workspace.contains(resolved) is inside


@pytest.mark.parametrize("path", ["", "a\0"])
def test_what_is_no_path_is_refused(workspace: Workspace, path: str) -> None:
    with pytest.raises(ToolError):
        workspace.resolve(path)


def test_paths_are_shown_relative_to_the_root(workspace: Workspace, tmp_path: Path) -> None:
    assert workspace.show(workspace.root / "a" / "b") == "a/b"
    assert workspace.show(workspace.root) == "."
    assert workspace.show(tmp_path / "extra" / "x") == str(tmp_path / "extra" / "x")


def test_digests_differ_with_the_content() -> None:
    assert digest(b"a") == digest(b"a") != digest(b"b")


def test_a_path_longer_than_any_is_refused_at_once(workspace: Workspace) -> None:
    with pytest.raises(ToolError, match="1,000,000 characters"):
        workspace.resolve("a/" * 500_000)
