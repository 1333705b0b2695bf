from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import scripted_server as server_of
from asking import READ, ask, request
from hypothesis import given
from hypothesis import strategies as st
from scripted_server import ScriptedServer

from qcode.messages import AssistantMessage, Message, Native, ToolCall, ToolMessage, UserMessage
from qcode.providers import Delta, Done, Request, TextPart, ToolSpec
from qcode.providers.chat import ChatProvider
from qcode.providers.chat_body import BodyRenderer, Dialect
from qcode.providers.prompted import Conversation, PromptedProvider
from qcode.providers.schemas import call_schema
from qcode.providers.styles import STYLES, style_for

SNAPSHOTS = Path(__file__).with_name("prompted")

EDIT = ToolSpec(
    "edit",
    "Replace text.",
    {
        "type": "object",
        "properties": {
            "file_path": {"type": "string"},
            "new_string": {"type": "string", "description": "exact"},
            "count": {"type": "integer"},
            "kinds": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
        },
        "required": ["file_path", "new_string"],
    },
)
CONVERSATION: list[Message] = [
    UserMessage("Fix a.py – grüßen"),
    AssistantMessage(
        "I read both.",
        "Hm.",
        (
            ToolCall("call_1", "read_file", '{"file_path": "a.py"}'),
            ToolCall("call_2", "read_file", '{"file_path":"b.md"}'),
        ),
    ),
    ToolMessage("call_1", "read_file", "x = 1\n"),
    ToolMessage("call_2", "read_file", "no such file `b.md`", is_error=True),
    AssistantMessage(
        tool_calls=(
            ToolCall(
                "call_3",
                "edit",
                '{"file_path": "a.py", "new_string": "if x:\\n    y = \\"1\\"\\n", "count": 2,'
                ' "kinds": ["a"]}',
            ),
        )
    ),
    ToolMessage("call_3", "edit", "done\n```\nx\n```"),
    AssistantMessage(interrupted=True),
    UserMessage("Go on"),
    AssistantMessage("It is done."),
]


def provider_for(server: ScriptedServer, style: str | None = None) -> PromptedProvider:
    return PromptedProvider(ChatProvider(base_url=server.base_url, model="m"), style)


def shown(body: Any) -> str:
    return "".join(f"==== {m['role']}\n{m['content']}\n" for m in body["messages"])


@pytest.mark.parametrize("style", STYLES)
def test_what_a_style_sends_changes_only_on_purpose(style: str) -> None:
    with ScriptedServer([server_of.text("ok")]) as server:
        ask(provider_for(server, style), request(*CONVERSATION, tools=(READ, EDIT)))

    body = server.requests[0].json
    assert "tools" not in body
    assert [m.keys() for m in body["messages"]] == [{"role", "content"}] * len(body["messages"])
    assert shown(body) == (SNAPSHOTS / f"{style}.txt").read_text(encoding="utf-8")


def test_the_answer_passes_through() -> None:
    written = '<tool_call>\n{"name": "read_file", "arguments": {}}\n</tool_call>'
    with ScriptedServer([server_of.text(written, chunks=1)]) as server:
        deltas: list[Delta] = ask(provider_for(server), request())

    assert [d for d in deltas if not isinstance(d, Done)] == [TextPart(written)]


def test_a_forced_call_is_asked_for_by_its_schema() -> None:
    asked = Request("s", [UserMessage("u")], (READ, EDIT), 10, force_call=True)
    with ScriptedServer([server_of.text("{}")] * 2) as server:
        ask(provider_for(server), asked, request(tools=(READ, EDIT)))

    forced, free = (seen.raw.decode() for seen in server.requests)
    wanted = json.loads(forced)["response_format"]
    assert wanted == {
        "type": "json_schema",
        "json_schema": {"name": "tool_call", "schema": call_schema((READ, EDIT))},
    }
    assert forced.index('"response_format"') > forced.index('"messages"')
    assert "response_format" not in free


def test_without_tools_nothing_is_told_of_them() -> None:
    with ScriptedServer([server_of.text("ok")]) as server:
        ask(provider_for(server), request(tools=()))

    assert server.requests[0].json["messages"][0] == {"role": "system", "content": "Be brief."}


def test_an_answer_of_another_api_goes_back_as_text() -> None:
    call = ToolCall("c", "read_file", "{}")
    answer = AssistantMessage("a", tool_calls=(call,), native=Native("responses", ("{}",)))

    (rendered,) = Conversation(STYLES["hermes"]).render([answer])

    assert isinstance(rendered, AssistantMessage)
    assert (rendered.native, rendered.tool_calls) == (None, ())


@pytest.mark.parametrize(
    "model, style",
    [
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen3-coder"),
        ("qwen3-coder:30b", "qwen3-coder"),
        ("Qwen3.5-35B-A3B", "qwen3.5"),
        ("XiaomiMiMo/MiMo-V2-Flash", "qwen3.5"),
        ("qwen3-8b", "hermes"),
        ("qwen3-next-80b-a3b", "hermes"),
        ("Qwen2.5-72B-Instruct", "hermes"),
        ("NousResearch/Hermes-3-Llama-3.1-8B", "hermes"),
        ("/models/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf", "fenced"),
        ("codellama:latest", "fenced"),
        ("gemma-3-4b-it", "fenced"),
        ("zai-org/GLM-4.6", "glm"),
        ("glm-5", "glm"),
        ("glm-4-9b-chat", "hermes"),
        ("MiniMaxAI/MiniMax-M2", "minimax"),
        ("something-new", "hermes"),
    ],
)
def test_the_style_follows_from_the_models_name(model: str, style: str) -> None:
    assert style_for(model) == style


# ------------------------------------------------------------------ only growing

TEXT = st.text(st.characters(), max_size=12)
ARGUMENTS = st.one_of(TEXT, st.dictionaries(TEXT, TEXT | st.integers(), max_size=2).map(json.dumps))
MESSAGES: st.SearchStrategy[list[Message]] = st.lists(
    st.one_of(
        st.builds(UserMessage, TEXT),
        st.builds(
            AssistantMessage,
            TEXT,
            TEXT,
            st.lists(
                st.builds(ToolCall, TEXT, TEXT | st.just("read_file"), ARGUMENTS), max_size=2
            ).map(tuple),
        ),
        st.builds(ToolMessage, TEXT, TEXT, TEXT),
    ),
    max_size=8,
)
STEPS = st.lists(st.tuples(TEXT, TEXT, st.integers(1, 3)), min_size=1, max_size=4)


def bodies(style: str, histories: list[list[Message]]) -> list[bytes]:
    """Render each history, one after the other, as a session sends them."""
    prompted = PromptedProvider(ChatProvider(base_url="http://127.0.0.1:1/v1", model="m"), style)
    renderer = BodyRenderer("m", {}, Dialect())
    return [renderer.render(prompted.translate(request(*h))) for h in histories]


def alone(style: str, history: list[Message]) -> bytes:
    return bodies(style, [history])[0]


@given(STEPS, st.sampled_from(sorted(STYLES)))
def test_each_body_of_a_turn_begins_with_the_one_before(
    steps: list[tuple[str, str, int]], style: str
) -> None:
    history: list[Message] = [UserMessage("Do it")]
    histories = [list(history)]
    for text, result, count in steps:
        calls = tuple(ToolCall(f"c{n}", "read_file", '{"file_path": "a"}') for n in range(count))
        history.append(AssistantMessage(text, tool_calls=calls))
        history += [ToolMessage(call.id, call.name, result) for call in calls]
        histories.append(list(history))

    for before, after in pairwise(bodies(style, histories)):
        assert after.startswith(before.removesuffix(b"]}"))


@given(MESSAGES, st.sampled_from(sorted(STYLES)))
def test_of_any_history_at_most_the_last_text_goes_on(messages: list[Message], style: str) -> None:
    histories = [[UserMessage("u"), *messages[:n]] for n in range(len(messages) + 1)]

    sent = bodies(style, histories)

    for before, after in pairwise(sent):
        assert after.startswith(before.removesuffix(b'"}]}'))
    assert sent[-1] == alone(style, histories[-1])


@given(MESSAGES, st.sampled_from(sorted(STYLES)))
def test_roles_take_turns(messages: list[Message], style: str) -> None:
    rendered = Conversation(STYLES[style]).render(messages)

    assert all(isinstance(m, UserMessage | AssistantMessage) for m in rendered)
    assert all(type(a) is not type(b) for a, b in pairwise(rendered))


@given(MESSAGES, MESSAGES, st.sampled_from(sorted(STYLES)))
def test_a_changed_history_is_rendered_as_if_new(
    first: list[Message], second: list[Message], style: str
) -> None:
    conversation = Conversation(STYLES[style])
    conversation.render(first)
    changed = [*first[:2], *second]

    assert conversation.render(changed) == Conversation(STYLES[style]).render(changed)


def test_a_step_renders_only_what_is_new() -> None:
    conversation = Conversation(STYLES["hermes"])
    before = conversation.render(CONVERSATION[:4])
    after = conversation.render(CONVERSATION[:6])

    assert all(a is b for a, b in zip(before, after, strict=False))


def test_it_is_loaded_only_when_it_is_used() -> None:
    code = """
import sys
import qcode.providers.registry as registry
target = registry.resolve("m", "http://127.0.0.1:1/v1", {})
registry.make_provider(target, session_key="s")
late = ("prompted", "styles", "schemas", "refusals")
assert not [m for m in late if "qcode.providers." + m in sys.modules]
provider = registry.make_provider(target, session_key="s", tool_protocol="prompted")
print(type(provider).__name__, provider.model)
"""

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (out.stderr, out.stdout) == ("", "PromptedProvider m\n")
