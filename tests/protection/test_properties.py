"""What holds for any tests in Python: layout never counts, a lost assertion always does."""

from __future__ import annotations

import ast
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples

from qcode.protection import judge, pairs, special, special_lines, tested
from qcode.protection.named import Named
from qcode.protection.python_tests import compare
from qcode.protection.roles import role_at

NAMES = st.sampled_from(["alpha", "beta", "gamma", "delta"])
LITERALS = st.sampled_from(["0", "7", "'a b'", "[1, 2]", "{'k': None}", "-1.5", "b'x'", "(1,)"])
CHECKS = st.one_of(
    st.builds("assert {}({}) == {}".format, NAMES, LITERALS, LITERALS),
    st.builds("assert {} in {}({})".format, LITERALS, NAMES, LITERALS),
    st.builds("self.assertEqual({}({}), {})".format, NAMES, LITERALS, LITERALS),
    st.builds("with pytest.raises(ValueError):\n    {}({})".format, NAMES, LITERALS),
    st.builds("for one in [1, 2]:\n    assert {}(one) == {}".format, NAMES, LITERALS),
)
OTHER = st.one_of(
    st.builds("value = {}({})".format, NAMES, LITERALS),
    st.builds("{}.append({})".format, NAMES, LITERALS),
)
MARKS = st.sampled_from(
    ["", "@pytest.mark.slow\n", '@pytest.mark.parametrize("one", [1, 2, 3])\n', "@fixture\n"]
)
IMPORTS = ["import pytest", "import os.path", "from unit import alpha, beta", "import json as j"]


@st.composite
def functions(draw: st.DrawFn, number: int, depth: int = 0) -> str:
    body = draw(st.lists(OTHER, max_size=2)) + draw(st.lists(CHECKS, min_size=1, max_size=3))
    text = "\n".join(body).replace("\n", "\n    ")
    return f"{draw(MARKS)}def test_{number}(self, one=None):\n    {text}\n"


@st.composite
def files(draw: st.DrawFn) -> str:
    parts = [draw(functions(number)) for number in range(draw(st.integers(1, 3)))]
    if draw(st.booleans()):
        inner = parts.pop().replace("\n", "\n    ").rstrip()
        parts.append(f"class TestCase(Base):\n    {inner}\n")
    return "\n".join([*IMPORTS, "", "CASES = [(1, 2), (3, 4)]", "", *parts])


def reworded(text: str, choice: random.Random) -> str:
    """Return it with other layout, comments, docstrings, annotations and order of definitions."""
    tree = ast.parse(text)
    imports = [each for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom)]
    rest = [each for each in tree.body if each not in imports]
    choice.shuffle(imports)
    choice.shuffle(rest)
    tree.body = [*imports, *rest]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            if choice.random() < 0.5:
                node.body.insert(0, ast.Expr(ast.Constant("What it is for.")))
            if choice.random() < 0.5:
                node.returns = ast.Constant(None)
    lines = []
    for line in ast.unparse(ast.fix_missing_locations(tree)).splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        if choice.random() < 0.3:
            lines += ["", f"{indent}# said of it"]
        lines.append(line + "  # so" * (choice.random() < 0.2))
    return "\n".join(lines) + "\n" * choice.randrange(3)


@settings(max_examples=examples(30))
@given(files(), st.randoms(use_true_random=False))
def test_what_is_only_layout_never_counts(text: str, choice: random.Random) -> None:
    assert compare(text.encode(), reworded(text, choice).encode()) == []


def checks(tree: ast.AST) -> list[tuple[list[ast.stmt], ast.stmt]]:
    """Return the statements that check, each with the body that it stands in."""
    return [
        (body, each)
        for node in ast.walk(tree)
        if isinstance(body := getattr(node, "body", None), list)
        for each in body
        if isinstance(each, ast.Assert) or "assertEqual" in ast.dump(each)[:120]
    ]


@settings(max_examples=examples(30))
@given(files(), st.data())
def test_an_assertion_that_is_gone_always_counts(text: str, data: st.DataObject) -> None:
    tree = ast.parse(text)
    found = checks(tree)
    if not found:
        return
    body, lost = data.draw(st.sampled_from(found))
    body.remove(lost)
    if not body:
        body.append(ast.Pass())

    assert compare(text.encode(), ast.unparse(tree).encode()) != []


@settings(max_examples=examples(20))
@given(files(), st.data())
def test_a_literal_that_is_another_always_counts(text: str, data: st.DataObject) -> None:
    tree = ast.parse(text)
    constants = [
        node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value != "one"
    ]
    data.draw(st.sampled_from(constants)).value = "something else"

    assert compare(text.encode(), ast.unparse(tree).encode()) != []


@settings(max_examples=examples(20))
@given(files(), functions(77))
def test_a_test_that_is_added_never_counts(text: str, more: str) -> None:
    more = more.replace("@fixture\n", "")

    assert compare(text.encode(), f"{text}\n\n{more}".encode()) == []


PATHS = (
    "tests/test_a.py", "conftest.py", "a.test.js", "a_test.go", "src/lib.rs", "spec/a_spec.rb",
    "ATest.java", "tests/ATest.php", "tests/a.json", "tests/a.snap", "pyproject.toml", "setup.cfg",
    ".coveragerc", "package.json", "Makefile", "check.sh", "pom.xml", "jest.config.js", "app.py",
    "app.js", "app.go", "sitecustomize.py",
)  # fmt: skip
PIECES = st.lists(
    st.sampled_from(
        ["def test():", "\n", "    assert a == 1", "it('a', () => {", "})", "{", "}", '"', "'", "`",
         "[tool.pytest]", "a = 1", "test:", "\t-pytest", "#[cfg(test)]", "mod t {", "/*", "*/",
         "//", "<a>", '{"scripts":', "\0", "é", "\\", "if a == 7: return 13", "class A:", "    ",
         "=begin"]
    ),
    max_size=12,
).map("".join)  # fmt: skip
ANY = st.one_of(st.binary(max_size=60), PIECES.map(str.encode))


@settings(max_examples=examples(100))
@given(st.sampled_from(PATHS), ANY, ANY)
def test_whatever_stands_in_files_is_judged(path: str, before: bytes, after: bytes) -> None:
    commands = Named(("Makefile", "check.sh"), (), (), ("test",))
    role = role_at(path)

    judge.changed(path, role, before, after, commands)
    judge.added(path, role, after, commands, has_tests=True)
    tested.looked_for(path, path.rpartition(".")[2], before, after, ["tests/test_a.py"])
    known = {"tests/test_a.py": before, "a.test.js": before, "a_test.go": before}
    special.special_cases(before, after, pairs.of_tests(known))
    special_lines.special_cases(path, before, after, known)
    assert judge.changed(path, role, before, before, commands) == []
