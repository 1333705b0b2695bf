"""A long task in a small window: real files and commands, and a server that refuses too much."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from program import Program, repository, sessions

from qcode.journal.loading import load

REQUEST = "Count what is in every file. Never touch setup.cfg."
STEPS = 30


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    lines = "".join(f"value_{number} = {number}\n" for number in range(400))
    return repository(folder, {f"part{number}.py": lines for number in range(STEPS)})


class Model:
    """Reads file by file; its server knows how long a request may be."""

    def __init__(self, window: int, *, counts: bool) -> None:
        self.window = window
        self.counts = counts
        self.refused = 0
        self.sizes: list[int] = []
        self.bodies: list[Any] = []
        self.step = 0

    def __call__(self, seen: scripted.Seen) -> scripted.Reply:
        body = seen.json
        tokens = len(json.dumps(body["messages"]) + json.dumps(body["tools"])) // 3
        if tokens > self.window:
            self.refused += 1
            said = f"the request exceeds the available context size ({self.window} tokens)"
            return scripted.fault(400, said)
        self.sizes.append(tokens)
        self.bodies.append(body)
        usage = {"prompt_tokens": tokens, "completion_tokens": 20} if self.counts else None
        if self.step == STEPS:
            return scripted.text("All counted.", usage=usage)
        path = f"part{self.step}.py"
        self.step += 1
        return scripted.calls(("read_file", {"file_path": path}), usage=usage)


def run(work: Path, model: Model, window: int | None) -> Any:
    config = work.parent / "config.toml"
    config.write_text(f"context_window = {window}\n" if window else "")
    with scripted.ScriptedServer(model) as server:
        return Program(work, server.base_url).run(
            "--config", str(config), "run", "-y", "-o", "stream-json", REQUEST
        )


@pytest.mark.parametrize("counts", [True, False])
def test_a_task_longer_than_the_window_is_done(work: Path, counts: bool) -> None:
    model = Model(8192, counts=counts)
    ended = run(work, model, 8192)

    assert ended.code == 0, ended.err
    assert ended.lines()[-1]["result"] == "All counted."
    assert model.refused <= (0 if counts else 2)
    assert max(model.sizes) <= 8192
    assert all(REQUEST in json.dumps(body["messages"]) for body in model.bodies)
    last = json.dumps(model.bodies[-1]["messages"], ensure_ascii=False)
    assert "part0.py" in last  # although it was read first
    assert "read 1×" in last
    told = [
        [tool["function"]["name"] for tool in body["tools"]]
        for body in (model.bodies[0], model.bodies[-1])
    ]
    assert told[1] == [*told[0], "recall"]


def test_a_window_that_nobody_told_is_learnt_once(work: Path) -> None:
    model = Model(12_000, counts=True)
    ended = run(work, model, None)

    assert ended.code == 0, ended.err
    assert model.refused == 1
    assert ended.lines()[-1]["result"] == "All counted."


def test_between_two_compactions_requests_only_grow(work: Path) -> None:
    model = Model(8192, counts=True)
    run(work, model, 8192)

    rewritten = sum(
        later["messages"][: len(earlier["messages"])] != earlier["messages"]
        for earlier, later in zip(model.bodies, model.bodies[1:], strict=False)
    )
    assert 1 <= rewritten <= STEPS // 2


def test_a_compacted_session_goes_on_as_it_was(work: Path) -> None:
    model = Model(8192, counts=True)
    run(work, model, 8192)
    (path,) = sessions()
    loaded = load(path)

    assert len(loaded.conversation.everything()) == 2 * STEPS + 2
    assert len(loaded.messages) < STEPS
    body = model.bodies[-1]["messages"]
    assert [m["role"] for m in body[1:]] == [
        {"UserMessage": "user", "AssistantMessage": "assistant", "ToolMessage": "tool"}[
            type(message).__name__
        ]
        for message in loaded.messages[:-1]
    ]
    assert loaded.messages[0].told == body[1]["content"]  # type: ignore[union-attr]
