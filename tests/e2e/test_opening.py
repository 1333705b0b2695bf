"""How large the first request is, by the model's window; counted with Qwen's tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from program import Program, repository
from tokens import tokens

import qcode
from qcode.tiers import tier_for, tiers

MOST = {8192: 800, 16_384: 1_100, 32_768: 1_100, 131_072: 1_100}
"""Tokens of the first request with no instructions of a project's and no map, by window."""


def first_request(
    work: Path, window: int, *, request: str = "say hello", with_map: bool = False
) -> dict[str, Any]:
    config = work.parent / "config.toml"
    config.write_text(f"context_window = {window}\nmap = {str(with_map).lower()}\n")
    with scripted.ScriptedServer([scripted.text("Hello.")]) as server:
        program = Program(work, server.base_url, environ={"QCODE_SURROUNDINGS": "1"})
        ended = program.run("--config", str(config), "run", "--no-memory", request)
    assert ended.code == 0, ended.err
    body: dict[str, Any] = server.requests[0].json
    return body


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return repository(folder, {"a.py": "def f():\n    return 1\n"})


@pytest.mark.parametrize("window, most", MOST.items())
def test_the_first_request_is_small(work: Path, window: int, most: int) -> None:
    body = first_request(work, window)

    told = [tool["function"]["name"] for tool in body["tools"]]
    assert told == list(tier_for(window).tools)
    assert 300 < tokens(body) <= most
    read = next(tool for tool in body["tools"] if tool["function"]["name"] == "read_file")
    lines = tier_for(window).sizes.read_lines
    assert f"first {lines} lines" in read["function"]["description"]


@pytest.mark.parametrize("window, most", {16_384: 1_900, 32_768: 2_500, 131_072: 2_500}.items())
def test_the_first_request_with_a_map_is_bounded(tmp_path: Path, window: int, most: int) -> None:
    """On qcode's own modules, which are more than the map has room for."""
    work = tmp_path / "work"
    own = Path(qcode.__file__).parent
    modules = [*own.glob("*.py"), *(own / "providers").glob("*.py")]
    repository(work, {str(file.relative_to(own)): file.read_text() for file in modules})
    request = "a 429 is retried although the budget in providers/retry.py is used up"

    without = tokens(first_request(work, window, request=request))
    body = first_request(work, window, request=request, with_map=True)

    assert "providers/retry.py:" in body["messages"][1]["content"]
    share = tier_for(window).map_tokens
    assert 0.5 * share < tokens(body) - without <= 1.4 * share
    assert tokens(body) <= most


def test_the_same_is_sent_in_every_session(work: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    repository(other, {"b.go": "package b\n"})
    bodies = [first_request(folder, 32_768) for folder in (work, work, other)]

    heads = {json.dumps([body["tools"], body["messages"][0]]) for body in bodies}
    assert len(heads) == 1


def test_windows_of_every_size_have_a_tier_and_larger_ones_show_no_less() -> None:
    assert [tier_for(size).name for size in (1, 12_000, 12_001, 32_768, 131_072, 10**7)] == [
        "8k", "8k", "16k", "32k", "128k", "128k",
    ]  # fmt: skip
    assert tier_for(None).name == "32k"
    for smaller, larger in zip(tiers(), tiers()[1:], strict=False):
        assert set(smaller.tools) <= set(larger.tools)
        assert smaller.memory_tokens < larger.memory_tokens
        assert smaller.pointed_tokens < larger.pointed_tokens
        for field in smaller.sizes.__match_args__:
            assert getattr(smaller.sizes, field) <= getattr(larger.sizes, field)
    for tier in tiers()[:-1]:
        assert tier.up_to is not None
        assert tier.memory_tokens + tier.pointed_tokens + tier.map_tokens < tier.up_to / 2
