from __future__ import annotations

from pathlib import Path

import pytest
from tool_bench import Bench

from qcode.bridge.handed import Handed
from qcode.bridge.protocol import Context, Diagnostic, Selection
from qcode.composing import PointedAt
from qcode.mentions.complete import Mentionable
from qcode.mentions.giving import Pointing


class Rules:
    """Hides a name."""

    def hidden(self, real: Path) -> str:
        return "it holds keys" if real.name == ".env" else ""

    def protected(self, written: str) -> str:
        return ""

    def writable(self, real: Path) -> bool:
        return True


class Person:
    """What a person says, with an editor beside it."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.notes: list[str] = []
        self.editor = Handed()
        bench.context.guarded = Rules()
        pointing = Pointing(bench.context, self.notes.append, home=bench.root, tokens=9_000)
        self.pointed = PointedAt(lambda: pointing)
        self.pointed.editor = self.editor

    def has(self, name: str, **fields: object) -> None:
        context = Context(str(self.bench.root / name), **fields)  # type: ignore[arg-type]
        self.editor.take(1, "nvim", context)

    def says(self, text: str) -> str:
        told = self.bench.runner.run(self.pointed.tell(text, is_first=False))
        return told.after.partition("\n\n")[2]


@pytest.fixture
def person(bench: Bench) -> Person:
    (bench.root / "app.py").write_text("one\ntwo\n")
    (bench.root / ".env").write_text("KEY=1\n")
    return Person(bench)


def test_what_an_editor_has_is_given_when_it_is_pointed_at(person: Person) -> None:
    bad = Diagnostic(str(person.bench.root / "app.py"), 2, 1, "error", "no\nsuch", "lint")
    other = Diagnostic(str(person.bench.root / "a.py"), 1, 1, "hint", "shorter")
    secret = Diagnostic(str(person.bench.root / ".env"), 1, 1, "hint", "KEY is 1")
    person.has(
        "app.py",
        selection=Selection("TWO", 2, 2),
        modified=True,
        diagnostics=(other, secret, bad),
    )

    assert person.says("see @selection") == (
        '<content of="app.py lines 2-2, selected in the editor, with changes that are not saved">\n'
        "TWO\n</content>"
    )
    assert person.says("fix @diagnostics") == (
        '<content of="diagnostics of the editor">\n'
        "app.py:2:1: error: no such (lint)\na.py:1:1: hint: shorter\n</content>"
    )
    assert person.says("read @file.") == '<content of="app.py">\none\ntwo\n</content>'
    assert person.notes == [
        "`app.py` has changes in the editor that are not saved: they are not given"
    ]
    assert person.says("nothing of it") == ""


def test_what_is_not_there_or_hidden_is_told_to_the_person(person: Person) -> None:
    assert person.says("@selection") == ""
    person.has(".env", selection=Selection("KEY=1", 1, 1))
    assert person.says("@selection @file") == ""
    person.has("app.py")
    assert person.says("@selection @diagnostics") == ""

    assert [note.partition(": ")[2] for note in person.notes] == [
        "no editor is connected that handed it over",
        "it is hidden (it holds keys)",
        "it is hidden (it holds keys)",
        "nothing is selected in the editor",
        "the editor handed over no diagnostics",
    ]


def test_a_file_of_that_name_is_one_where_no_editor_is(person: Person) -> None:
    (person.bench.root / "selection").write_text("a file\n")

    assert "a file" in person.says("@selection")
    person.has("app.py", selection=Selection("two", 2, 2))
    assert "two" in person.says("@selection")
    assert "a file" in person.says('@"selection"')


def test_the_selection_is_told_by_itself_only_if_that_is_set_and_once(person: Person) -> None:
    person.has("app.py", selection=Selection("two", 2, 2))
    assert person.says("hm") == ""
    person.pointed.tells_selection = True
    assert "two" in person.says("hm")
    assert person.says("and now?") == ""
    person.has("app.py", selection=Selection("one", 1, 1))
    assert "one" in person.says("and now?")
    person.editor.left(1)
    assert person.says("hm") == ""


def test_it_is_offered_while_an_editor_is_there(person: Person) -> None:
    offered = Mentionable(person.bench.root, lambda _path: False)
    assert [one.text for one in offered.candidates("sel")] == []
    offered.editor = lambda: True
    assert [(one.text, one.kind) for one in offered.candidates("sel")] == [("selection", "editor")]
