from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcode.editing.imported import Other, imported

UTILS = "import re\nfrom datetime import date\nimport os.path\nfrom math import pi as PI\n"


@pytest.mark.parametrize(
    "text, added",
    [
        ("def f(t):\n    return re.sub('a', 'b', t)\n", ("import re",)),
        (
            "def f(t):\n    return date(*re.split('-', t))\n",
            ("from datetime import date", "import re"),
        ),
        ("def f():\n    return os.path.sep, PI\n", ("from math import pi as PI", "import os.path")),
        ("def f(re):\n    return re.sub\n", ()),
        ("def f():\n    re = 1\n    return re\n", ()),
        ("def f():\n    return [re for re in ()]\n", ()),
        ("from helpers import *\nre.sub\n", ()),
        ("import re\nre.sub\n", ()),
        ("print(len(__name__))\n", ()),
        ("def f():\n    return unknown\n", ()),
        ("def f(:\n", ()),
        ("try:\n    pass\nexcept OSError as re:\n    re\n", ()),
        ("match x:\n    case {'a': re, **date}:\n        re, date\n", ()),
    ],
)
def test_which_imports_are_missing(text: str, added: tuple[str, ...]) -> None:
    found = imported(text, [Other(UTILS)])

    assert (found.added if found else ()) == added


@pytest.mark.parametrize(
    "text, added",
    [
        ("def test():\n    with pytest.raises(KeyError):\n        {}[1]\n", ("import pytest",)),
        ("json.dumps(math.pi)\n", ("import json", "import math")),
        ("json.dump_it(1)\n", ()),  # json has no such thing: it is something else
        ("datetime.now()\n", ()),
        ("pytest.strip()\n", ()),
        ("print(time)\n", ()),
        ("time.sleep(time)\n", ()),
        ("token.strip()\n", ()),
        ("def f(time):\n    return time.sleep\n", ()),
    ],
)
def test_well_known_modules_are_imported_where_a_name_can_be_nothing_else(
    text: str, added: tuple[str, ...]
) -> None:
    found = imported(text, [])

    assert (found.added if found else ()) == added


def test_they_stand_behind_the_others() -> None:
    text = (
        '"""Dates."""\n\nimport json\n\n\ndef f(t):\n    return re.sub("a", "b", json.dumps(t))\n'
    )

    found = imported(text, [Other(UTILS)])

    assert found is not None
    assert found.text == text.replace("import json\n", "import json\nimport re\n")


def test_a_file_without_imports_begins_with_them() -> None:
    found = imported("def f():\n    return re\n", [Other(UTILS)])

    assert found is not None
    assert found.text == "import re\n\n\ndef f():\n    return re\n"


def test_the_first_line_of_all_stays_the_first() -> None:
    text = "#!/usr/bin/env python3\n# -*- coding: utf-8 -*-\nprint(re)\n"

    found = imported(text, [Other(UTILS)])

    assert found is not None
    assert found.text.splitlines()[:2] == text.splitlines()[:2]


def test_what_files_import_in_two_ways_is_left_alone() -> None:
    others = [Other("from datetime import date\n"), Other("from calendar import date\n")]

    assert imported("print(date)\n", others) is None


def test_imports_of_a_files_own_package_mean_something_else_elsewhere() -> None:
    assert imported("print(area)\n", [Other("from .shapes import area\n")]) is None


def test_what_one_file_beside_it_defines_is_meant() -> None:
    grade, price = (
        "def grade(x):\n    pass\n\ndef _hidden():\n    pass\n",
        "class Price:\n    pass\n",
    )
    text = "def test_it():\n    grade(_hidden(Price))\n"

    found = imported(text, [Other(grade, "grade"), Other(price)])
    assert found is not None
    assert found.added == ("from grade import grade",)
    assert imported(text, [Other(grade, "grade"), Other(grade, "old_grade")]) is None


@given(st.text(alphabet="abre.(),:= \n\"'#def", max_size=80))
def test_whatever_is_written_is_still_there(text: str) -> None:
    found = imported(text, [Other(UTILS), Other("import a, b\n")])

    if found is not None:
        ast.parse(found.text)
        left = found.text
        for statement in found.added:
            left = left.replace(f"{statement}\n", "", 1)
        assert left.replace("\n", "") == text.replace("\n", "")
        assert imported(found.text, [Other(UTILS), Other("import a, b\n")]) is None
