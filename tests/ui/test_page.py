"""A session as one HTML page."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from hostile import HOSTILE, obeyed
from thorough import many

from qcode.conversation import Conversation
from qcode.journal.loading import Loaded
from qcode.messages import (
    AssistantMessage,
    Image,
    Message,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from qcode.ui.page import page
from qcode.ui.page.code import Colours, difference
from qcode.ui.transcript import markdown

DOT = base64.b64encode(b"\x89PNG not really").decode()
ALLOWED = {
    "html": {"lang"},
    "meta": {"charset", "http-equiv", "content", "name"},
    "a": {"class", "href", "rel"},
    "article": {"class", "id"},
    "img": {"src", "alt"},
    "details": {"class", "open"},
    "pre": {"class", "tabindex"},
    "span": {"class", "title"},
    "time": {"datetime"},
    "th": {"style"},
    "td": {"style"},
    "ol": {"start"},
    **{tag: {"class"} for tag in ("div", "p", "dl", "section")},
}
PLAIN = {
    *("head", "title", "style", "body", "h1", "h2", "h3", "h4", "h5", "h6", "nav", "main"),
    *("header", "summary", "dt", "dd", "b", "em", "strong", "s", "code", "ul", "li", "blockquote"),
    *("hr", "br", "table", "thead", "tbody", "tr", "figure", "figcaption"),
}
"""All that a page is made of: elements, and their attributes."""
VOID = {"meta", "img", "hr", "br"}


class Read(HTMLParser):
    """What a browser would make of a page; raises where elements do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag in ALLOWED or tag in PLAIN, tag
        assert set(given) <= ALLOWED.get(tag, set()), (tag, given)
        self.tags.append((tag, given))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [given for name, given in self.tags if name == tag]


def session(*messages: Message, archived: tuple[Message, ...] = ()) -> Loaded:
    return Loaded(
        "s1", "/work", "m", "2026-01-02T03:04:05Z", "", Conversation([*messages], [*archived])
    )


def shown(*messages: Message) -> Read:
    return Read(page(session(*messages)))


def calling(text: str, result: str = "done", **arguments: object) -> Iterator[Message]:
    yield AssistantMessage(text, "", (ToolCall("c1", "tool", json.dumps(arguments)),))
    yield ToolMessage("c1", "tool", result)


def hostile(said: str) -> list[Message]:
    given = {"file_path": said, "old_string": said, "new_string": f"{said}x", "content": said * 9}
    calls = (
        ToolCall("c1", said, json.dumps({said: said})),
        ToolCall("c2", "x", said),
        ToolCall("c3", "edit", json.dumps(given)),
        ToolCall("c4", "run", json.dumps({"command": f"{said}\n" * 5, "edits": [given, said]})),
    )
    return [
        UserMessage(said, images=(Image(said, "image/png", DOT), Image(said, said, said))),
        UserMessage(said, is_nudge=True),
        AssistantMessage(f"{said}\n\n```python\n{said}\n```\n`{said}` [a]({said})", said, calls),
        ToolMessage("c1", said, said),
        ToolMessage("c2", "x", f"--- a\n+++ b\n@@ -1 +1 @@\n-{said}", is_error=True),
        ToolMessage("c3", "x", f"     1\t{said}\n     2\t{said}"),
        ToolMessage("other", said, said),
        AssistantMessage(f"| a | b |\n|---|---|\n| {said} | <{said}> |\n\n> {said}\n\n# {said}"),
    ]


@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE)
def test_a_page_is_made_of_nothing_but_our_elements(said: str) -> None:
    loaded = session(*hostile(said), archived=tuple(hostile(said)))
    loaded.title = said

    text = page(loaded)

    read = Read(text)
    assert obeyed(text.encode()) == []
    assert {given["src"] for given in read.all("img")} == {f"data:image/png;base64,{DOT}"}


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java&#115;cript:alert(1)",
        "&#x6a;avascript&colon;alert(1)",
        "java\tscript:alert(1)",
        "\x01javascript:alert(1)",
        "vbscript:x",
        "data:text/html,<script>alert(1)</script>",
        "file:///etc/passwd",
        "//evil.test/x",
    ],
)
def test_a_link_runs_nothing_and_its_words_stay(link: str) -> None:
    read = shown(AssistantMessage(f"Look: [words]({link}) and <{link}> **x**"))

    assert [given["href"] for given in read.all("a")] == []
    assert "words" in read.words


def test_a_link_says_where_it_goes() -> None:
    read = shown(
        AssistantMessage("*See* [bank.test](https://evil.test/a?b=1&c=2) and <https://e.test/>.")
    )

    assert [given["href"] for given in read.all("a")] == [
        "https://evil.test/a?b=1&c=2", "https://e.test/",
    ]  # fmt: skip
    assert "See bank.test (https://evil.test/a?b=1&c=2) and https://e.test/." in read.words


def test_nothing_may_be_loaded_or_run() -> None:
    text = page(session(AssistantMessage("![x](http://evil.test/p.png) <img src=x>")))

    (policy,) = [m["content"] for m in Read(text).all("meta") if "http-equiv" in m]
    assert policy == (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r"url\(|@import", text)
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_numbers_of_characters_stay_numbers() -> None:
    read = shown(AssistantMessage("**a** &#27;[2J &#x202e; &lt; `&#8;`\n\n```\n&#27;\n```"))

    assert "a &#27;[2J &#x202e; &lt; &#8;" in read.words
    assert "\n&#27;" in read.words.replace("\n\n", "\n") or "&#27;" in read.words


def test_markdown_of_a_model_is_laid_out_and_a_persons_words_are_as_typed() -> None:
    read = shown(
        UserMessage("# not\n  a heading"),
        AssistantMessage(
            "# Title\n\n1. one\n2. two\n\n```python\ndef f(): pass\n```\n\n|a|b|\n|-|-|\n|1|2|"
        ),
    )

    names = [tag for tag, _given in read.tags]
    assert names.count("h3") == 1
    assert names.count("li") == 2
    assert names.count("td") == 2
    assert {"class": "k"} in read.all("span")
    assert "# not\n  a heading" in read.words


def test_a_call_and_its_result_are_one_card() -> None:
    read = shown(*calling("", "\n".join("line" for _ in range(40)), command="make test", other=[1]))

    cards = [given for tag, given in read.tags if tag == "section"]
    assert cards == [{"class": "call"}]
    assert [given.get("open", "no") for given in read.all("details")] == ["no"]
    assert "result · 40 lines" in read.words
    assert "make test" in read.words


def test_a_short_result_is_open_and_an_error_is_marked_in_words() -> None:
    read = shown(
        AssistantMessage("", "", (ToolCall("c1", "tool", "{not json"),)),
        ToolMessage("c1", "tool", "it failed", is_error=True),
    )

    assert read.all("section") == [{"class": "call bad"}]
    assert [given.get("open", "no") for given in read.all("details")] == [None]
    assert "{not json" in read.words
    assert "error" in read.words


def test_an_edit_is_shown_as_what_it_takes_out_and_puts_in() -> None:
    read = shown(*calling("", file_path="a.py", old_string="a\nb\nc", new_string="a\nB\nc"))

    assert " a\n-b\n+B\n c" in read.words
    assert {"class": "del"} in read.all("span")
    assert {"class": "add"} in read.all("span")


@pytest.mark.parametrize("language", ["python", "js", "html", "nonsense", "diff", "", "bash"])
@pytest.mark.parametrize("text", ["", "\n", "a\n", "\n\na\n\n", "def f():\n\t'''x\ny'''\n", "<a>&"])
def test_colour_changes_no_text(language: str, text: str) -> None:
    assert Read(Colours().code(text, language)).words == text


@pytest.mark.parametrize("text", ["     1\tdef f():\n     2\t    '''a", "     1\ta\n… cut", "1\tx"])
def test_numbered_lines_keep_their_text(text: str) -> None:
    assert Read(Colours().numbered(text, "a.py")).words == text


def test_a_difference_keeps_its_text() -> None:
    text = "diff --git a b\n@@ -1 +1 @@ <f>\n-a\n+b\n c\n"

    assert Read(difference(text)).words == text


def test_what_was_put_aside_is_marked_and_what_is_told_instead_is_folded() -> None:
    old, summary, new = (
        UserMessage("old"),
        UserMessage("LEDGER", is_summary=True),
        UserMessage("new"),
    )

    words = Read(page(session(summary, new, archived=(old,)))).words

    assert re.search("old.*1 messages above were put aside.*LEDGER.*new", words, re.DOTALL)
    assert words.count("LEDGER") == 1


def test_what_was_forgotten_is_shown_and_marked() -> None:
    conversation = Conversation([UserMessage("first try"), AssistantMessage("tried")])
    conversation.begin_anew()
    conversation.add(UserMessage("second try"))
    loaded = session()
    loaded.conversation = conversation

    assert re.search(
        "first try.*tried.*2 messages above were forgotten.*second try",
        Read(page(loaded)).words,
        re.DOTALL,
    )
    assert [
        line for line in markdown(loaded).splitlines() if "try" in line or "2 mess" in line
    ] == [
        "# first try",
        "first try",
        "*(the 2 messages above were forgotten; begun anew here)*",
        "second try",
    ]


def test_a_page_tells_when_by_whom_and_for_how_much() -> None:
    first, second = AssistantMessage("one"), AssistantMessage("two")
    loaded = session(UserMessage("x"), first, second)
    loaded.usage = Usage(30, 4, 20, 0.25)
    loaded.notes.add(first, "2026-01-02T03:04:06Z", "m")
    loaded.notes.spent([first], Usage(10, 2, 0, 0.125))
    loaded.notes.add(second, "nonsense<", "<other>")

    read = Read(page(loaded))

    assert "10 tokens in, 2 out · $0.1250" in read.words
    assert "30 in (20 cached), 4 out" in read.words
    assert "$0.2500" in read.words
    assert "Model · <other>" in read.words
    assert "m, <other>" in read.words
    assert read.all("time") == [{"datetime": "2026-01-02T03:04:06Z"}]


@pytest.mark.parametrize(
    "kind, data",
    [("image/svg+xml", DOT), ("text/html", DOT), ("image/png", '"><b>'), ("image/png", "A")],
)
def test_what_is_no_picture_is_named(kind: str, data: str) -> None:
    read = shown(UserMessage("x", images=(Image("a <b>.png", kind, data),)))

    assert read.all("img") == []
    assert "(picture: a <b>.png)" in read.words


def test_a_long_session_has_a_list_of_what_was_asked() -> None:
    read = shown(*(UserMessage(f"question {n}") for n in range(1, 4)))

    assert [given["href"] for given in read.all("a")[:3]] == ["#p1", "#p2", "#p3"]
    assert [given["id"] for given in read.all("article")] == ["p1", "p2", "p3"]


def test_thousands_of_messages_take_seconds() -> None:
    code = "".join(f"def f{n}(a, b):\n    return a + {n}  # sum\n" for n in range(20))
    step: list[Message] = [
        UserMessage("Please do it. " * 20),
        *calling("I do **it**:\n\n- a\n- b\n\n```python\n" + code + "```", code, content=code),
        AssistantMessage("It is `done`. " * 30),
    ]
    times = many(2500, 500)
    began = time.process_time()

    text = page(session(*(step * times)))

    assert time.process_time() - began < times * 0.008
    assert text.count("<article") == 3 * times
