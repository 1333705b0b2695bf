"""What Python tests give to functions and expect of them, where both are literals; pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from qcode.protection.python_form import Function, dotted, parse
from qcode.record import Record

MOST = 5000
RAISES = "raises"
"""In place of a literal: it is to raise."""

Literal: TypeAlias = str
"""A literal in a form that tells 1 from 1.0 and True."""
_Names: TypeAlias = Mapping[str, ast.expr]


class Pair(Record):
    """One call with literals, and the literal it is to come to."""

    function: str
    """Its last name; empty if it is not known."""
    inputs: tuple[Literal, ...]
    output: Literal


def literal(node: ast.AST | None) -> Literal | None:
    """Return a literal's form; None if it is none."""
    if not isinstance(node, ast.expr):
        return None
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
    return repr(value)


_TRIVIAL = frozenset(
    {"0", "1", "-1", "2", "''", "b''", "None", "True", "False", "()", "[]", "{}", "set()", "0.0",
     "1.0", "' '"}
)  # fmt: skip


def is_trivial(inputs: Sequence[Literal]) -> bool:
    """Whether anybody would write a case of its own for such inputs."""
    return all(each in _TRIVIAL for each in inputs)


def of_tests(files: Mapping[str, bytes]) -> list[Pair]:
    """Return the pairs of test files, given by their content."""
    found: dict[Pair, None] = {}
    for data in files.values():
        tree = parse(data)
        if tree is None:
            continue
        constants = {
            target.id: each.value
            for each in tree.body
            if isinstance(each, ast.Assign)
            for target in each.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for pair in _of_function(node, constants):
                    found[pair] = None
                    if len(found) >= MOST:
                        return list(found)
    return list(found)


def _of_function(node: Function, constants: _Names) -> Iterator[Pair]:
    for names in _cases(node, constants):
        yield from _of_body(node.body, {**constants, **names})


def _cases(node: Function, constants: _Names) -> list[dict[str, ast.expr]]:
    """Return what the parameters of a test are, in each of its cases."""
    cases: list[dict[str, ast.expr]] = [{}]
    for mark in node.decorator_list:
        if not (isinstance(mark, ast.Call) and dotted(mark).endswith("parametrize")):
            continue
        if len(mark.args) < 2:
            continue
        names = _parameters(mark.args[0])
        rows = [
            dict(zip(names, row, strict=False)) for row in _rows(mark.args[1], constants, names)
        ]
        if rows and len(rows) * len(cases) <= MOST:
            cases = [{**case, **row} for case in cases for row in rows]
    return cases


def _parameters(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [name.strip() for name in node.value.split(",")]
    if isinstance(node, ast.Tuple | ast.List):
        return [str(each.value) for each in node.elts if isinstance(each, ast.Constant)]
    return []


def _rows(node: ast.expr, constants: _Names, names: Sequence[str]) -> Iterator[list[ast.expr]]:
    node = constants.get(node.id, node) if isinstance(node, ast.Name) else node
    if isinstance(node, ast.Call) and dotted(node).endswith(".items"):
        inner = node.func.value if isinstance(node.func, ast.Attribute) else node
        node = constants.get(inner.id, inner) if isinstance(inner, ast.Name) else inner
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                yield [key, value]
    if not isinstance(node, ast.List | ast.Tuple | ast.Set):
        return
    for each in node.elts:
        if isinstance(each, ast.Call) and dotted(each).endswith("param"):
            yield list(each.args)
        elif isinstance(each, ast.Tuple | ast.List) and len(names) > 1:
            yield list(each.elts)
        else:
            yield [each]


def _of_body(body: Sequence[ast.stmt], names: _Names) -> Iterator[Pair]:
    """Yield the pairs of statements, given what names stand for."""
    known = dict(names)
    for each in body:
        if isinstance(each, ast.Assign) and len(each.targets) == 1:
            if isinstance(each.targets[0], ast.Name):
                known[each.targets[0].id] = each.value
        elif isinstance(each, ast.For):
            target = each.target
            loop = (
                [one.id for one in target.elts if isinstance(one, ast.Name)]
                if isinstance(target, ast.Tuple)
                else [target.id]
                if isinstance(target, ast.Name)
                else []
            )
            for row in list(_rows(each.iter, known, loop))[:MOST]:
                yield from _of_body(each.body, {**known, **dict(zip(loop, row, strict=False))})
        elif isinstance(each, ast.With):
            raising = any("aises" in dotted(one.context_expr) for one in each.items)
            if raising:
                for node in ast.walk(ast.Module(each.body, [])):
                    if isinstance(node, ast.Call):
                        yield from _pair(node, RAISES, known)
            else:
                yield from _of_body(each.body, known)
        elif isinstance(each, ast.If | ast.Try):
            yield from _of_body(each.body, known)
        elif isinstance(each, ast.Assert):
            yield from _asserted(each.test, known)
        elif isinstance(each, ast.Expr) and isinstance(each.value, ast.Call):
            yield from _method(each.value, known)


def _method(call: ast.Call, names: _Names) -> Iterator[Pair]:
    name, args = dotted(call).rpartition(".")[2], call.args
    if name in ("assertEqual", "assertEquals", "assertIs", "assertListEqual", "assertDictEqual",
                "assertTupleEqual", "assertAlmostEqual") and len(args) > 1:  # fmt: skip
        yield from _equal(args[0], args[1], names)
    elif name in ("assertTrue", "assertFalse") and args:
        yield from _pair(args[0], str(name == "assertTrue"), names)
    elif name == "assertIsNone" and args:
        yield from _pair(args[0], "None", names)
    elif name == "assertRaises" and len(args) > 1:
        yield from _pair(ast.Call(args[1], args[2:], []), RAISES, names)


def _asserted(test: ast.expr, names: _Names) -> Iterator[Pair]:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        for each in test.values:
            yield from _asserted(each, names)
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _pair(test.operand, "False", names)
    elif isinstance(test, ast.Call):
        yield from _pair(test, "True", names)
    elif (
        isinstance(test, ast.Compare)
        and len(test.ops) == 1
        and isinstance(test.ops[0], ast.Eq | ast.Is)
    ):
        yield from _equal(test.left, test.comparators[0], names)


def _equal(one: ast.expr, other: ast.expr, names: _Names) -> Iterator[Pair]:
    for call, expected in ((one, other), (other, one)):
        if isinstance(expected, ast.Call) and dotted(expected).endswith("approx") and expected.args:
            expected = expected.args[0]
        output = literal(_resolved(expected, names))
        if output is not None:
            yield from _pair(call, output, names)


def _resolved(node: ast.expr, names: _Names) -> ast.expr:
    for _ in range(4):
        if not isinstance(node, ast.Name) or node.id not in names:
            return node
        node = names[node.id]
    return node


def _pair(node: ast.expr, output: Literal, names: _Names) -> Iterator[Pair]:
    node = _resolved(node, names)
    if isinstance(node, ast.Call) and dotted(node) in ("list", "tuple", "sorted", "set", "dict"):
        node = node.args[0] if node.args else node
    if not isinstance(node, ast.Call):
        return
    values = [*node.args, *(each.value for each in node.keywords)]
    inputs = [literal(_resolved(each, names)) for each in values]
    known = tuple(each for each in inputs if each is not None)
    if known:
        yield Pair(dotted(node).rpartition(".")[2], known, output)
