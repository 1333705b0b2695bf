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
