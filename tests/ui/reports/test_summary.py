from __future__ import annotations

import pytest
from ends import BAD, FAILED, GOOD
from hostile import HOSTILE, obeyed
from markdown_it import MarkdownIt
from markdown_it.token import Token

from qcode.headless.ended import Ended, Violation
from qcode.messages import Usage
from qcode.record import replace
from qcode.ui.reports.details import ChangedFile, Details
from qcode.ui.reports.summary import CUT, MOST_ROWS, summary_markdown
from qcode.verification.outcome import Case, Outcome


def test_the_verdict_is_first_and_the_way_on_is_last() -> None:
    details = Details((ChangedFile("a.py", 3, 1), ChangedFile("b.bin")))

    assert summary_markdown(GOOD, details) == (
        "## ✅ qcode: verified\n\n"
        "Finished; every verification passed (exit code 0).\n\n"
        "### Verification\n\n"
        "| Command | Before | After | Tests | Time |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| `pytest -q` | ❌ exits 1 | ✅ passed | 1 passed | 1.5 s |\n\n"
        "### Files changed\n\n"
        "| File | Added | Removed |\n"
        "| --- | --- | --- |\n"
        "| `a.py` | 3 | 1 |\n"
        "| `b.bin` |  |  |\n\n"
        "### Run\n\n"
        "|  |  |\n"
        "| --- | --- |\n"
        "| Task | `fix it` |\n"
        "| Model | `scripted` |\n"
        "| Answered by | `scripted` (2 requests, 0.0000 USD), "
        "`stronger` (1 request, 0.1250 USD) |\n"
        "| Steps | 3 |\n"
        "| Time | 12 s |\n"
        "| Tokens | 3,000 read (1,000 of them cached), 30 written |\n"
        "| Cost | 0.1250 USD |\n\n"
        "### Answer\n\n"
        "```text\nIt is fixed.\n```\n\n"
        "To go on from here: `qcode run --resume 20261127-1`\n\n"
    )


def test_what_failed_is_named_with_its_place() -> None:
    text = summary_markdown(BAD)

    assert text.startswith("## ❌ qcode: not accepted\n")
    assert "| `t.py:9` | `weakened`, taken back | `an assertion is gone` |" in text
    assert "| `t.py::b` | `t.py:9` | `assert 1 == 2` |" in text
    assert "| `make` |  | ❌ no end in time |  | 9.0 s |" in text
    assert "`make` said at its end:\n\n```text\nstuck\n```" in text
    assert "| Calls not allowed | 1 |" in text


def tokens(text: str) -> list[Token]:
    # html, links, tables and what looks like a link, as GitHub reads them.
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    flat: list[Token] = []
    for token in markdown.parse(text):
        flat += [token, *(token.children or ())]
    return flat


def hostile(said: str) -> Ended:
    """Everything is what somebody says."""
    case = Case(said, "failed", said, 1, said)
    bad = Outcome(said, 1, said, 1.0, (case,))
    return Ended(
        *(said, said, said, BAD.end, 1, said, said, 1, 1.0, Usage()),
        files_changed=[said],
        baseline=[bad],
        verification=[bad, Outcome(f"{said}2", 1, said, 1.0)],
        violations=[Violation(said, said, said, 1)],
        commit=said,
    )


TRICKS = {
    "html": '<img src=x onerror="alert(1)"><script>alert(1)</script>',
    "ticks": "a ` b `` c ``` d <b>@all</b> ```",
    "cell": "a | b \\| c \\\\| <b>d</b>",
    "fence": "```\n````text\n<b>x</b>\n`````\n# heading",
    "mention": "@octocat see #1 and https://example.com/ www.example.com a@example.com",
    "link": "[a](https://example.com) ![b](https://example.com/b.png) <https://example.com>",
    "lines": "a\r\n\r\n# heading\n\n- b\u2028<hr>",
    "comment": "<!-- a",
    "entity": "&lt;b&gt; &#60;b&#62; \\<b>",
    "details": "</code></details><details>",
}


@pytest.mark.parametrize("said", [*TRICKS.values(), *HOSTILE.values()])
def test_nothing_that_somebody_says_is_markup(said: str) -> None:
    text = summary_markdown(hostile(said))

    assert obeyed(text.encode("utf-8", "replace")) == []
    flat = tokens(text)
    kinds = {token.type for token in flat}
    assert kinds <= {
        *("heading_open", "heading_close", "inline", "text", "code_inline", "fence", "softbreak"),
        *("paragraph_open", "paragraph_close", "html_inline"),
        *(f"{part}_{end}" for part in ("table", "thead", "tbody", "tr", "th", "td")
          for end in ("open", "close")),
    }  # fmt: skip
    assert {token.content for token in flat if token.type == "html_inline"} <= {"<code>", "</code>"}
    for row in text.partition("\n```")[0].splitlines():
        assert row.count("|") in (0, 4, 6)
    headings = [token.tag for token in flat if token.type == "heading_open"]
    assert headings == ["h2", *["h3"] * (5 if said.strip() else len(headings) - 1)]
    # Outside of code there are no words but qcode's own.
    inside, outside = False, ""
    for token in flat:
        if token.type == "html_inline":
            inside = token.content == "<code>"
        elif token.type == "text" and not inside:
            outside += token.content
    assert "@" not in outside
    assert "http" not in outside
    assert "www" not in outside


def test_a_long_table_is_cut() -> None:
    text = summary_markdown(replace(GOOD, files_changed=[f"f{n}" for n in range(MOST_ROWS + 7)]))

    assert f"`f{MOST_ROWS - 1}`" in text
    assert "| … and 7 more |  |  |" in text


@pytest.mark.parametrize("most", [0, 10, 100, 500, 1000, 5000])
def test_it_keeps_to_its_size_and_says_so(most: int) -> None:
    ended = replace(BAD, answer="ä" * 5000, verification=[replace(FAILED, cases=())])
    text = summary_markdown(ended, most_bytes=most)

    assert len(text.encode()) <= most
    assert text.endswith(CUT) or most < len(CUT)
    assert "fence" not in {t.type for t in tokens(text) if not t.markup}
    assert text.count("```") % 2 == 0
