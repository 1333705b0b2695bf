from __future__ import annotations

from pathlib import Path

import pytest

from qcode.sandbox.patterns import Patterns
from qcode.sandbox.protected import Protected

ROOT = Path("/home/me/.claude/work")


def protected(*globs: str) -> Protected:
    return Protected([ROOT, Path("/added")], globs, home=Path("/home/me"))


@pytest.mark.parametrize(
    "path",
    [
        ".qcode/config.toml", ".QCODE/x", ".git/hooks/x", ".Git", ".git./x", ".git ./x", ".vscode ",
        "sub/.vscode/x", "sub/.git/HEAD", "GIT~1/config", ".g\u200cit/config", ".git::$INDEX/x",
        ".envrc", ".mcp.json", ".gitmodules", ".husky/pre-commit", "a/../.git/config",
    ],
)  # fmt: skip
def test_names_that_are_obeyed_later_are_protected_however_they_are_written(path: str) -> None:
    assert "decides what is run" in protected().reason(ROOT / path)
    assert protected().reason(Path("/elsewhere") / path)


@pytest.mark.parametrize(
    "path",
    ["a.py", ".gitignore", ".gitattributes", ".github/workflows/x.yml", "git/hooks/x", ".env",
     ".vscodex/a", "x.git/config", ".git/../a"],
)  # fmt: skip
def test_other_names_are_not(path: str) -> None:
    assert protected().reason(ROOT / path) == ""


def test_a_rule_of_a_person_is_named() -> None:
    assert protected("src/gen/**").reason(ROOT / "src/gen/a/b.py") == (
        "the rule src/gen/** denies it"
    )
    assert protected("src/gen/**").reason(ROOT / "src/genuine.py") == ""


@pytest.mark.parametrize(
    "pattern, path, is_meant",
    [
        ("*.pem", "/w/a/b.pem", True),
        ("*.pem", "/w/b.pem/inside", True),
        ("*.pem", "/elsewhere/b.pem", False),
        ("secrets", "/w/x/secrets/y", True),
        ("secrets", "/w/secrets2", False),
        ("config/*", "/w/config/a", True),
        ("config/*", "/w/config/a/b", True),
        ("config/*", "/w/x/config/a", False),
        ("config/**", "/w/config", True),
        ("./config", "/w/config/a", True),
        ("./config", "/w/x/config", False),
        ("**/keys/*.txt", "/w/keys/a.txt", True),
        ("**/keys/*.txt", "/w/a/b/keys/a.txt", True),
        ("**/keys/*.txt", "/w/a/b/keys/c/a.txt", False),
        ("a?c", "/w/abc", True),
        ("a?c", "/w/a/c", False),
        ("a[!b]c/", "/w/axc", True),
        ("a[!b]c", "/w/abc", False),
        ("[z-a]", "/w/[z-a]", True),
        ("~/notes", "/h/notes/x", True),
        ("/srv/**", "/srv", True),
        ("/srv/data", "/srv/data2", False),
        ("", "/w/a", False),
    ],
)
def test_what_patterns_mean(pattern: str, path: str, is_meant: bool) -> None:
    patterns = Patterns([pattern], roots=[Path("/w")], home=Path("/h"))

    assert patterns.match(path) == (pattern if is_meant else "")
    if is_meant and not pattern.startswith(("/", "~")):
        parts = path.removeprefix("/w/").split("/")
        assert any(patterns.may_name(part) for part in parts)
