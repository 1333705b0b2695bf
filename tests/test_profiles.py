from __future__ import annotations

import json
from pathlib import Path

import pytest

from qcode import profiles
from qcode.profiles import Profile

FULL = Profile(
    "http://127.0.0.1:8080/v1",
    "owner/model:7b",
    "2026-01-02T03:04:05Z",
    server="llama.cpp",
    version="b1",
    protocol="prompted",
    style="hermes",
    plain_schemas=True,
    context_window=16_384,
    parallel_calls=False,
    reasoning="reasoning_content",
    prompt_cache=True,
    prefill_tps=250.5,
    generation_tps=12,
)


def test_what_was_saved_is_loaded() -> None:
    file = profiles.save(FULL)

    assert profiles.load(FULL.base_url, FULL.model) == FULL
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_what_is_not_known_stays_so() -> None:
    bare = Profile("", "provider/model", "2026-01-02T03:04:05Z")
    profiles.save(bare)

    assert profiles.load(None, "provider/model") == bare


def test_a_slash_at_the_end_of_the_url_means_nothing() -> None:
    profiles.save(FULL)

    assert profiles.load(f"{FULL.base_url}/", FULL.model) == FULL


@pytest.mark.parametrize(
    "base_url, model", [("http://127.0.0.1:8081/v1", FULL.model), (FULL.base_url, "owner/model")]
)
def test_another_endpoint_or_model_has_none(base_url: str, model: str) -> None:
    profiles.save(FULL)

    assert profiles.load(base_url, model) is None


def test_the_file_of_another_counts_as_none() -> None:
    file = profiles.save(FULL)
    other = profiles.save(Profile(FULL.base_url, "other", "2026-01-02T03:04:05Z"))
    other.write_bytes(file.read_bytes())

    assert profiles.load(FULL.base_url, "other") is None


@pytest.mark.parametrize(
    "change",
    [
        {"version_of_format": 2},
        {"protocol": "telepathy"},
        {"context_window": "16384"},
        {"context_window": True},
        {"context_window": -1},
        {"prefill_tps": [1]},
        {"model": None},
        {"unheard_of": 1},
    ],
)
def test_a_file_with_wrong_values_counts_as_none(change: dict[str, object]) -> None:
    file = profiles.save(FULL)
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))

    assert profiles.load(FULL.base_url, FULL.model) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 60_000])
def test_a_damaged_file_counts_as_none(content: bytes) -> None:
    profiles.save(FULL).write_bytes(content)

    assert profiles.load(FULL.base_url, FULL.model) is None


def test_a_profile_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    file = profiles.save(FULL)
    file.unlink()
    file.mkdir()

    with pytest.raises(OSError, match="directory"):
        profiles.save(FULL)
    assert [one.name for one in file.parent.iterdir()] == [file.name]
