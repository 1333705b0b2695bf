from __future__ import annotations

from pathlib import Path

import pytest

from qcode import paths


def test_folders_follow_the_xdg_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere/data")

    assert paths.data_dir() == Path("/somewhere/data/qcode")


@pytest.mark.parametrize("value", ["", "relative/path"])
def test_empty_and_relative_values_count_as_unset(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CONFIG", "STATE", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", value)

    assert (paths.config_dir(), paths.state_dir(), paths.data_dir(), paths.cache_dir()) == (
        Path.home() / ".config/qcode",
        Path.home() / ".local/state/qcode",
        Path.home() / ".local/share/qcode",
        Path.home() / ".cache/qcode",
    )


def test_the_hub_can_be_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9/")
    monkeypatch.setenv("HF_TOKEN", "")

    assert paths.hub_address() == ("http://127.0.0.1:9", None)
