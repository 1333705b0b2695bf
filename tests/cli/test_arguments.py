from __future__ import annotations

import os
from pathlib import Path

import pytest

from qcode import paths, profiles
from qcode.cli.arguments import Arguments, models, sessions, usual
from qcode.journal import writing
from qcode.messages import UserMessage, to_json
from qcode.profiles import Profile


def test_modes_and_formats_never_change() -> None:
    known = Arguments({})

    assert [text for text, _ in known("mode", "")] == ["plan", "default", "auto-edit", "yolo"]
    assert [text for text, _ in known("export", "")] == ["md", "json", "html"]
    assert known("nothing", "x") == []


def test_what_is_on_disk_is_looked_for_once_in_a_while() -> None:
    asked = []

    def look() -> list[tuple[str, str]]:
        asked.append(1)
        return [("one", "the first")]

    known = Arguments({"resume": look})

    assert known("resume", "") == known("resume", "o") == [("one", "the first")]
    assert len(asked) == 1


def test_models_in_use_come_before_those_examined_once() -> None:
    profiles.save(Profile("http://localhost:1/v1", "old", "2026-01-01T00:00:00Z"))
    profiles.save(Profile("", "p/newer", "2026-02-01T00:00:00Z"))
    (Path(os.environ["XDG_CACHE_HOME"]) / "qcode/profiles/broken.json").write_text("{")

    assert models(["mine", "", "mine"]) == [
        ("mine", "in use"),
        ("p/newer", "examined by qcode doctor"),
        ("old", "http://localhost:1/v1"),
    ]


def test_models_that_a_key_or_ones_own_file_opens_are_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert models([]) == []
    paths.config_dir().mkdir(parents=True)
    paths.models_file().write_text('[house]\nbase_url = "http://10.0.0.5/v1"\n')
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-x")

    found = models([])

    assert ("anthropic/claude-opus-4-6", "Claude Opus 4.6") in found
    assert ("house", "http://10.0.0.5/v1") in found
    assert {name.partition("/")[0] for name, _ in found} == {"anthropic", "house"}
    paths.models_file().write_text("[broken")
    assert models(["mine"])[0] == ("mine", "in use")


def test_sessions_of_this_directory_come_first(tmp_path: Path) -> None:
    for name, cwd, said in (
        ("a", tmp_path, "here"),
        ("b", "/elsewhere", "there"),
        ("c", tmp_path, ""),
    ):
        header = {"id": name, "cwd": str(cwd), "model": "m", "created": "", "system": ""}
        opened = writing.Journal.create(
            Path(os.environ["XDG_STATE_HOME"]) / "qcode/sessions", header
        )
        if said:
            opened.write({"type": "message", **to_json(UserMessage(said))})
        opened.close()

    found = sessions(Path(os.environ["XDG_STATE_HOME"]) / "qcode/sessions", tmp_path)

    assert [title for _, title in found] == ["here", "there"]
    assert usual(tmp_path, lambda: ())("resume", "") == found
