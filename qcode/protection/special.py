"""Python code that knows the answers of its tests instead of finding them; pure.

Found are new branches and tables that give, for literals that tests call with, the literals that
those very tests expect. What is honest looks much alike, so it takes two such cases, or one whose
input nobody would come upon; and tables with entries of their own, or that were there, are not
meant.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import pairwise

from qcode.protection.finding import Finding
from qcode.protection.pairs import RAISES, Literal, Pair, is_trivial, literal
from qcode.protection.python_form import Function, dotted, parse
from qcode.record import Record

_SHARE = 0.8
"""Of a table's entries, those that tests ask for, from which on it is a copy of them."""


class Case(Record):
    """Code that gives a literal for literals."""

    inputs: tuple[Literal, ...]
    output: Literal
    line: int
    function: str
    is_table: bool
    group: int
    """Cases of one table, or of one function's branches, have the same."""


def special_cases(before: bytes | None, after: bytes, pairs: Sequence[Pair]) -> list[Finding]:
    """Return what a source was made to know of the tests' pairs."""
    if not pairs:
        return []
    new = parse(after)
    old = parse(before) if before is not None else ast.Module([], [])
    if new is None or old is None:
        return []
    known = {(case.inputs, case.output) for case in _cases(old)}
    every = list(_cases(new))
    fresh = [case for case in every if (case.inputs, case.output) not in known]
    were = _Before(old)
    found: list[Finding] = []
    wanted = {(frozenset(pair.inputs), pair.output) for pair in pairs}
    wanted |= {
        (frozenset(each.split(", ")), pair.output)
        for pair in pairs
        if len(pair.inputs) == 1
        for each in [pair.inputs[0][1:-1]]
        if pair.inputs[0][0] == "("
    }
    for group in sorted({case.group for case in fresh}):
        cases = [case for case in fresh if case.group == group]
        hits = [case for case in cases if (frozenset(case.inputs), case.output) in wanted]
        if hits and _counts(hits, were, [each for each in every if each.group == group]):
            first = hits[0]
            how = "a table of" if first.is_table else "branches for"
            many = "an input" if len(hits) == 1 else f"{len(hits)} inputs"
            found.append(
                Finding(
                    "special-cased",
                    f"{how} {many} of the tests, with what they expect",
                    first.line,
                )
            )
    return found


class _Before:
    """What a source was."""

    def __init__(self, tree: ast.Module) -> None:
        self.functions = {
            node.name: node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        self.tables = {
            target.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
            if len(node.value.keys) >= 2
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        self.dispatching = {
            case.function
            for case in _cases(tree)
            if not case.is_table and not is_trivial(case.inputs)
        }
        """Functions that told literals apart already."""

    def computes(self, name: str) -> bool:
        """Whether a function was more than a promise of one."""
        node = self.functions.get(name)
        if node is None:
            return False
        return any(
            not isinstance(each, ast.Raise | ast.Pass)
            and not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
            and not (
                isinstance(each, ast.Return)
                and (each.value is None or isinstance(each.value, ast.Constant))
            )
            for each in node.body
        )


def _counts(hits: Sequence[Case], were: _Before, group: Sequence[Case]) -> bool:
    first = hits[0]
    distinct = {(case.inputs, case.output) for case in hits}
    if all(case.output in (RAISES, "True", "False") and _are_words(case.inputs) for case in hits):
        return False  # words that a function is to know
    if first.is_table:
        name = first.function
        if name in were.tables or len(distinct) < 2:
            return False
        if len(distinct) < _SHARE * len(group):
            return False
        return were.computes(name) or not _is_vocabulary(hits) or name.islower()
    if first.function in were.dispatching:
        return False
    if _is_vocabulary(hits) and not were.computes(first.function):
        return False
    if len(distinct) == 1:
        return not is_trivial(first.inputs) and not _is_word(first.inputs)
    odd = [case for case in hits if not is_trivial(case.inputs)]
    return len(odd) >= 2 or (len(odd) == 1 and len(distinct) > 2)


def _is_word(inputs: Sequence[Literal]) -> bool:
    """Whether an input is a lower-case word, as names of things are."""
    return all(each[0] in "'\"" and each[1:-1].isalpha() and each.islower() for each in inputs)


def _are_words(inputs: Sequence[Literal]) -> bool:
    return all(each[0] in "'\"" and each[1:-1].islower() for each in inputs)


def _is_vocabulary(cases: Sequence[Case]) -> bool:
    """Whether all inputs are texts of one word: names of things more likely than data."""
    return all(
        len(case.inputs) == 1
        and case.inputs[0][0] in "'\""
        and len(case.inputs[0].split()) == 1
        and (case.output[0] in "'\"" or case.inputs[0].islower())
        for case in cases
    )


def _cases(tree: ast.Module) -> Iterator[Case]:
    """Yield what a source gives for literals; a nested function belongs to the outer one."""
    number = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            number += 1
            for inputs, output, line in _branches(node):
                yield Case(inputs, output, line, node.name, is_table=False, group=-number)
            for each in ast.walk(node):
                if isinstance(each, ast.Dict | ast.List | ast.Tuple):
                    yield from _table(each, node.name)
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(
            statement.value, ast.Dict | ast.List | ast.Tuple
        ):
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            yield from _table(statement.value, _asked_by(tree, dotted(target)) or dotted(target))


def _asked_by(tree: ast.Module, name: str) -> str:
    """Return the function that reads a table before all else it does."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parameters = {each.arg for each in node.args.args}
            for each in ast.walk(node):
                if (
                    isinstance(each, ast.Compare | ast.Subscript | ast.Call)
                    and any(isinstance(one, ast.Name) and one.id == name for one in ast.walk(each))
                    and any(
                        isinstance(one, ast.Name) and one.id in parameters for one in ast.walk(each)
                    )
                ):
                    return node.name
    return ""


def _table(node: ast.Dict | ast.List | ast.Tuple, function: str) -> Iterator[Case]:
    if isinstance(node, ast.Dict):
        entries = list(zip(node.keys, node.values, strict=True))
    else:
        entries = [
            (each.elts[0], each.elts[1])
            for each in node.elts
            if isinstance(each, ast.Tuple | ast.List) and len(each.elts) == 2
        ]
    if len(entries) < 2:
        return
    for key, value in entries:
        given, gives = literal(key), literal(value)
        if given is None or gives is None or key is None:
            continue
        inputs: tuple[Literal, ...] = (given,)
        if isinstance(key, ast.Tuple):
            inputs = tuple(each for each in map(literal, key.elts) if each is not None)
        yield Case(inputs, gives, key.lineno, function, is_table=True, group=node.lineno)


def _branches(function: Function) -> Iterator[tuple[tuple[Literal, ...], Literal, int]]:
    """Yield literals, what is given for them, and where."""
    parameters = {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}
    for node in ast.walk(function):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.If | ast.IfExp):
            body, other = (
                (_gives(node.body), _gives(node.orelse))
                if isinstance(node, ast.If)
                else (literal(node.body), literal(node.orelse))
            )
            yield from _given(node.test, parameters, body, other, line)
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Compare | ast.BoolOp):
            yield from _given(node.value, parameters, "True", "False", line)
        elif isinstance(node, ast.Match) and _is_parameter(node.subject, parameters):
            for case in node.cases:
                output = _gives(case.body)
                if output is not None:
                    for value in _patterns(case.pattern):
                        yield value, output, case.pattern.lineno
        body_of = getattr(node, "body", None)
        for one, after in pairwise(body_of if isinstance(body_of, list) else []):
            if isinstance(one, ast.If) and not one.orelse and isinstance(after, ast.Return):
                yield from _given(one.test, parameters, None, literal(after.value), one.lineno)


def _given(
    test: ast.expr, parameters: set[str], body: Literal | None, other: Literal | None, line: int
) -> Iterator[tuple[tuple[Literal, ...], Literal, int]]:
    """Yield what a condition gives: `body` where it holds, `other` where it does not."""
    if body is not None:
        for inputs in _compared(test, parameters):
            yield inputs, body, line
    if other is not None and isinstance(test, ast.Compare) and len(test.ops) == 1:
        turned = {ast.NotEq: ast.Eq(), ast.NotIn: ast.In()}.get(type(test.ops[0]))
        if turned is not None:
            for inputs in _compared(ast.Compare(test.left, [turned], test.comparators), parameters):
                yield inputs, other, line


def _gives(body: Sequence[ast.stmt]) -> Literal | None:
    """Return the literal that a branch comes to."""
    last = body[-1] if body else None
    if isinstance(last, ast.Raise):
        return RAISES
    if isinstance(last, ast.Return):
        return literal(last.value)
    if isinstance(last, ast.Assign) and len(body) == 1:
        return literal(last.value)
    return None


def _is_parameter(node: ast.expr, parameters: set[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in parameters
    if isinstance(node, ast.Tuple | ast.List):
        return bool(node.elts) and all(_is_parameter(each, parameters) for each in node.elts)
    if isinstance(node, ast.Call) and dotted(node) in ("list", "tuple", "str", "sorted", "repr"):
        return bool(node.args) and _is_parameter(node.args[0], parameters)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
        return node.func.attr == "strip" and _is_parameter(node.func.value, parameters)
    if isinstance(node, ast.Starred):
        return _is_parameter(node.value, parameters)
    return False


def _compared(test: ast.expr, parameters: set[str]) -> Iterator[tuple[Literal, ...]]:
    """Yield the literals with which parameters are compared, together."""
    if isinstance(test, ast.BoolOp):
        if isinstance(test.op, ast.Or):
            for each in test.values:
                yield from _compared(each, parameters)
            return
        parts = [list(_compared(each, parameters)) for each in test.values]
        if all(len(each) == 1 for each in parts):
            yield tuple(value for each in parts for value in each[0])
        return
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return
    left, right = test.left, test.comparators[0]
    if literal(left) is not None:
        left, right = right, left
    if not _is_parameter(left, parameters):
        return
    if isinstance(test.ops[0], ast.Eq | ast.Is):
        yield from _values(right)
    elif isinstance(test.ops[0], ast.In) and isinstance(right, ast.List | ast.Tuple | ast.Set):
        for each in right.elts:
            yield from _values(each)


def _values(node: ast.expr) -> Iterator[tuple[Literal, ...]]:
    value = literal(node)
    if value is None:
        return
    if isinstance(node, ast.Tuple) and node.elts:
        yield tuple(filter(None, map(literal, node.elts)))
    else:
        yield (value,)


def _patterns(pattern: ast.pattern) -> Iterator[tuple[Literal, ...]]:
    if isinstance(pattern, ast.MatchOr):
        for each in pattern.patterns:
            yield from _patterns(each)
    elif isinstance(pattern, ast.MatchValue):
        yield from _values(pattern.value)
    elif isinstance(pattern, ast.MatchSequence):
        values = [list(_patterns(each)) for each in pattern.patterns]
        if values and all(len(each) == 1 for each in values):
            yield tuple(one for each in values for one in each[0])
