from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qcode.calls.lenient import LEVELS, Unreadable, end_of_value, loads

SAFE = st.text(st.characters(exclude_categories=["Cs"]))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | SAFE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SAFE, inner, max_size=4),
    max_leaves=12,
)
CONTAINERS = st.lists(JSON, max_size=4) | st.dictionaries(SAFE, JSON, max_size=4)
SNIPPETS = st.lists(
    st.sampled_from(
        [
            *("{", "}", "[", "]", "(", ")", ",", ":", '"', "'", "\\", "\n", " ", '"""', "'''"),
            *('"a"', "'b'", "1", "-", "1e9", ".5", "true", "None", "nul", "x", "NaN", "\\n"),
            *("\\d", "\\u12", "\\ud83d", "\ud83d", "```json\n", "```", "<|im_end|>", "</s>"),
            *(
                "</tool_call>",
                "{{",
                "}}",
                "{}",
                '{"a": 1}',
                "]<]minimax[>[",
                "[e~[",
                "#",
                "\0",
                "\r",
            ),
        ]
    ),
    max_size=25,
).map("".join)


def refusal(text: str, *, ended: bool = True) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        loads(text, ended=ended)
    return caught.value


@pytest.mark.parametrize(
    "text, value",
    [
        ('{"a": 1}', {"a": 1}),
        ("[1, 2]", [1, 2]),
        ("{}", {}),
        (' \n{"a": 1}\n', {"a": 1}),
        ('{"a": 1, "a": 1}', {"a": 1}),
        ('{"a": "x\n\ty"}', {"a": "x\n\ty"}),
        ('{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
    ],
)
def test_json_is_read_without_a_note(text: str, value: Any) -> None:
    assert (loads(text).value, loads(text).notes) == (value, ())


@pytest.mark.parametrize(
    "text, is_json",
    [
        ('{"a": "b"}', True),
        (' {\n\t"a": "\\n"}\n', True),
        ('{"a": "b\nc"}', False),
        ('{"a": 1}<|im_end|>', False),
        ('```json\n{"a": 1}\n```', False),
        ('{"a": 1}{"a": 1}', False),
        ('{"a": 1,}', False),
        ('["a", ("b", "c")]', False),
        ('"{}"', False),
        ('{"a": "b"', False),
    ],
)
def test_text_that_any_reader_takes_is_told_apart(text: str, is_json: bool) -> None:
    assert loads(text).is_json is is_json


@pytest.mark.parametrize(
    "text, value, note",
    [
        # Encoded twice and three times.
        (json.dumps('{"a": 1}'), {"a": 1}, "decoded twice-encoded JSON"),
        (json.dumps(json.dumps([1])), [1], "decoded twice-encoded JSON"),
        ("""'{"a": 1}'""", {"a": 1}, "decoded twice-encoded JSON"),
        ('"{\\"a\\": \\"\\d\\"}"<|im_end|>', {"a": "\\d"}, "decoded twice-encoded JSON"),
        # Debris.
        ('{"a": 1}}', {"a": 1}, "surplus brackets dropped"),
        ('{"a": 1}}]}\n</tool_call>', {"a": 1}, "surplus brackets dropped"),
        ('{}{"a": 1}', {"a": 1}, "empty object before the real one dropped"),
        ('{"a": 1}\n{"a": 1}', {"a": 1}, "repeated object dropped"),
        ('{"a": [1]} {"a":[1]} { "a": [1]}', {"a": [1]}, "repeated object dropped"),
        # Local repairs.
        ('{\\n"a": 1,\\n\\t"b": "c\\nd"\\n}', {"a": 1, "b": "c\nd"}, "literal \\n between tokens"),
        ('{"a": "\\d+\\.\\w"}', {"a": "\\d+\\.\\w"}, "invalid escape"),
        ('{"a": "it\\\'s"}', {"a": "it's"}, "invalid escape"),
        ('{"a": "C:\\users\\u00e9"}', {"a": "C:\\usersé"}, "invalid escape"),
        ('{"a": "b \\\nc"}', {"a": "b \\\nc"}, "invalid escape"),
        ('{"a": [1, 2, ], "b": "x,}", }', {"a": [1, 2], "b": "x,}"}, "trailing comma dropped"),
        # Python.
        ("{'a': True, 'b': None, 'c': \"d\"}", {"a": True, "b": None, "c": "d"}, "Python"),
        ('{"a": True, "b": false}', {"a": True, "b": False}, "Python"),
        ("{'a': true, 'b': null}", {"a": True, "b": None}, "Python"),
        ("{'a': '\\x41\\d\\'\\n'}", {"a": "A\\d'\n"}, "Python"),
        ("{'a': 'b\nc\r\nd\0e'}", {"a": "b\nc\r\nd\0e"}, "Python"),
        ("{'a': 'b\\\\\nc'}", {"a": "b\\\nc"}, "Python"),
        ("{'a': '\\ud83d\\ude00'}", {"a": "😀"}, "Python"),
        ('{"a": """b "c" {\nd"""}', {"a": 'b "c" {\nd'}, "Python"),
        ("['a', ('b', 'c'), ('d',), ()]", ["a", ["b", "c"], ["d"], []], "Python"),
        ("{'a': .5, 'b': 5., 'c': +3}", {"a": 0.5, "b": 5.0, "c": 3}, "Python"),
        # Template's braces.
        ('{{"a": {{"b": {{}}}}}}', {"a": {"b": {}}}, "doubled braces"),
        ('{{"a": {"b": {"c": 1}}}}', {"a": {"b": {"c": 1}}}, "doubled braces"),
        ('{{"a": "{{b}}", }}', {"a": "{{b}}"}, "doubled braces"),
        # Missing brackets.
        ('{"a": {"b": "c"}', {"a": {"b": "c"}}, "closing brackets added"),
        ('{"a": "c"', {"a": "c"}, "closing brackets added"),
        ('{"a": [true', {"a": [True]}, "closing brackets added"),
        ('{"a": [1]\n</tool_call>', {"a": [1]}, "closing brackets added"),
        ("{'a': ['b'", {"a": ["b"]}, "closing brackets added"),
        ('[{"a": "b",}', [{"a": "b"}], "closing brackets added"),
    ],
)
def test_what_has_one_reading_is_repaired_and_noted(text: str, value: Any, note: str) -> None:
    loaded = loads(text)

    assert json.dumps(loaded.value) == json.dumps(value)
    assert any(each.startswith(note) for each in loaded.notes), loaded.notes


@pytest.mark.parametrize(
    "behind",
    [
        *("<|im_end|>", "<|eot_id|>", "</s>", "<｜end▁of▁sentence｜>", "[e~[", "\n```", "```\n"),
        *(
            "</tool_call>",
            "</function>\n</tool_call>",
            "</｜DSML｜invoke>",
            "]<]minimax[>[</invoke>",
        ),
    ],
)
def test_markup_behind_a_value_says_nothing(behind: str) -> None:
    assert loads('{"a": 1}' + behind).value == {"a": 1}
    assert loads('{"a": "b"' + behind).value == {"a": "b"}
    assert loads('{"a": "' + behind.replace("\n", "") + '"}').value == {
        "a": behind.replace("\n", "")
    }


@pytest.mark.parametrize("fence", ["```json\n", "```\n", "```python \n", "\n```json5\n\n"])
def test_a_fence_around_a_value_says_nothing(fence: str) -> None:
    assert loads(fence + '{"a": 1}\n```').value == {"a": 1}
    assert loads(fence + '{"a": "```"}').value == {"a": "```"}


@pytest.mark.parametrize(
    "text, words",
    [
        ('{"a": "x = f("b", c)"}', "unexpected word behind a string"),
        ('{"a": "say "hi" twice"}', "unexpected word behind a string"),
        ('{"a": "" twice}', "unexpected word behind a string"),
        ("{'a': 'it's'}", "unexpected word behind a string"),
        ('["a" "b"]', "unexpected string behind a string"),
        ('{"a": "b" "c', "expecting ',' delimiter at character 9"),
        ('{"a": 1 "b": 2}', "expecting ',' delimiter at character 8"),
        ('{"a": }', "expecting value"),
        ("{: 1}", "property name"),
        ("{1: 2}", "property name"),
        ('{"a", "b"}', "expecting ':' delimiter"),
        ('{"a": [1}', "`]` expected at character 8"),
        ("[,]", "expecting value"),
        ("[1,,]", "expecting value"),
        ('{"a": NaN}', "unexpected word at character 6"),
        ('{"a": [Infinity, 1]}', "unexpected word"),
        ('{"a": -Infinity}', "unexpected character"),
        ('{"a": 1e999}', "too large"),
        ('{"a": ' + "9" * 5000 + "}", "too many digits"),
        ("{'a': " + "9" * 5000 + "}", "too many digits"),
        ('{"a": 007, "b": 1_000}', "not a number"),
        ('{"a": 3-4}', "not a number"),
        ("{'a': ('b')}", "parentheses around one value"),
        ("{'a': b'c'}", "unexpected word"),
        ("{'a': open('b')}", "unexpected word"),
        ("{'a': {'b'}}", "expecting ':' delimiter"),
        ("{'a': '\\N{NO SUCH SIGN}'}", "the string cannot be read"),
        ('{"a": x', "unexpected word"),
        ('{"a": 1} and more', "unexpected text behind the value at character 9"),
        ('{"a": 1}{"b": 1}', "different values"),
        ('{"a": 1}{"a": true}', "different values"),
        ('{"a": "x"}{"a": "xy"}', "different values"),
        ('{"a": 1}{}', "different values"),
        ("{}" * 100, "too many values"),
        ('{"a": 1, "a": 2}', "'a' is there twice"),
        ('{"a": 1, "a": true}', "'a' is there twice"),
        ("{'a': 1, 'a': 2}", "'a' is there twice"),
        ('{"a": "\\ud83d"}', "half of a surrogate pair"),
        ('{"\\ude00": 1}', "half of a surrogate pair"),
        ('{"a": "\ud83d"}', "half of a surrogate pair"),
        ("{'a': '\ud83d'}", "surrogate pair"),
        ("[" * 100_000, "nested"),
        ("[" * (LEVELS + 1) + "]" * (LEVELS + 1), "nested"),
        ('{"a":' * 100_000, "nested"),
        ("{'a':" * 100_000, "nested"),
        ("hello", "does not begin with a bracket"),
        ("3", "does not begin with a bracket"),
        ("null", "does not begin with a bracket"),
        ('"hello"', "does not begin with a bracket"),
        ('""', "ends before any JSON"),
        ('"{}" {}', "behind the string"),
        (json.dumps(json.dumps(json.dumps("{}"))), "does not begin with a bracket"),
        ('{"a": 1} <tool_call>', "unexpected text"),
        ("[e~[", "unexpected character"),
    ],
    ids=lambda value: value[:40],
)
def test_what_has_no_single_reading_is_invalid(text: str, words: str) -> None:
    error = refusal(text)

    assert not error.cut
    assert words in error.reason


@pytest.mark.parametrize(
    "text",
    [
        *("", "  \n", "```json\n", "{", "[", '{"', '{"a', '{"a"', '{"a":', '{"a": ', '{"a": "'),
        *('{"a": "b\\', '{"a": "b\\"', '{"a": 1', '{"a": 1 ', '{"a": [1, 2', '{"a": 1.', '{"a": -'),
        *('{"a": 1e', '{"a": tru', '{"a": "b",', '{"a": "b", ', '{"a": "b", "c"', '{"a": {', "[["),
        *("{'a': 'b", "{'a': (", "{'a': 1", '"', '"{\\"a\\": 1', '"{\\"a\\": 1"', '{{"a": "b'),
        *('{"a": """b', '{"a": "</tool_call>', '{"a": 1</tool_call>', '{"a": "\\d'),
    ],
)  # fmt: skip
def test_text_that_ends_in_a_value_is_cut_even_at_a_natural_end(text: str) -> None:
    assert refusal(text).cut
    assert refusal(text, ended=False).cut


@pytest.mark.parametrize("text", ['{"a": {"b": "c"}', '{"a": "c"', '{"a": null', "{'a': 'b'"])
def test_brackets_are_added_only_at_a_natural_end(text: str) -> None:
    assert refusal(text, ended=False).cut


def test_a_refusal_shows_sixty_characters_around_the_fault() -> None:
    text = '{"a": "' + "x" * 1000 + '" oops "' + "y" * 1000 + '"}'

    assert refusal(text).reason == (
        "The text is not valid JSON: unexpected word behind a string (a quote inside a string "
        f'is written \\") at character 1009, near \'…{"x" * 28}" oops "{"y" * 24}…\'.'
    )


def test_a_cut_shows_the_last_sixty_characters() -> None:
    assert refusal('{"a": "' + "x" * 1000).reason == (
        f"The text ends in the middle, after 1007 characters: '…{'x' * 60}'."
    )


@given(st.text() | SNIPPETS, st.booleans())
def test_any_text_is_read_or_refused(text: str, ended: bool) -> None:
    try:
        value = loads(text, ended=ended).value
    except Unreadable:
        return
    assert isinstance(value, (dict, list))
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@given(CONTAINERS, st.booleans(), st.sampled_from([None, 2]), st.integers(0, 2))
def test_what_json_writes_is_read_back(
    value: Any, ascii_only: bool, indent: int | None, encoded: int
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    for _ in range(encoded):
        text = json.dumps(text)

    assert json.dumps(loads(text, ended=False).value) == json.dumps(value)


@given(CONTAINERS)
def test_what_python_writes_is_read_back(value: Any) -> None:
    # In double quotes it may as well be JSON, where an escape that is none keeps its backslash.
    assume(not re.search(r'"[^"]*\\[xuUN]', repr(value)))
    assert json.dumps(loads(repr(value), ended=False).value) == json.dumps(value)


@given(CONTAINERS, st.data())
def test_a_cut_value_is_never_completed_to_another(value: Any, data: st.DataObject) -> None:
    text = json.dumps(value)
    cut = text[: data.draw(st.integers(0, len(text) - 1))]

    assert refusal(cut, ended=False).cut
    if cut.rstrip()[-1:] in ('"', "}", "]", "e", "l"):
        return  # what is missing may be brackets alone
    assert refusal(cut).cut


@given(CONTAINERS, st.booleans(), st.text() | SNIPPETS)
def test_a_value_ends_where_it_was_written_to_end(value: Any, python: bool, behind: str) -> None:
    text = repr(value) if python else json.dumps(value)

    assert end_of_value(text + behind, 0) == len(text)
    assert end_of_value("x[" + text + behind, 2) == len(text) + 2
    assert all(end_of_value(text[:cut], 0) == -1 for cut in range(1, len(text)))


@given(SNIPPETS, SNIPPETS)
def test_more_text_does_not_move_the_end_of_a_value(text: str, more: str) -> None:
    end = end_of_value("{" + text, 0)

    if end >= 0:
        assert end_of_value("{" + text + more, 0) == end
        assert end_of_value(("{" + text)[:end], 0) == end


@pytest.mark.parametrize(
    "text, end",
    [
        ('{"a": "}"} x', 10),
        ("{'a': '}'} x", 10),
        ('{"a": "it\'s }"}', 15),
        ("{'a': \"it's }\"}", 15),
        ("{a: it's}", 9),
        ("[it's, 'a]']", 12),
        ('{"a": """}"}"""}', 16),
        ('{"a": ""}"}"', 9),
        ('{"a": "b\n}"}', 12),
        ('{"a": "\\"}"}', 12),
        ("[[]{}]]", 6),
        ("{", -1),
        ('{"a": "}', -1),
        ("{'a': '}", -1),
    ],
)
def test_brackets_in_strings_do_not_end_a_value(text: str, end: int) -> None:
    assert end_of_value(text, 0) == end


MEGABYTE = 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        '{"a": "' + "x" * MEGABYTE + '"}',
        '{"a": "' + "x" * MEGABYTE + '",}',
        '{"a": "' + "x\\n" * (MEGABYTE // 3),
        "{'a': '" + "x" * MEGABYTE + "'}",
        '{"a": ' * 10 + '"' * MEGABYTE,
        '["' + "'\"" * (MEGABYTE // 2),
        "{" + "\\n" * (MEGABYTE // 2),
        "[" + "1," * (MEGABYTE // 4),
        "[" + "()," * (MEGABYTE // 8),
        '{"a": 1}' * (MEGABYTE // 8),
        '{"a": 1,}' * (MEGABYTE // 9),
        '{"a": 1}' + "</a>" * (MEGABYTE // 4) + "x",
        '{"a": 1}' + "`" * MEGABYTE,
        " " * MEGABYTE,
        "[" + " " * MEGABYTE + "'",
        "{" + "' " * (MEGABYTE // 2),
    ],
    ids=range(16),
)
def test_a_megabyte_takes_no_more_than_its_share(text: str) -> None:
    began = time.process_time()
    try:
        loads(text)
    except Unreadable:
        pass
    if text[0] in "{[":
        end_of_value(text, 0)

    # Ten times what the slowest takes; what looks at the text again and again takes minutes.
    assert time.process_time() - began < 8
