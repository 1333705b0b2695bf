from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qcode.accounting import REQUESTS, Share, account, table, to_json
from qcode.messages import Asked, AssistantMessage, ToolCall, ToolMessage, Usage, UserMessage
from qcode.origins import origins
from qcode.prompts import load
from qcode.providers import ToolSpec

FILE = '<instructions file="{name}" of="the repository">\n{text}\n</instructions>'
MEMORY = load(
    "memory/instructions",
    files="\n\n".join(FILE.format(name=f"{name}.md", text=name * 9) for name in ("A", "B")),
)
PLACE = load("surroundings", facts="- directory: /w\n- git: branch main")
MAP = load("map", map="a.py:\n1: def a()")
FACTS = load("facts/known", facts="- test: `make test`")
MESSAGES = (
    UserMessage("fix it", before=f"be brief\n\n{MAP}\n\n{PLACE}\n\n{FACTS}", after="a.py\n\nb.py"),
    AssistantMessage("Now.", tool_calls=(ToolCall("c1", "glob", "{}"),)),
    ToolMessage("c1", "glob", "a.py\nb.py"),
    UserMessage("go on", is_nudge=True),
)


def test_all_that_the_model_reads_is_counted_once() -> None:
    found = account(
        "be good",
        (ToolSpec("glob", "Find.", {}), ToolSpec("edit", "Change.", {})),
        MESSAGES,
        len,
        window=400,
        reserve=50,
        asked=[Asked(Usage(100, 10, 60)), Asked(Usage(120, 5, 100), "summary")],
    )

    assert found.shares == (
        Share("instructions", "", 7),
        Share("tool", "glob", 11),
        Share("tool", "edit", 13),
        Share("told besides", "", 8),
        Share("map", "", len(MAP)),
        Share("surroundings", "", len(PLACE)),
        Share("facts", "", len(FACTS)),
        Share("request", "", 6),
        Share("pointed at", "", 10),
        Share("nudge", "", 5),
        Share("answer", "", 4),
        Share("call", "", 6),
        Share("result", "glob", 9),
    )
    shown = table(found).split("\n")
    assert shown[1:4] == [
        "tools (2)                                24    6.0 %",
        "  glob                                   11    2.8 %",
        "  edit                                   13    3.2 %",
    ]
    assert shown[-3:] == [
        "requests so far, by the server's count (2):",
        "     1.       100 tokens: 60 reused, 40 read anew; 10 written",
        "     2.       120 tokens: 100 reused, 20 read anew; 5 written (for a summary)",
    ]
    data = to_json(found)
    assert sum(part["tokens"] for part in data["parts"]) == data["total"] == found.total
    assert data["free"] == 400 - 50 - found.total
    assert data["requests"][1] == {
        "input_tokens": 120,
        "reused_tokens": 100,
        "read_anew_tokens": 20,
        "output_tokens": 5,
        "purpose": "summary",
    }


def test_each_file_of_instructions_has_its_name() -> None:
    ledger = load("compacted", ledger=FILE.format(name="no file.md", text="quoted"))
    opening = UserMessage("more", before=f"{MEMORY}\n\n{ledger}\n\nown", is_summary=True)

    found = account("", (), [opening], len, window=None, reserve=50)

    assert [(share.kind, share.name) for share in found.shares] == [
        ("memory", "A.md"),
        ("memory", "B.md"),
        ("told besides", ""),
        ("ledger", ""),
        ("request", ""),
    ]
    assert found.shares[3].tokens == len(f"{ledger}\n\nown")
    assert "memory files (2)" in table(found)


@given(st.text(alphabet="ab \n", max_size=40), st.booleans(), st.booleans())
def test_what_is_pointed_at_takes_nothing_from_the_rest(
    pointed: str, has_place: bool, has_facts: bool
) -> None:
    tail = [PLACE] * has_place + [FACTS] * has_facts
    said = f"{PLACE}\n\n{pointed}" if pointed else ""
    after = "\n\n".join(filter(None, [said, *tail]))

    parts = [part for part in origins(UserMessage("x", after=after)) if part[2]]

    expected = [("surroundings", "", PLACE)] * has_place + [("facts", "", FACTS)] * has_facts
    if said and tail:
        expected = [("pointed at", "", said), *expected]
        assert parts[1:] == expected
    elif not said:
        assert parts[1:] == expected


def test_only_the_last_requests_are_listed() -> None:
    asked = [Asked(Usage(number, 1, 0)) for number in range(1, 21)]
    shown = table(account("be good", (), (), len, window=None, reserve=50, asked=asked))

    assert f"(the last {REQUESTS} of 20)" in shown
    assert "    20.        20 tokens: 0 reused, 20 read anew" in shown
    assert "    12. " not in shown


def test_a_window_that_is_not_known_is_not_made_up() -> None:
    shown = table(account("be good", (), (), len, window=None, reserve=50))

    assert "the window is not known" in shown
    assert "free" not in shown
