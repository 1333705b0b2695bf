from __future__ import annotations

import json
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples

from qcode.compaction.compactor import Compactor
from qcode.compaction.ledger import Touched
from qcode.conversation import Conversation
from qcode.journal.loading import answer_orphans
from qcode.messages import AssistantMessage, Message, ToolCall, ToolMessage, Usage, UserMessage


def touching(call: ToolCall) -> Touched:
    return Touched(command=json.loads(call.arguments)["command"])


def compactor(window: int | None, reserve: int = 1024) -> Compactor:
    return Compactor(window, reserve, touching=touching, digest=lambda _path: "d1g")


def step(number: int, size: int, calls: int = 1, text: str = "") -> list[Message]:
    made = tuple(
        ToolCall(f"c{number}-{at}", "run_shell_command", json.dumps({"command": f"run {number}"}))
        for at in range(calls)
    )
    results = [ToolMessage(call.id, call.name, f"{number}:" + "x" * size) for call in made]
    return [AssistantMessage(text, tool_calls=made), *results]


sizes = st.one_of(st.integers(0, 200), st.integers(0, 60_000))
parts = st.lists(
    st.one_of(
        st.tuples(st.just("step"), sizes, st.integers(1, 4)),
        st.tuples(st.just("ask"), st.integers(0, 3000), st.just(0)),
        st.tuples(st.just("nudge"), st.just(0), st.just(0)),
        st.tuples(st.just("say"), sizes, st.just(0)),
    ),
    max_size=25,
)


def is_whole(messages: Sequence[Message]) -> bool:
    """Whether each call is answered once, right behind it, and no answer is without its call."""
    return list(messages) == answer_orphans(list(messages), {})


@settings(max_examples=examples(150))
@given(parts, st.sampled_from([4096, 8192, 32_768, None]))
def test_history_stays_whole_and_gets_shorter(
    made: list[tuple[str, int, int]], window: int | None
) -> None:
    conversation = Conversation([UserMessage("first request", before="[context]")])
    keeper = compactor(window)
    for number, (kind, size, calls) in enumerate(made):
        match kind:
            case "step":
                conversation.items += step(number, size, calls)
            case "ask":
                conversation.add(UserMessage(f"request {number} " + "y" * size))
            case "nudge":
                conversation.add(UserMessage("Call a tool.", is_nudge=True))
            case _:
                conversation.add(AssistantMessage(f"answer {number} " + "z" * size))
        everything = conversation.everything()
        is_asked = not isinstance(conversation.items[-1], AssistantMessage)
        if not is_asked or (window is not None and not keeper.is_due(0, conversation.items)):
            continue
        request = next(
            each
            for each in reversed(everything)
            if isinstance(each, UserMessage) and not each.is_nudge
        )
        found = keeper.compact(everything, conversation.items, 0)
        if found is None:
            assert window is None
            continue
        conversation.compact(found.opening, found.kept, found.shortened)

        assert found.after < found.before
        assert is_whole(conversation.items)
        assert conversation.everything() == everything or found.shortened
        assert len(conversation.everything()) == len(everything)
        told = "\n".join(m.told for m in conversation.items if isinstance(m, UserMessage))
        assert request.text[:15] in told
        assert told.count("To save room") == 1
        assert told.startswith("[context]")
        assert all(not m.is_nudge for m in conversation.items[:1] if isinstance(m, UserMessage))
        if window is not None:
            assert not keeper.is_due(0, conversation.items)


def test_it_is_due_by_what_the_server_counts() -> None:
    keeper = compactor(8192)
    messages: list[Message] = [UserMessage("go"), *step(1, 3000)]
    assert not keeper.is_due(4000, messages)

    keeper.saw(4000, messages, 3, Usage(6500, 10))

    assert keeper.is_due(4000, [*messages, AssistantMessage("and" * 200)])
    assert not compactor(None).is_due(4000, [UserMessage("x" * 10**6)])


def test_a_window_is_learnt_from_what_a_server_says() -> None:
    keeper = compactor(None)
    messages: list[Message] = [UserMessage("go"), *step(1, 40_000), *step(2, 200)]
    said = "request (12,345 tokens) exceeds the available context size (8,192 tokens)"

    keeper.overflowed(said, 3000, messages)

    assert keeper.window == 8192
    found = keeper.compact(messages, messages, 3000)
    assert found is not None
    assert found.after < 8192 * 0.8


def test_each_overflow_that_says_nothing_makes_more_room() -> None:
    keeper = compactor(16_384)
    messages: list[Message] = [UserMessage("go")]
    for number in range(30):
        messages += step(number, 1500)
    after = []
    for _ in range(3):
        keeper.overflowed("too long", 3000, messages)
        found = keeper.compact(messages, messages, 3000)
        assert found is not None
        after.append(found.after)

    assert after == sorted(after, reverse=True)
    assert after[2] < after[0] * 0.7


def test_one_huge_result_is_shortened_and_its_call_keeps_it() -> None:
    messages: list[Message] = [UserMessage("go"), *step(1, 200_000)]
    found = compactor(8192).compact(messages, messages, 0)

    assert found is not None
    assert list(found.shortened) == ["c1-0"]
    assert len(found.shortened["c1-0"]) < 9000
    assert "recall" in found.shortened["c1-0"]
