from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from qcode import events
from qcode.messages import Usage
from qcode.ui.standing import Standing


def session(window: int | None = 65_536, cost: float | None = None) -> Any:
    agent = SimpleNamespace(
        provider=SimpleNamespace(model="org/some-model"),
        mode="default",
        boundary=SimpleNamespace(label="bubblewrap, no network"),
        compactor=SimpleNamespace(window=window),
    )
    history = SimpleNamespace(usage=Usage(cost_usd=cost))
    return cast("Any", SimpleNamespace(agent=agent, history=history))


@pytest.mark.parametrize(
    "window, said", [(65_536, "64k"), (131_072, "128k"), (200_000, "200k"), (1_000_000, "1000k")]
)
def test_a_window_is_said_as_people_do(tmp_path: Path, window: int, said: str) -> None:
    standing = Standing(tmp_path)
    standing.of(session(window))
    standing.handle(events.UsageReported(Usage(window // 2, 0, window // 4), Usage()))

    line = standing.line(200)

    assert line == f"some-model · default · bubblewrap · 50 % of {said} · 50 % reused"


def test_what_matters_least_goes_first(tmp_path: Path) -> None:
    standing = Standing(tmp_path)
    standing.of(session(cost=0.25))
    standing.handle(events.UsageReported(Usage(1000, 0, 500), Usage()))

    assert standing.line(200).endswith("· 50 % reused · $0.25")
    assert standing.line(55) == "some-model · default · bubblewrap · 2 % of 64k · $0.25"
    assert standing.line(42) == "some-model · default · 2 % of 64k · $0.25"
    assert standing.line(5) == "some-model · default"
    assert Standing(tmp_path).line(80) == ""


def test_the_room_is_that_of_the_sessions_model(tmp_path: Path) -> None:
    standing = Standing(tmp_path)
    standing.of(session(cost=0.25))
    standing.handle(events.UsageReported(Usage(32_768, 0, 16_384), Usage()))
    standing.handle(events.UsageReported(Usage(600, 0, 0), Usage(), "stronger step"))

    assert standing.line(200).endswith("50 % of 64k · 50 % reused · $0.25")
