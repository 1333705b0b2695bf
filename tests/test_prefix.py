"""Whatever happens in a session, each request begins with all of the one before it."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted

from qcode.approvals import Nobody
from qcode.cli.chosen import Chosen
from qcode.cli.start import open_session
from qcode.config import Settings
from qcode.permissions import Mode
from qcode.providers.prefix import described, first_difference
from qcode.providers.registry import Target, make_provider
from qcode.sandbox.policy import Level


class Erratic:
    """A model that does anything, right or wrong, and a server that fails at times."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def __call__(self, seen: scripted.Seen) -> scripted.Reply:
        chance = self.random
        match chance.randrange(14):
            case 0:
                return scripted.fault(500, "overloaded")
            case 1:
                return scripted.cut(scripted.text("Half an answer."))
            case 2:
                return scripted.empty()
            case 3:
                return scripted.call("no_such_tool", what="?")
            case 4:
                return scripted.calls(("read_file", '{"file_path": "a.'))
            case 5:
                return scripted.calls(
                    ("read_file", {"file_path": "a.txt"}), ("glob", {"pattern": "*"})
                )
            case 6:
                return scripted.call("edit", file_path="a.txt", old_string="x", new_string="y")
            case 7:
                text = f"line {chance.random()}\n"
                return scripted.call("write_file", file_path="b.txt", content=text)
            case 8:
                return scripted.call("run_shell_command", command="echo grüße; exit 3")
            case 9:
                return scripted.text('<tool_call>{"name": "glob", "arguments": {}}</tool_call>')
            case 10:
                return scripted.text("Let me look at it first.")
            case _:
                return scripted.text(f"Done {chance.random()}.", reasoning="Hm.")


def chosen(base_url: str, model: str) -> Chosen:
    return Chosen(Target(model=model, base_url=base_url, api_key=None, kind="chat"), 131_072)


async def live(folder: Path, base_url: str, chance: random.Random) -> None:
    """Hold a session of some turns, some of them interrupted, with other models in between."""
    settings = Settings(
        sandbox=Level.OFF, checkpoints=False, approval_mode=Mode.YOLO, tool_protocol="native"
    )
    session = open_session(
        settings, chosen(base_url, "one"), Nobody(), cwd=folder, added=(), note=lambda _: None
    )
    try:
        for turn in range(4):
            if chance.random() < 0.3:
                target = chosen(base_url, f"model-{turn}").target
                before, session.agent.provider = (
                    session.agent.provider,
                    make_provider(target, session_key=session.id, tool_protocol="native"),
                )
                await before.close()
            stop_at = chance.choice([None, None, 1, 4, 9, 15])
            held = len(session.history.messages)
            async with aclosing(session.send(f"turn {turn}")) as events:
                count = 0
                async for _event in events:
                    count += 1
                    if count == stop_at:
                        session.interrupt()
            assert len(session.history.messages) >= held
    finally:
        await session.close()


def split(raw: bytes) -> tuple[bytes, bytes]:
    """Return what stands in a body before the messages, and the messages without their end."""
    top, mark, rest = raw.partition(b'"messages":[')
    assert mark
    whole = json.loads(raw)["messages"]
    text = json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()
    assert rest.startswith(text[1:-1])  # so that it is the bytes that are compared
    return top, text[1:-1]


def without_model(top: bytes) -> Any:
    return {**json.loads(top + b'"messages":[]}'), "model": ""}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_each_request_begins_with_the_one_before(seed: int, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x\n")
    with scripted.ScriptedServer(Erratic(seed)) as server:
        asyncio.run(live(tmp_path, server.base_url, random.Random(seed)))
        raws = [seen.raw for seen in server.requests]

    assert raws
    # A request that was given up may come to the server after the one that followed it. As
    # the history never shrinks, the number of messages says which was sent first.
    raws.sort(key=lambda raw: len(json.loads(raw)["messages"]))
    for before, now in pairwise(raws):
        (top, said), (top_now, said_now) = split(before), split(now)
        assert without_model(top) == without_model(top_now)
        if json.loads(before)["model"] == json.loads(now)["model"]:
            assert top == top_now
        assert said_now.startswith(said), described(said, said_now)


def test_the_first_byte_that_differs_is_named() -> None:
    assert first_difference(b"abc", b"abcd") is None
    assert first_difference(b"abcd", b"abc") == 3
    assert first_difference(b"abcd", b"abXd") == 2
    assert described(b"same", b"same and more") == ""
    assert described(b'{"a":1,"b":2}', b'{"a":1,"c":2}') == (
        "the server has to read anew from byte 8 of 13: there was 'b\":2}', now there is 'c\":2}'"
    )
