"""The measurement of the prompt cache tells a server that reads anew from one that does not."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest
import scripted_server as scripted

from qcode.evals.bench_prefix import COMPACTED, rows, table
from qcode.evals.bench_prefix_wire import Wire

Json = dict[str, Any]


def rendered(seen: scripted.Seen) -> scripted.Reply:
    """Stand in for a chat template: a word a message."""
    words = " ".join(f"{m['role']}:{m['content']}" for m in seen.json["messages"])
    return scripted.Whole(json.dumps({"prompt": f"{words} assistant:"}).encode())


def tokenized(seen: scripted.Seen) -> scripted.Reply:
    """Stand in for a tokenizer: a token a letter."""
    return scripted.Whole(json.dumps({"tokens": list(map(ord, seen.json["content"]))}).encode())


def answer(text: str, cached: int, read: int, written: int) -> scripted.Stream:
    timings = {"cache_n": cached, "prompt_n": read, "predicted_n": written}
    return scripted.stream(
        *(scripted.delta(content=letter) for letter in text), {"timings": timings, "choices": []}
    )


def ask(wire: Wire, *messages: tuple[str, str]) -> None:
    body = {"stream": True, "messages": [{"role": r, "content": c} for r, c in messages]}
    host, port = wire.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    connection = http.client.HTTPConnection(host, int(port))
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    assert b"[DONE]" in connection.getresponse().read()
    connection.close()


FIRST = len("user:hi assistant:")
SECOND = len("user:hi assistant:yes user:more assistant:")
NEW = SECOND - FIRST - 3
"""The answer `yes` has three tokens and its end, which nobody reads."""


@pytest.mark.parametrize(
    "reread, back, fails",
    [
        (0, "yes", False),
        (8, "yes", False),
        (FIRST, "yes", True),
        (10, "yea", False),
        (FIRST, "yea", True),
    ],
)
def test_what_is_read_beyond_the_new_is_found(reread: int, back: str, fails: bool) -> None:
    script = [
        answer("yes", 0, FIRST, 4),
        answer("ok", SECOND - NEW - reread, NEW + reread, 3),
    ]
    routes = {"/apply-template": rendered, "/tokenize": tokenized}
    with scripted.ScriptedServer(script, routes=routes) as server:
        wire = Wire(server.base_url)
        try:
            ask(wire, ("user", "hi"))
            ask(wire, ("user", "hi"), ("assistant", back), ("user", "more"))
            found = rows(wire, [(0, "hi"), (1, "more")])
            compacted = rows(wire, [(0, "hi"), (1, COMPACTED)])
        finally:
            wire.close()

    first, second = found
    assert (first.anew, first.fails, first.prompt, first.read) == (True, False, FIRST, FIRST)
    assert (second.what, second.new, second.excess) == ("more", NEW, reread)
    assert second.fails == fails
    assert (" FAILS" in table(found)) == fails
    assert bool(second.changed) == (back != "yes")
    assert not compacted[1].fails
