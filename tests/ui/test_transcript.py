"""Sessions as Markdown."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from qcode.conversation import Conversation
from qcode.journal.loading import Loaded
from qcode.messages import AssistantMessage, Image, ToolCall, ToolMessage, Usage, UserMessage
from qcode.ui.page import page
from qcode.ui.transcript import fenced, markdown, prose, shortened

SESSION = Loaded(
    "s1",
    "/work",
    "scripted",
    "2026-01-02T03:04:05Z",
    "system",
    Conversation(
        [
            UserMessage("Fix  the\nbug\x1b[2J"),
            AssistantMessage("On it.", "Hm.\nWell.", (ToolCall("c1", "read_file", '{"a":1}'),)),
            ToolMessage("c1", "read_file", "1\n2\n3\n"),
            AssistantMessage("It was", interrupted=True),
        ]
    ),
    Usage(1000, 20),
)


def test_a_transcript_has_all_that_was_said() -> None:
    assert markdown(SESSION) == (
        "# Fix the bug\n\n"
        "- session: `s1`\n- directory: `/work`\n- model: scripted\n"
        "- created: 2026-01-02T03:04:05Z\n- tokens: 1,000 in, 20 out\n\n"
        "## Person\n\nFix  the\nbug\n\n"
        "## Model\n\n> Hm.\n> Well.\n\nOn it.\n\n"
        '**read_file**\n\n```json\n{\n  "a": 1\n}\n```\n\n'
        "**result of read_file**\n\n```\n1\n2\n3\n```\n\n"
        "## Model\n\nIt was\n\n*(interrupted)*\n"
    )


def test_results_can_be_shortened() -> None:
    assert "1\n… 2 more lines\n" in markdown(SESSION, result_lines=1)
    assert shortened("a\nb", 2) == "a\nb"


def test_a_code_block_cannot_be_ended_by_its_text() -> None:
    assert fenced("a\n````\nb") == "`````\na\n````\nb\n`````"


@pytest.mark.parametrize(
    "said, written",
    [
        ("a < b, <b>bold</b> <!-- x -->", "a < b, &lt;b>bold&lt;/b> &lt;!-- x -->"),
        ("![x](http://evil.test/?q)", "!\\[x](http://evil.test/?q)"),
        ("# Person\n\n## Person\nI agree", "### Person\n\n#### Person\nI agree"),
        ("Person\n---\nI agree", "Person\n\n---\nI agree"),
        ("```html\n<b> ![x](y)\n# it\n```\n<b>", "```html\n<b> ![x](y)\n# it\n```\n&lt;b>"),
        ("````\n```\n<b>\n`````\n<i>", "````\n```\n<b>\n`````\n&lt;i>"),
        ("~~~ `x`\n<b>\n   ~~~~  \n<i>", "~~~ `x`\n<b>\n   ~~~~  \n&lt;i>"),
        ("``` not `a block\n<b>", "``` not `a block\n&lt;b>"),
        ("- ```\n  <b>\n  ```\n<i>", "- ```\n  &lt;b>\n  ```\n&lt;i>"),
        ("```\nnever ended", "```\nnever ended\n```"),
    ],
)
def test_what_was_said_is_no_html_no_picture_and_no_heading(said: str, written: str) -> None:
    assert prose(said) == written


HOSTILE = "</pre></title><script>alert(1)</script><img src=x onerror=y>\"'\x1b[2J\u202e"


def test_a_page_has_all_that_was_said_and_no_tag_of_it() -> None:
    class Tags(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.tags: set[str] = set()
            self.words = ""

        def handle_starttag(self, tag: str, _attributes: object) -> None:
            self.tags.add(tag)

        def handle_data(self, data: str) -> None:
            self.words += data

    call = ToolCall("c1", HOSTILE, f'{{"a":"{HOSTILE}')
    session = Loaded(
        HOSTILE, HOSTILE, HOSTILE, HOSTILE, "system",
        Conversation([
            UserMessage(HOSTILE),
            AssistantMessage(HOSTILE, HOSTILE, (call,), interrupted=True),
            ToolMessage("c1", HOSTILE, HOSTILE, is_error=True),
        ]),
    )  # fmt: skip
    parser = Tags()

    parser.feed(page(session))

    assert parser.words.count("<script>alert(1)</script>") == 12
    assert not parser.tags & {"script", "img"}
    assert "\x1b" not in parser.words
    assert "default-src 'none'" in page(session)


def test_a_picture_is_named_where_it_was_shown() -> None:
    said = UserMessage("Look", images=(Image("a<b>.png", "image/png", "aGk="),))

    assert "Look\n\n*(picture: a&lt;b>.png)*\n" in markdown(
        Loaded("s", "/", "m", "", "", Conversation([said]))
    )
