from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
import scripted_server as server_of
from asking import READ, ask, request
from hypothesis import given
from hypothesis import strategies as st

from qcode.messages import AssistantMessage, Image, Message, ToolCall, ToolMessage, UserMessage
from qcode.providers import Request
from qcode.providers.chat import ChatProvider
from qcode.providers.chat_body import BodyRenderer, Dialect, render_message, safe_arguments

CALL = ToolCall("call_1", "read_file", '{"file_path": "a.py"}')
HISTORY: list[Message] = [
    UserMessage("Look at a.py – grüßen"),
    AssistantMessage("", "It is short.", (CALL,)),
    ToolMessage("call_1", "read_file", "1: x\n"),
    AssistantMessage("It sets x."),
]


def render(asked: Request, *, dialect: Dialect | None = None, **extra: object) -> Any:
    return json.loads(BodyRenderer("m", extra, dialect or Dialect()).render(asked))


def test_the_body_as_sent() -> None:
    with server_of.ScriptedServer([server_of.text("ok")]) as server:
        provider = ChatProvider(
            base_url=server.base_url, model="m", local=False, extra_body={"temperature": 0.2}
        )
        ask(provider, request(*HISTORY))

    assert server.requests[0].raw.decode() == (
        '{"model":"m","stream":true,"stream_options":{"include_usage":true},"max_tokens":100,'
        '"temperature":0.2,"tools":[{"type":"function","function":{"name":"read_file",'
        '"description":"Read a file.","parameters":{"type":"object","properties":'
        '{"file_path":{"type":"string"}}}}}],"messages":['
        '{"role":"system","content":"Be brief."},'
        '{"role":"user","content":"Look at a.py – grüßen"},'
        '{"role":"assistant","content":"","tool_calls":[{"id":"call_1","type":"function",'
        '"function":{"name":"read_file","arguments":"{\\"file_path\\": \\"a.py\\"}"}}]},'
        '{"role":"tool","tool_call_id":"call_1","content":"1: x\\n"},'
        '{"role":"assistant","content":"It sets x."}]}'
    )


def test_what_is_not_there_is_left_out() -> None:
    body = render(request(UserMessage("Hi"), system="", tools=()))

    assert body == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hi"}],
    }


def test_an_extra_body_cannot_take_over_the_conversation() -> None:
    body = render(request(), messages=[], model="other", stream=False, max_tokens=7, top_p=0.5)

    assert (body["model"], body["stream"], len(body["messages"])) == ("m", True, 2)
    assert (body["max_tokens"], body["top_p"]) == (7, 0.5)


def test_reasoning_goes_back_only_when_asked_for() -> None:
    sent = Dialect(send_reasoning="always")

    assert "reasoning_content" not in render_message(HISTORY[1], Dialect())
    assert render_message(HISTORY[1], sent)["reasoning_content"] == "It is short."


def test_an_empty_answer_has_empty_content() -> None:
    assert render_message(AssistantMessage(interrupted=True), Dialect()) == {
        "role": "assistant",
        "content": "",
    }


@pytest.mark.parametrize(
    "written, sent",
    [
        ('{"a": 1}', '{"a": 1}'),
        ("", "{}"),
        ('{"a": ', '{"_malformed": "{\\"a\\": "}'),
        ('["a"]', '{"_malformed": "[\\"a\\"]"}'),
        ('{"a": NaN}', '{"_malformed": "{\\"a\\": NaN}"}'),
        ("[" * 100_000, None),
        ('{"a": "\\ud83e\\udd89"}', '{"a": "\\ud83e\\udd89"}'),
        ('{"a": "\\ud83e"}', '{"a": "\ufffd"}'),
    ],
)
def test_arguments_are_sent_as_an_object(written: str, sent: str | None) -> None:
    safe = safe_arguments(written)

    assert isinstance(json.loads(safe), dict)
    assert sent is None or safe == sent


def test_half_a_surrogate_pair_does_not_stop_a_session() -> None:
    body = render(request(UserMessage("a\ud83eb"), UserMessage("\ud83e\udd89")))

    assert [m["content"] for m in body["messages"][1:]] == ["a\ufffdb", "🦉"]


TEXT = st.text(st.characters(), max_size=20)
CALLS = st.lists(st.builds(ToolCall, TEXT, TEXT, TEXT), max_size=2).map(tuple)
MESSAGES: st.SearchStrategy[list[Message]] = st.lists(
    st.one_of(
        st.builds(UserMessage, TEXT),
        st.builds(AssistantMessage, TEXT, TEXT, CALLS),
        st.builds(ToolMessage, TEXT, TEXT, TEXT),
    ),
    max_size=8,
)


@given(MESSAGES, TEXT, st.booleans())
def test_each_body_begins_with_the_one_before(
    messages: list[Message], system: str, with_tools: bool
) -> None:
    renderer = BodyRenderer("m", {}, Dialect())
    tools = (READ,) if with_tools else ()
    bodies = [
        renderer.render(Request(system, messages[:n], tools, 10)) for n in range(len(messages) + 1)
    ]

    for before, after in pairwise(bodies):
        assert after.startswith(before.removesuffix(b"]}"))
    assert bodies[-1] == BodyRenderer("m", {}, Dialect()).render(
        Request(system, messages, tools, 10)
    )
    assert json.loads(bodies[-1])["max_tokens"] == 10


@given(MESSAGES, MESSAGES, st.booleans())
def test_a_changed_history_is_rendered_as_if_new(
    first: list[Message], second: list[Message], same_system: bool
) -> None:
    renderer = BodyRenderer("m", {}, Dialect())
    renderer.render(Request("s", first, (READ,), 10))
    asked = Request("s" if same_system else "t", [*first[:2], *second], (READ,), 10)

    assert renderer.render(asked) == BodyRenderer("m", {}, Dialect()).render(asked)


def test_bytes_are_kept_from_step_to_step_over_the_wire() -> None:
    script = [server_of.text("ok")] * 3
    with server_of.ScriptedServer(script) as server:
        provider = ChatProvider(base_url=server.base_url, model="m")
        ask(provider, *(request(*HISTORY[:n]) for n in (1, 3, 4)))

    assert len(server.requests) == 3
    for before, after in pairwise(server.requests):
        assert after.raw.startswith(before.raw.removesuffix(b"]}"))


def test_pictures_stand_behind_the_text() -> None:
    picture = Image("a.png", "image/png", "aGk=")

    body = render(request(UserMessage("Look", images=(picture,)), system="", tools=()))

    assert body["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
            ],
        }
    ]
