from __future__ import annotations

import pytest

from qcode.watching.heard import Heard, left
from qcode.watching.remarks import remarks, without


@pytest.mark.parametrize(
    "name, text, found",
    [
        ("a.py", "x = 1  # qcode: use 2!\n", [("act", "use 2", 1, 1)]),
        ("a.py", "# use 2, qcode!\n", [("act", "use 2", 1, 1)]),
        ("a.py", "# QCode! use 2\n", [("act", "use 2", 1, 1)]),
        ("a.py", "# qcode? why 1\n", [("ask", "why 1", 1, 1)]),
        ("a.py", "# qcode: why is it 1?\n", [("ask", "why is it 1?", 1, 1)]),
        ("a.py", "# qcode: think of Windows\n", [("note", "think of Windows", 1, 1)]),
        ("a.js", "f() // qcode: rename it!\r\n", [("act", "rename it", 1, 1)]),
        ("a.sql", "select 1 -- qcode: all rows!\n", [("act", "all rows", 1, 1)]),
        ("a.c", "\n/* qcode: free\n * it! */\n", [("act", "free it", 2, 3)]),
        ("a.html", "<p> <!-- qcode: a table! --> </p>", [("act", "a table", 1, 1)]),
        ("a.md", "# qcode: no heading!\n<!-- qcode: but this! -->\n", [("act", "but this", 2, 2)]),
        ("a.el", "  ;; qcode: shorter!\n", [("act", "shorter", 1, 1)]),
        (
            "a.py",
            "  # qcode: make it\n  # quick, and\n  # short!\n  # other\n",
            [("act", "make it quick, and short", 1, 3)],
        ),
        ("a.py", "# qcode: a\n# b\nx = 1\n", [("note", "a", 1, 1)]),
        ("a.py", "# qcode: a!\n# qcode: b!\n", [("act", "a", 1, 1), ("act", "b", 2, 2)]),
        ("a.py", 's = "# qcode: in a string!"\n"""\n# qcode: in another!\n"""\n', []),
        ("a.js", "s = `\n// qcode: in a template!\n`\n", []),
        ("a.py", "# see qcode: it is fine\n# qcode\n# qcode:\n# qcode: !\n# about qcode.\n", []),
        ("a.txt", "https://qcode: no! # qcode: no!", []),
        ("unknown", "# qcode: in any file!", [("act", "in any file", 1, 1)]),
    ],
)
def test_what_a_comment_says_to_qcode(
    name: str, text: str, found: list[tuple[str, str, int, int]]
) -> None:
    assert [(one.kind, one.words, one.first, one.last) for one in remarks(name, text)] == found


@pytest.mark.parametrize(
    "name, text, rest",
    [
        ("a.py", "a\n    # qcode: x!\nb\n", "a\nb\n"),
        ("a.py", "a = 1  # qcode: x!\r\nb\r\n", "a = 1\r\nb\r\n"),
        ("a.py", "# qcode: a\n# b!\n# qcode: c!", ""),
        ("a.c", "f(/* qcode: x! */ 1);\n/* qcode:\n y! */\n", "f(1);\n"),
        ("a.html", "<p>\n<!-- qcode: x! -->\n</p>\n", "<p>\n</p>\n"),
    ],
)
def test_a_remark_is_taken_out_with_its_line(name: str, text: str, rest: str) -> None:
    assert without(text, remarks(name, text)) == rest


def test_each_remark_is_taken_up_once() -> None:
    heard = Heard()
    heard.look("old.py", "# qcode: was there!\n", counts=False)
    heard.look("a.py", "# qcode: mind Windows\n")
    assert heard.turn() is None
    both = "# qcode: do it!\n# qcode: what for?\n"
    heard.look("b.py", both)

    turn = heard.turn()
    assert turn is not None
    assert [(one.place, one.remark.words) for one in turn.found] == [
        ("a.py:1", "mind Windows"),
        ("b.py:1", "do it"),
    ]
    assert "b.py:1: do it\n    1 # qcode: do it!" in turn.message
    asked = heard.turn()
    assert asked is not None
    assert [one.remark.words for one in asked.found] == ["what for?"]
    heard.look("b.py", f"x = 1\n{both}")  # saved again, as it stands there
    heard.look("old.py", "# qcode: was there!\nx\n")
    assert heard.turn() is None
    assert [one.words for one in left("b.py", both, turn)] == ["do it"]
    heard.look("b.py", "")
    heard.look("b.py", both)
    assert heard.turn() is not None
