from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from qcode.errors import UsageError
from qcode.evals.harness.scripted_model import ScriptedModel


def asked(model: ScriptedModel, *messages: str, stream: bool = False) -> Any:
    body = {"messages": [{"role": "user", "content": each} for each in messages], "stream": stream}
    request = urllib.request.Request(
        f"{model.base_url}/chat/completions", json.dumps(body).encode()
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        text = reply.read().decode()
    if not stream:
        return json.loads(text)
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def test_turns_are_played_in_order_and_the_last_words_are_said_again() -> None:
    script: list[Any] = [
        {"text": "I look.", "calls": [{"tool": "read", "path": "a.py"}]},
        {"calls": [{"tool": "glob", "arguments": {"pattern": "*"}}]},
        {"text": "Over."},
    ]
    with ScriptedModel(script) as model:
        choices = [asked(model, "x")["choices"][0] for _ in range(4)]

    assert [choice["finish_reason"] for choice in choices] == ["tool_calls"] * 2 + ["stop"] * 2
    calls = [each["message"]["tool_calls"][0]["function"] for each in choices[:2]]
    assert calls == [
        {"name": "read_file", "arguments": '{"file_path": "a.py"}'},
        {"name": "glob", "arguments": '{"pattern": "*"}'},
    ]
    assert [each["message"]["content"] for each in choices] == ["I look.", None, "Over.", "Over."]


def test_a_stream_says_the_same(tmp_path: Path) -> None:
    script = [{"text": "Hi.", "calls": [{"tool": "edit", "arguments": '{"torn": '}]}]
    with ScriptedModel(script, tmp_path / "requests") as model:
        chunks = asked(model, "one", "two", stream=True)

    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert deltas[0]["content"] == "Hi."
    assert deltas[1]["tool_calls"][0]["function"] == {"name": "edit", "arguments": '{"torn": '}
    assert chunks[-1]["usage"]["prompt_tokens"] == 200
    (line,) = (tmp_path / "requests").read_text().splitlines()
    assert [each["content"] for each in json.loads(line)["messages"]] == ["one", "two"]


def test_what_was_read_before_counts_as_cached() -> None:
    with ScriptedModel([]) as model:
        first, second = asked(model, "a"), asked(model, "a", "b", "c")

    assert first["usage"]["prompt_tokens_details"] == {"cached_tokens": 0}
    assert second["usage"]["prompt_tokens_details"] == {"cached_tokens": 100}


@pytest.mark.parametrize("call", [{"tool": "read"}, {"tool": "fly", "path": "x"}, {}])
def test_a_call_that_is_none_is_an_error(call: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="a call of a script lacks or does not know"):
        ScriptedModel([{"calls": [call]}])
