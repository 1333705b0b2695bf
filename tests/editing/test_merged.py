from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples

from qcode.editing.lost import defined, lost
from qcode.editing.merged import merged

FILE = '''"""About."""
import os

TAX = 3


def shout(text):
    return text.upper()


@cached
def flip(text):
    """Flip it."""
    raise NotImplementedError


class Box:
    size = 1

    def area(self):
        return 1

    def name(self):
        return "box"


if __name__ == "__main__":
    print(flip("a"))
'''


def merge(after: str, named: set[str] | None = None, before: str = FILE) -> str:
    found = merged(before, after, named or set())
    assert found is not None
    return found.text


def test_a_function_written_alone_replaces_its_own() -> None:
    found = merged(FILE, "def flip(text):\n    return text.swapcase()", set())

    assert found is not None
    assert found.kept == ("shout", "Box", "TAX")
    assert found.text == FILE.replace(
        '@cached\ndef flip(text):\n    """Flip it."""\n    raise NotImplementedError\n',
        "def flip(text):\n    return text.swapcase()\n",
    )


def test_imports_constants_and_new_functions_find_their_places() -> None:
    text = merge(
        "import re\n\nTAX = 4\n\ndef flip(text):\n    return text\n\ndef more():\n    pass\n"
    )

    assert text.startswith('"""About."""\nimport os\nimport re\n\nTAX = 4\n\n\ndef shout')
    assert "    return text\n\n\ndef more():\n    pass\n\n\nclass Box" in text


def test_methods_of_a_class_are_kept_as_well() -> None:
    found = merged(FILE, "class Box:\n    def area(self):\n        return 2\n", set())

    assert found is not None
    assert found.kept == ("name", "size", "shout", "flip", "TAX")
    assert found.text == FILE.replace("return 1", "return 2")


def test_what_somebody_named_may_go() -> None:
    text = merge("def flip(text):\n    return text\n", {"shout"})

    assert "shout" not in text
    assert "class Box" in text


SIZE = """class Box:
    @property
    def size(self):
        return self._size

    @size.setter
    def size(self, value):
        self._size = value

    def area(self):
        return 1


def other():
    pass
"""


def test_of_a_property_each_function_takes_the_place_of_its_own() -> None:
    after = SIZE.partition("    def area")[0].replace("_size", "_width")

    assert merge(after, before=SIZE) == SIZE.replace("_size", "_width")
    setter = after.replace("    @property\n    def size(self):\n        return self._width\n\n", "")
    assert merge(setter, before=SIZE) == SIZE.replace("_size = value", "_width = value")
    twice = "def same():\n    return 1\n\n\ndef same():\n    return 2\n"
    assert merged(f"{twice}\n\ndef more():\n    pass\n", twice[:22], set()) is None


def test_definitions_without_blank_lines_keep_what_is_put_between_them() -> None:
    before = "def a():\n    return 1\ndef b():\n    return 2\ndef c():\n    return 3\n"
    after = "def b():\n    return 20\ndef a():\n    return 10\ndef new():\n    return 4\n"

    text = merge(after, before=before)
    assert [line for line in text.splitlines() if line] == [
        *("def a():", "    return 10", "def new():", "    return 4"),
        *("def b():", "    return 20", "def c():", "    return 3"),
    ]
    before = "import os\nTAX = 3\n\n\ndef a():\n    return TAX\n"
    assert merge("TAX = 4\nimport re\n", before=before) == before.replace(
        "TAX = 3", "import re\nTAX = 4"
    )


def test_a_class_gets_the_bases_that_are_new_and_keeps_those_left_out() -> None:
    before = "@final\nclass Box(Base):\n    def a(self): ...\n\n    def b(self): ...\n"

    assert merge("class Box:\n    def a(self): pass\n", before=before) == before.replace(
        "a(self): ...", "a(self): pass"
    )
    more = "@final\nclass Box(Base, More):\n    def a(self): ...\n"
    assert merge(more, before=before) == before.replace("(Base)", "(Base, More)")


def test_what_ends_no_line_for_python_moves_nothing() -> None:
    before = (
        'A = """\x0c \u2028 \x85"""\n\x0c\ndef a():\n    return 1\n\n\ndef b():\n    return 2\n'
    )

    assert merge("def b():\n    return 3\n", before=before) == before.replace("2\n", "3\n")


def test_a_future_import_goes_in_front_of_the_others() -> None:
    text = merge("from __future__ import annotations\n\n\ndef shout(text):\n    return text\n")

    assert text.startswith('"""About."""\nfrom __future__ import annotations\nimport os\n')


@pytest.mark.parametrize("before", ["A = 1; B = 2\n", "f = 3\nA = 1\nB = 2\n"])
def test_what_shares_a_line_or_a_name_is_unclear(before: str) -> None:
    rest = "\n\ndef left():\n    pass\n"

    assert merged(before + rest, "A = 3\n\n\ndef f():\n    pass\n", set()) is None


@pytest.mark.parametrize(
    "after",
    [
        FILE,  # nothing is missing
        "print(3)\ndef flip(text):\n    return 1\n",  # where would it go
        "def flip(text:\n",  # no Python
        "x = ",
    ],
)
def test_what_is_unclear_is_not_merged(after: str) -> None:
    assert merged(FILE, after, set()) is None


NAMES = st.sampled_from(["alpha", "beta", "gamma", "delta"])
BODIES = st.sampled_from(["return 1", "return 2", "x = 3\n    return x"])


def functions(bodies: dict[str, str]) -> str:
    return "\n\n".join(f"def {name}():\n    {body}\n" for name, body in bodies.items())


@given(st.dictionaries(NAMES, BODIES, min_size=2), st.dictionaries(NAMES, BODIES, min_size=1))
@settings(max_examples=examples(200))
def test_a_merge_has_what_was_written_and_what_was_left_out(
    before: dict[str, str], after: dict[str, str]
) -> None:
    found = merged(functions(before), functions(after), set())

    if found is None:
        assert set(before) <= set(after)
        return
    tree = ast.parse(found.text)
    bodies = {node.name: ast.dump(node) for node in tree.body if isinstance(node, ast.FunctionDef)}
    wanted = ast.parse(functions({**before, **after}))
    assert bodies == {
        node.name: ast.dump(node) for node in wanted.body if isinstance(node, ast.FunctionDef)
    }
    assert set(found.kept) == set(before) - set(after)


def test_lost_are_definitions_that_nothing_takes_the_place_of() -> None:
    assert lost("a.py", FILE, "def flip(text):\n    return 1\n") == (
        "TAX",
        "shout",
        "Box",
        "area",
        "name",
    )
    assert lost("a.py", "def a(): ...\n", "def b(): ...\n") == ()  # renamed
    assert lost("a.py", "def a(): ...\ndef c(): ...\n", "def c(): ...\n", {"a"}) == ()
    assert lost("a.txt", "def a(): ...\n", "") == ()
    assert lost("a.js", "function a() {}\nfunction b() {}\n", "function a() {}\n") == ("b",)
    assert defined("a.py", "def a(:") in ([], ["a"])
