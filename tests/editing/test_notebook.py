"""Notebooks edited by cell: the cell changes, and no other byte does."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcode.editing import notebook
from qcode.editing.notebook import Changed
from qcode.editing.outcome import Reason, Refused

PNG = "iVBORw0KGgo" * 400


def book(*cells: dict[str, Any], minor: int = 5) -> dict[str, Any]:
    return {
        "cells": list(cells),
        "metadata": {"language_info": {"file_extension": ".py", "name": "python"}},
        "nbformat": 4,
        "nbformat_minor": minor,
    }


def code(id: str, source: str | list[str], count: int | None = 1) -> dict[str, Any]:
    stream = {"name": "stdout", "output_type": "stream", "text": ["1\n", "2\n"]}
    return {
        "cell_type": "code",
        "execution_count": count,
        "id": id,
        "metadata": {"tags": []},
        "outputs": [stream],
        "source": source,
    }


def prose(id: str, source: str | list[str]) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": id, "metadata": {}, "source": source}


def written(value: object) -> str:
    """The text as Jupyter writes it."""
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


BOOK = book(
    prose("intro", ["# Größen\n", "\n", "Über alles."]),
    code("sum", ["a = 1\n", "b = 2\n", "print(a + b)"]),
    code("plot", "plot()"),
)
TEXT = written(BOOK)


def done(result: Changed | Refused) -> Changed:
    assert isinstance(result, Changed), result.text
    return result


def refused(result: object) -> Refused:
    assert isinstance(result, Refused)
    return result


def test_a_notebook_is_shown_by_cell() -> None:
    shown = copy.deepcopy(BOOK)
    shown["cells"][2]["outputs"] = [
        {"output_type": "display_data", "data": {"image/png": PNG, "text/plain": "<Figure>"}},
        {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["x" * 999]},
        {"output_type": "stream", "name": "stdout", "text": "\x1b[31m" + "y" * 500},
    ]

    assert notebook.show(written(shown), output_characters=100) == (
        "Notebook of python, 3 cells\n\n"
        "#0 markdown id=intro\n# Größen\n\nÜber alles.\n\n"
        "#1 code id=sum [1]\na = 1\nb = 2\nprint(a + b)\n=> 1\n=> 2\n\n"
        "#2 code id=plot [1]\nplot()\n"
        "=> <Figure>\n=> [image/png]\n=> ValueError: no\n"
        f"=> {'y' * 100} [and 400 characters more]\n"
    )


def test_replacing_a_source_clears_what_was_computed_from_it() -> None:
    change = done(notebook.replace(TEXT, "sum", "a = 3\nprint(a + b)"))

    wanted = copy.deepcopy(BOOK)
    wanted["cells"][1] |= {
        "source": ["a = 3\n", "print(a + b)"],
        "outputs": [],
        "execution_count": None,
    }
    assert change.text == written(wanted)
    assert change.before
    assert change.after
    assert (change.before.source, change.after.source) == (
        "a = 1\nb = 2\nprint(a + b)",
        "a = 3\nprint(a + b)",
    )


def test_a_source_that_was_one_string_stays_one() -> None:
    change = done(notebook.replace(TEXT, "#2", "x\ny"))

    assert json.loads(change.text)["cells"][2]["source"] == "x\ny"


def test_lines_that_stay_keep_their_escapes() -> None:
    text = TEXT.replace("Größen", "Gr\\u00f6\\u00dfen")

    change = done(notebook.replace(text, "intro", "# Größen\n\nÜber nichts."))

    assert change.text == text.replace("Über alles", "Über nichts")


def test_new_text_is_escaped_where_all_was() -> None:
    text = json.dumps(BOOK, indent=1)

    change = done(notebook.replace(text, "plot", "ä"))

    assert '"source": "\\u00e4"' in change.text
    assert change.text.isascii()


def test_a_lone_surrogate_is_written_as_an_escape() -> None:
    change = done(notebook.replace(TEXT, "plot", "'\ud800'"))

    assert "\\ud800" in change.text
    assert change.text.encode()


@pytest.mark.parametrize(
    "name, number", [("sum", 1), ("1", 1), ("#1", 1), ("cell-2", 2), (" plot ", 2), ("0", 0)]
)
def test_a_cell_is_named_by_id_or_number(name: str, number: int) -> None:
    change = done(notebook.replace(TEXT, name, "new"))

    assert change.after
    assert change.after.number == number


def test_an_id_that_is_another_cells_number_is_refused() -> None:
    text = written(book(code("1", "a"), code("0", "b"), code("2", "c")))

    result = refused(notebook.delete(text, "1"))

    assert result.reason is Reason.AMBIGUOUS
    assert "Write #0 or #1" in result.text
    for name, gone in (("#1", "b"), ("#0", "a"), ("2", "c")):
        before = done(notebook.delete(text, name)).before
        assert before
        assert before.source == gone


def test_an_id_twice_is_refused() -> None:
    text = written(book(code("a", "1"), code("a", "2")))

    result = refused(notebook.delete(text, "a"))

    assert result.reason is Reason.AMBIGUOUS
    assert "#0, #1" in result.text


@pytest.mark.parametrize("name", ["gone", "3", "-1", "#99", ""])
def test_a_cell_that_is_not_there_is_answered_with_those_that_are(name: str) -> None:
    result = refused(notebook.replace(TEXT, name, "x"))

    assert result.reason is Reason.NOT_FOUND
    assert "#1 code id=sum [1]: a = 1" in result.text


def test_the_same_source_again_is_no_change() -> None:
    result = refused(notebook.replace(TEXT, "plot", "plot()"))

    assert result.reason is Reason.NO_CHANGE


def test_an_edit_within_a_cell_is_the_callers() -> None:
    change = done(notebook.edit(TEXT, "sum", lambda source: source.replace("1", "5")))

    assert change.after
    assert change.after.source == "a = 5\nb = 2\nprint(a + b)"
    why = Refused(Reason.NOT_FOUND, "no")
    assert notebook.edit(TEXT, "sum", lambda source: why) is why


def test_a_new_cell_is_written_like_the_others() -> None:
    change = done(notebook.insert(TEXT, "intro", "x = 1\ny = 2"))

    wanted = copy.deepcopy(BOOK)
    assert change.after
    new = code(change.after.id, ["x = 1\n", "y = 2"], None) | {"outputs": [], "metadata": {}}
    wanted["cells"].insert(1, new)
    assert change.text == written(wanted)
    assert change.before is None
    assert len(change.after.id) == 8


def test_a_new_cell_can_stand_first_or_last_or_alone() -> None:
    first = done(notebook.insert(TEXT, "", "# Head", "markdown"))
    last = done(notebook.insert(TEXT, "plot", "end"))
    empty = written(book())
    alone = done(notebook.insert(empty, "", "only\n"))

    assert [cell["cell_type"] for cell in json.loads(first.text)["cells"]][:2] == ["markdown"] * 2
    assert json.loads(last.text)["cells"][3]["source"] == ["end"]
    assert alone.text == written(json.loads(alone.text))
    assert done(notebook.delete(alone.text, "0")).text == empty


def test_before_format_4_5_cells_get_no_id() -> None:
    old = book(code("x", ["a"]), minor=4)
    del old["cells"][0]["id"]
    text = written(old)

    change = done(notebook.insert(text, "0", "b"))

    assert "id" not in json.loads(change.text)["cells"][1]
    assert change.text == written(json.loads(change.text))


def test_new_ids_differ() -> None:
    text = TEXT
    for _ in range(20):
        text = done(notebook.insert(text, "", "same")).text

    ids = [cell["id"] for cell in json.loads(text)["cells"]]
    assert len(set(ids)) == 23


def test_a_cell_changes_its_kind() -> None:
    to_prose = done(notebook.replace(TEXT, "sum", "text", "markdown"))
    and_back = done(notebook.replace(to_prose.text, "sum", "a", "code"))

    wanted = copy.deepcopy(BOOK)
    wanted["cells"][1] = prose("sum", ["text"]) | {"metadata": {"tags": []}}
    assert to_prose.text == written(wanted)
    wanted["cells"][1] = code("sum", ["a"], None) | {"outputs": []}
    assert and_back.text == written(wanted)


def test_an_unknown_kind_is_refused() -> None:
    assert refused(notebook.insert(TEXT, "", "x", "latex")).reason is Reason.MALFORMED
    assert refused(notebook.replace(TEXT, "0", "x", "latex")).reason is Reason.MALFORMED


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "line 1, column 1"),
        ("{", "line 1, column 2"),
        ('{"cells": [}', "column 12"),
        ('{"cells": 3}', "no list of cells"),
        ("[]", "no list of cells"),
        ('{"cells": [{"cell_type": "code"}]}', "cell 0 is no cell"),
        ('{"cells": [{"source": [1]}]}', "cell 0 is no cell"),
        ('{"cells": []} x', "behind its end"),
        ('{"worksheets": [], "nbformat": 3}', "nbconvert"),
        ("[" * 100_000, "."),
    ],
)
def test_what_is_no_notebook_is_refused(text: str, why: str) -> None:
    for result in (
        *(notebook.cells(text), notebook.show(text), notebook.delete(text, "0")),
        *(notebook.insert(text, "", "x"), notebook.replace(text, "0", "x")),
    ):
        assert refused(result).reason is Reason.MALFORMED
        assert why in refused(result).text


def test_the_language_of_the_cells_is_told() -> None:
    assert notebook.language(TEXT) == ".py"
    assert notebook.language(written(book() | {"metadata": {}})) == ""


SOURCES = st.text(st.sampled_from('ab\n"\\ é\u2028\x0c🙂'), max_size=12)
CELLS = st.builds(
    lambda make, source, as_lines: make(source.splitlines(keepends=True) if as_lines else source),
    st.sampled_from([lambda source: code("x", source), lambda source: prose("x", source)]),
    SOURCES,
    st.booleans(),
)
STYLES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "indent": st.sampled_from([None, 0, 1, 2, "\t"]),
        "ensure_ascii": st.booleans(),
        "sort_keys": st.booleans(),
        "separators": st.sampled_from([None, (",", ":")]),
    }
)


@st.composite
def notebooks(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any], str, str]:
    """A notebook, the style it is written in, its text, and what stands behind it."""
    cells = draw(st.lists(CELLS, min_size=1, max_size=4))
    value = book(*(cell | {"id": f"c{number}"} for number, cell in enumerate(cells)))
    style = draw(STYLES)
    end = draw(st.sampled_from(["", "\n", "\n\n"]))
    text = json.dumps(value, **style) + end
    return value, style, text, end


@given(notebooks(), st.integers(0, 3), SOURCES)
def test_replacing_changes_what_a_rewrite_would(
    made: tuple[dict[str, Any], dict[str, Any], str, str], number: int, source: str
) -> None:
    value, style, text, end = made
    number %= len(value["cells"])
    cell = value["cells"][number]
    was_list = isinstance(cell["source"], list)

    result = notebook.replace(text, f"#{number}", source)

    if "".join(cell["source"]) == source:
        assert refused(result).reason is Reason.NO_CHANGE
        return
    cell["source"] = source.splitlines(keepends=True) if was_list else source
    if cell["cell_type"] == "code":
        cell |= {"outputs": [], "execution_count": None}
    change = done(result)
    assert json.loads(change.text) == value
    if not style["ensure_ascii"] or not text.isascii() or "\\u" in text:
        plain = json.dumps(value, **style) + end
        if style["indent"] is None or style["separators"] or style["indent"] == 0:
            assert "".join(change.text.split()) == "".join(plain.split())
        else:
            assert change.text == plain


@given(notebooks(), st.integers(0, 4), SOURCES, st.sampled_from(notebook.KINDS))
def test_deleting_undoes_inserting(
    made: tuple[dict[str, Any], dict[str, Any], str, str], number: int, source: str, kind: str
) -> None:
    value, _, text, _ = made
    after = "" if number >= len(value["cells"]) else f"#{number}"

    change = done(notebook.insert(text, after, source, kind))

    assert change.after
    assert (change.after.source, change.after.kind) == (source, kind)
    cells = json.loads(change.text)["cells"]
    assert cells[: change.after.number] + cells[change.after.number + 1 :] == value["cells"]
    assert done(notebook.delete(change.text, change.after.id)).text == text


@given(st.text(st.sampled_from('{}[]":,cellsour \n01\\'), max_size=60))
def test_no_text_makes_it_fail(text: str) -> None:
    for result in (notebook.show(text), notebook.insert(text, "", "x")):
        assert isinstance(result, Refused | str | Changed)
