"""What holds of the decoder for all answers: none is too odd, no cut matters, no value is bent."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples

from qcode.calls.decoder import Decoded, Decoder, ReasoningShown, TextShown
from qcode.calls.found import Fault
from qcode.providers import CallPart, ReasoningPart, TextPart

Call = tuple[str, dict[str, Any]]
Part = TextPart | ReasoningPart | CallPart

TOOLS: dict[str, dict[str, Any]] = {
    "write_file": {
        "type": "object",
        "properties": {
            "path": {"type": "string"},
            "content": {"type": "string"},
            "mode": {"type": "integer"},
            "scale": {"type": "number"},
            "force": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "options": {"type": "object", "properties": {"n": {"type": "integer"}}},
        },
        "required": ["path", "content"],
    },
    "bash": {
        "type": "object",
        "properties": {"command": {"type": "string"}},
        "required": ["command"],
    },
    "get_time": {"type": "object", "properties": {}},
}


class Run:
    """One answer, decoded; what was shown of it on the way."""

    def __init__(self, parts: list[Part], finish: str | None) -> None:
        numbers = count(1)
        decoder = Decoder(TOOLS, lambda: f"new_{next(numbers)}")
        shown = [each for part in parts for each in decoder.feed(part)]
        rest, self.decoded = decoder.finish(finish)
        self.text = "".join(each.text for each in (*shown, *rest) if isinstance(each, TextShown))
        self.thought = "".join(
            each.text for each in (*shown, *rest) if isinstance(each, ReasoningShown)
        )

    @property
    def whole(self) -> tuple[Decoded, str, str]:
        return self.decoded, self.text, self.thought

    @property
    def calls(self) -> list[Call]:
        return [
            (each.call.name, json.loads(each.call.arguments))
            for each in self.decoded.calls
            if each.fault is Fault.NONE
        ]


def run(*pieces: str, finish: str | None = "stop") -> Run:
    return Run([TextPart(piece) for piece in pieces], finish)


def cuts(text: str, at: list[int]) -> list[str]:
    places = [0, *sorted({place % (len(text) + 1) for place in at}), len(text)]
    return [text[begin:end] for begin, end in pairwise(places)]


# The formats, as the templates of the models write them.


def plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def pythonic(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def qwen3_coder(calls: list[Call]) -> str:
    return "\n".join(
        f"<tool_call>\n<function={name}>\n"
        + "".join(f"<parameter={k}>\n{plain(v)}\n</parameter>\n" for k, v in arguments.items())
        + "</function>\n</tool_call>"
        for name, arguments in calls
    )


def qwen3_coder_python(calls: list[Call]) -> str:
    return "\n".join(
        f"<tool_call>\n<function={name}>\n"
        + "".join(f"<parameter={k}>\n{pythonic(v)}\n</parameter>\n" for k, v in arguments.items())
        + "</function>\n</tool_call>"
        for name, arguments in calls
    )


def qwen3_coder_bare(calls: list[Call]) -> str:
    return qwen3_coder(calls).replace("<tool_call>\n<function=", "<function=", 1)


def hermes(calls: list[Call]) -> str:
    return "\n".join(f"<tool_call>\n{as_object(call)}\n</tool_call>" for call in calls)


def hermes_list(calls: list[Call]) -> str:
    return f"<tool_call>\n[{', '.join(map(as_object, calls))}]\n</tool_call>"


def as_object(call: Call, key: str = "arguments") -> str:
    return json.dumps({"name": call[0], key: call[1]}, ensure_ascii=False)


def bare(calls: list[Call]) -> str:
    return "\n".join(map(as_object, calls))


def fenced(calls: list[Call]) -> str:
    return f"```json\n{bare(calls)}\n```"


def glm(calls: list[Call]) -> str:
    return "\n".join(
        f"<tool_call>{name}\n"
        + "".join(
            f"<arg_key>{k}</arg_key>\n<arg_value>{plain(v)}</arg_value>\n"
            for k, v in arguments.items()
        )
        + "</tool_call>"
        for name, arguments in calls
    )


def glm_dense(calls: list[Call]) -> str:
    return "".join(
        f"<tool_call>{name}"
        + "".join(
            f"<arg_key>{k}</arg_key><arg_value>{plain(v)}</arg_value>" for k, v in arguments.items()
        )
        + "</tool_call>"
        for name, arguments in calls
    )


def minimax(calls: list[Call]) -> str:
    inner = "".join(
        f'<invoke name="{name}">\n'
        + "".join(f'<parameter name="{k}">{plain(v)}</parameter>\n' for k, v in arguments.items())
        + "</invoke>\n"
        for name, arguments in calls
    )
    return f"<minimax:tool_call>\n{inner}</minimax:tool_call>"


MARK = "]<]minimax[>["


def minimax_m3(calls: list[Call]) -> str:
    inner = "".join(
        f'{MARK}<invoke name="{name}">'
        + "".join(element(k, v) for k, v in arguments.items())
        + f"{MARK}</invoke>\n"
        for name, arguments in calls
    )
    return f"{MARK}<tool_call>\n{inner}{MARK}</tool_call>"


def element(tag: str, value: Any) -> str:
    if isinstance(value, dict):
        text = "".join(element(k, v) for k, v in value.items())
    elif isinstance(value, list):
        text = "".join(element("item", v) for v in value)
    else:
        text = plain(value)
    return f"{MARK}<{tag}>{text}{MARK}</{tag}>"


def deepseek_v3(calls: list[Call]) -> str:
    inner = "\n".join(
        f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n{json.dumps(arguments)}\n"
        "```<｜tool▁call▁end｜>"
        for name, arguments in calls
    )
    return f"<｜tool▁calls▁begin｜>{inner}<｜tool▁calls▁end｜>"


def deepseek_v31(calls: list[Call]) -> str:
    inner = "".join(
        f"<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{json.dumps(arguments)}<｜tool▁call▁end｜>"
        for name, arguments in calls
    )
    return f"<｜tool▁calls▁begin｜>{inner}<｜tool▁calls▁end｜><｜end▁of▁sentence｜>"


def dsml(calls: list[Call], section: str = "function_calls") -> str:
    inner = "".join(
        f'<｜DSML｜invoke name="{name}">\n'
        + "".join(
            f'<｜DSML｜parameter name="{k}" string="{json.dumps(isinstance(v, str))}">'
            f"{plain(v)}</｜DSML｜parameter>\n"
            for k, v in arguments.items()
        )
        + "</｜DSML｜invoke>\n"
        for name, arguments in calls
    )
    return f"<｜DSML｜{section}>\n{inner}</｜DSML｜{section}>"


def dsml_v4(calls: list[Call]) -> str:
    return dsml(calls, "tool_calls")


def kimi(calls: list[Call]) -> str:
    inner = "".join(
        f"<|tool_call_begin|>functions.{name}:{index}<|tool_call_argument_begin|>"
        f"{json.dumps(arguments)}<|tool_call_end|>"
        for index, (name, arguments) in enumerate(calls)
    )
    return f"<|tool_calls_section_begin|>{inner}<|tool_calls_section_end|>"


def mistral_old(calls: list[Call]) -> str:
    return f"[TOOL_CALLS][{', '.join(map(as_object, calls))}]"


def mistral(calls: list[Call]) -> str:
    return "".join(f"[TOOL_CALLS]{name}[ARGS]{json.dumps(given)}" for name, given in calls)


def mistral_with_id(calls: list[Call]) -> str:
    return "".join(
        f"[TOOL_CALLS]{name}[CALL_ID]abcdefgh{index}[ARGS]{json.dumps(given)}"
        for index, (name, given) in enumerate(calls)
    )


def llama_json(calls: list[Call]) -> str:
    return "<|python_tag|>" + "; ".join(as_object(call, "parameters") for call in calls)


def llama_python(calls: list[Call]) -> str:
    inner = ", ".join(
        f"{name}({', '.join(f'{k}={v!r}' for k, v in given.items())})" for name, given in calls
    )
    return f"<|python_start|>[{inner}]<|python_end|>"


def harmony(calls: list[Call]) -> str:
    return "".join(
        f"<|start|>assistant<|channel|>commentary to=functions.{name} <|constrain|>json"
        f"<|message|>{json.dumps(given)}<|call|>"
        for name, given in calls
    )


Renderer = Callable[[list[Call]], str]
OF_JSON: list[Renderer] = [
    *(hermes, hermes_list, bare, fenced, deepseek_v3, deepseek_v31, kimi),
    *(mistral_old, mistral, mistral_with_id, llama_json, llama_python, harmony),
]
"""Strings are quoted: they may hold anything."""
OF_TAGS: list[Renderer] = [
    *(qwen3_coder, qwen3_coder_python, qwen3_coder_bare, glm, glm_dense),
    *(minimax, minimax_m3, dsml, dsml_v4),
]
"""Strings stand as they are: they may hold what does not read as the end of the call."""
FORMATS = OF_JSON + OF_TAGS
MEGABYTE = (qwen3_coder, hermes, glm, minimax, dsml, kimi, harmony)
"""The forms that are tried with so much."""
formats = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.__name__)


# What is generated.

EXAMPLES: list[Call] = [
    ("bash", {"command": "ls"}),
    ("write_file", {"path": "a.py", "content": "x = 1\n", "mode": 3, "tags": ["t"]}),
]
SIGNS = st.characters(exclude_categories=["Cs"], exclude_characters="\r\0")
WORDS = ["text", " ", "\n", "it's", '"', "\\", "{", "}", "[", "]", "`", "é😀", "&lt;", "\t", "0"]
MARKUP = sorted(
    {
        piece
        for form in FORMATS
        for example in (EXAMPLES, EXAMPLES[:1])
        for piece in form(example).replace(">", ">\0").replace("<", "\0<").split("\0")
        if piece
    }
)
LOOSE = [
    *("```", "```json\n", "`", "<", "<tool", "<|", "|>", "[TOOL", "<think>", "</think>"),
    *("<mm:think>", "</mm:think>", "[/THINK]", "assistant", "analysis", "assistantfinal", "</s>"),
    *("<|im_end|>", "<tools>", "</tools>", "<function_call>", "<function=bash>", "<function="),
    *("<parameter=command>", "<parameter=", "</parameter>", "</function>", "</tool_call>"),
    *('{"name": "bash", ', '"arguments": {"command": "ls"}}', '{"command": "ls"}', '{"name":'),
    *("<arg_key>", "</arg_value>", "]<]", "<｜", "<｜DSML｜", "[ARGS]", "[CALL_ID]", "bash("),
    *("to=functions.bash", "<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    *("NAME", "nope", "functions.bash:0", "\r\n", "null", "True", ";", "\ud83d", "\\n", "['a']"),
    *("<invoke name=", "[e~["),
]
SOUP = st.lists(
    st.sampled_from(MARKUP) | st.sampled_from(LOOSE) | st.sampled_from(WORDS) | st.text(max_size=4),
    max_size=20,
).map("".join)
AT = st.lists(st.integers(0, 5000), max_size=8)
FINISH = st.sampled_from(["stop", "tool_calls", "length", None])

ANY_STRING = (
    st.text(SIGNS, max_size=40)
    | st.lists(st.sampled_from(MARKUP + LOOSE + WORDS), max_size=8).map("".join)
).filter(lambda text: not any(each in text for each in ("\ud83d", "\r", "\0")))


@st.composite
def harmless_strings(draw: st.DrawFn) -> str:
    """Strings with the markup of all formats, but never what reads as the end of a value.

    Between a closing tag and the next tag stands a word, and calls inside are whole.
    """
    pieces = draw(
        st.lists(
            st.text(SIGNS, max_size=10).map(lambda text: text.replace("<", "(").replace("]", ")"))
            | st.sampled_from(["<b>", "</b>", "a < b", "&amp;", "```", "</tool_call", "{}", "\n\n"])
            | st.sampled_from([each for each in MARKUP if "/" in each and MARK not in each]).map(
                lambda closer: f" {closer} word"
            )
            | st.sampled_from([qwen3_coder, hermes, glm, minimax, dsml, kimi]).map(
                lambda form: f"word\n{form(EXAMPLES)}\nword"
            ),
            max_size=4,
        )
    )
    return "".join(pieces)


def calls_with(strings: st.SearchStrategy[str]) -> st.SearchStrategy[list[Call]]:
    numbers = st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0)
    writing = st.fixed_dictionaries(
        {"path": strings, "content": strings},
        optional={
            "mode": st.integers(),
            "scale": st.integers() | numbers,
            "force": st.booleans(),
            "tags": st.lists(strings, min_size=1, max_size=3),
            "options": st.fixed_dictionaries({"n": st.integers()}),
        },
    )
    one = st.one_of(
        writing.map(lambda given_: ("write_file", given_)),
        strings.map(lambda command: ("bash", {"command": command})),
    )
    return st.lists(one, min_size=1, max_size=3)


# Any answer.


@settings(max_examples=examples(300))
@given(SOUP, AT, FINISH)
def test_the_cuts_of_the_stream_make_no_difference(
    text: str, at: list[int], finish: str | None
) -> None:
    whole = run(text, finish=finish)

    assert run(*cuts(text, at), finish=finish).whole == whole.whole


@settings(max_examples=examples(60))
@given(SOUP, FINISH)
def test_single_characters_say_the_same_as_the_whole(text: str, finish: str | None) -> None:
    text = text[:400]

    assert run(*text, finish=finish).whole == run(text, finish=finish).whole


@settings(max_examples=examples(150))
@given(st.sampled_from(FORMATS), calls_with(ANY_STRING), st.data())
def test_the_cuts_of_a_damaged_call_make_no_difference(
    form: Renderer, calls: list[Call], data: st.DataObject
) -> None:
    text = form(calls)
    begin = data.draw(st.integers(0, len(text)))
    end = min(len(text), begin + data.draw(st.integers(0, 10)))
    text = text[:begin] + data.draw(st.sampled_from(["", *LOOSE, *WORDS])) + text[end:]
    finish = data.draw(FINISH)

    assert run(*cuts(text, data.draw(AT)), finish=finish).whole == run(text, finish=finish).whole


@settings(max_examples=examples(200))
@given(SOUP, AT, FINISH)
def test_what_is_shown_stays_in_the_answer(text: str, at: list[int], finish: str | None) -> None:
    made = run(*cuts(text, at), finish=finish)
    whole = made.decoded

    # Behind a call the cut beginning of another is shown, but no text of the answer.
    if not whole.calls:
        assert is_within(made.text, whole.reasoning + whole.text)
    assert is_within(made.thought, whole.reasoning)
    assert is_within(whole.text, text)


def is_within(text: str, other: str) -> bool:
    """Say whether the signs of a text stand in the other, in order; blanks do not count."""
    signs = iter("".join(other.split()))
    return all(sign in signs for sign in "".join(text.split()))


@given(st.lists(st.sampled_from([*WORDS, "<b>", "</b>", "# Title\n", "x < y"]), max_size=30), AT)
def test_text_without_a_call_is_shown_and_kept_as_it_is(words: list[str], at: list[int]) -> None:
    text = "Say: " + "".join(words) + "."

    made = run(*cuts(text, at))

    assert (made.decoded.text, made.text, made.calls) == (text, text, [])


PARTS = st.one_of(
    SOUP.map(TextPart),
    SOUP.map(ReasoningPart),
    st.builds(
        CallPart,
        index=st.none() | st.integers(0, 2),
        id=st.sampled_from([None, "", "a", "b"]),
        name=st.sampled_from([None, "", "bash", "ba", "sh", "bashbash", "nope", "get_time"]) | SOUP,
        arguments=st.sampled_from([None, "", "{}", '{"command": ', '"ls"}', '{"command": "ls"}'])
        | SOUP,
    ),
)


@settings(max_examples=examples(100))
@given(st.lists(PARTS, max_size=10), FINISH)
def test_any_stream_is_decoded(parts: list[Part], finish: str | None) -> None:
    decoded = Run(parts, finish).decoded

    ids = [each.call.id for each in decoded.calls]
    assert len(set(ids)) == len(ids)
    for each in decoded.calls:
        assert isinstance(json.loads(each.call.arguments), dict)
        if each.fault is Fault.NONE:
            assert each.call.name in TOOLS


# Whole calls.


@settings(max_examples=examples(12))
@given(st.data())
@formats
def test_calls_come_back_as_they_were_written(form: Renderer, data: st.DataObject) -> None:
    strings = ANY_STRING if form in OF_JSON else harmless_strings()
    calls = data.draw(calls_with(strings))
    said = data.draw(st.sampled_from(["", "I will do it.\n\n", "Two lines.\nThen a call:\n"]))
    text = said + form(calls)

    made = run(
        *cuts(text, data.draw(AT)), finish=data.draw(st.sampled_from(["stop", "tool_calls"]))
    )

    assert made.calls == calls
    assert made.decoded.text == said.strip()
    assert made.text.strip() == said.strip()


@formats
def test_a_long_value_comes_back_as_it_was_written(form: Renderer) -> None:
    content = "def f(x: int) -> str:\n\treturn f\"<b>{x}</b> \\n {{}} [1]\" if x < 3 else 'é'\n" * (
        13_000 if form in MEGABYTE else 1_300
    )
    calls = [("write_file", {"path": "a.py", "content": content}), ("bash", {"command": "ls"})]
    text = form(calls)

    made = run(*(text[at : at + 4096] for at in range(0, len(text), 4096)))

    assert made.calls == calls


@settings(max_examples=examples(12))
@given(st.data())
@formats
def test_a_call_that_was_cut_is_not_run(form: Renderer, data: st.DataObject) -> None:
    calls = data.draw(calls_with(ANY_STRING if form in OF_JSON else harmless_strings()))
    text = form(calls)
    text = text[: data.draw(st.integers(0, len(text)))]

    made = run(*cuts(text, data.draw(AT)), finish=data.draw(st.sampled_from(["length", None])))

    assert made.calls == calls[: len(made.calls)]


@settings(max_examples=examples(12))
@given(st.data())
@formats
def test_a_value_that_was_cut_is_not_used_even_at_a_natural_end(
    form: Renderer, data: st.DataObject
) -> None:
    words = st.lists(st.sampled_from(["word", " ", "\n", "é", "it", "0"]), min_size=1).map("".join)
    calls = data.draw(calls_with(words))
    text = form(calls)
    text = text[: data.draw(st.integers(0, len(text)))]
    if text.endswith("<|message|>"):
        return  # see below

    made = run(text)

    for (name, given_), (written, arguments) in zip(made.calls, calls, strict=False):
        assert name == written
        assert set(TOOLS[name]["required"]) <= set(given_)
        for key, value in given_.items():
            # A list may lack its last items: nothing shows that there were more.
            whole = arguments[key][: len(value)] if key == "tags" else arguments[key]
            assert value == whole


def test_a_harmony_call_without_a_body_is_not_run() -> None:
    text = harmony([("bash", {"command": "ls"})]).partition("{")[0]

    assert run(text).calls == []


@pytest.mark.parametrize("form", [qwen3_coder, glm, minimax, minimax_m3, dsml])
def test_half_a_surrogate_pair_between_tags_is_refused(form: Renderer) -> None:
    assert run(form([("bash", {"command": "echo \ud83d"})])).calls == []
