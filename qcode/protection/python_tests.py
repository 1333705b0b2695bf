"""What a change did to Python tests: more of them is fine, less or other ones are not; pure.

Each function, class and assignment of before has to be there as it was. What may come to it:
functions, classes and names that nothing of before knew, and in a test assertions and the names
that those need. All else counts, since what a change to a test means cannot be known.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TypeGuard

from qcode.protection.finding import Finding
from qcode.protection.python_form import (
    Function,
    bound,
    dotted,
    form,
    imports_of,
    names_in,
    parse,
    walk,
)
from qcode.protection.python_new import dangers

_SKIPS = frozenset(
    {"skip", "skipif", "skipIf", "skipUnless", "xfail", "expectedFailure", "skipTest",
     "SkipTest", "importorskip", "exit"}
)  # fmt: skip
_RESERVED = frozenset(
    {"pytestmark", "__test__", "collect_ignore", "collect_ignore_glob", "pytest_plugins",
     "load_tests", "setUpModule", "tearDownModule", "setup_module", "teardown_module",
     "setup_function", "teardown_function", "setup", "teardown", "__getattr__", "__all__"}
)  # fmt: skip
_RESERVED_IN_CLASS = frozenset(
    {"setUp", "tearDown", "setUpClass", "tearDownClass", "asyncSetUp", "asyncTearDown", "run",
     "debug", "setup_method", "teardown_method", "setup_class", "teardown_class", "subTest",
     "skipTest", "fail", "id", "countTestCases", "defaultTestResult", "addCleanup", "doCleanups",
     "failureException", "maxDiff", "longMessage", "setup", "teardown", "pytestmark", "__test__"}
)  # fmt: skip
"""Names that a runner knows: what has them changes how other tests are run."""

_FIXTURES = frozenset(
    {"tmp_path", "tmp_path_factory", "tmpdir", "monkeypatch", "capsys", "capfd", "caplog",
     "request", "recwarn", "pytestconfig", "mocker", "subtests"}
)  # fmt: skip
"""Fixtures that pytest, or what most have with it, brings."""

_REACHING = frozenset(
    {"monkeypatch", "mock", "mocker", "patch", "setattr", "delattr", "exec", "eval", "globals",
     "locals", "vars", "sys", "os", "builtins", "importlib", "gc", "ctypes", "atexit", "unittest",
     "_pytest", "__import__", "signal", "skip", "xfail", "compile", "__builtins__", "inspect"}
)  # fmt: skip
"""Names by which an added line can reach what others check."""


def compare(before: bytes, after: bytes) -> list[Finding]:
    """Return what a change to a file of tests, or one that helps them, took from them."""
    if before == after:
        return []
    old, new = parse(before), parse(after)
    if old is None:
        if before.split() == after.split():
            return []
        return [Finding("weakened", "tests that could not be read before were changed")]
    if new is None:
        return [Finding("weakened", "the tests can no longer be read")]
    comparison = _Comparison(
        {name for each in new.body if _is_import(each) for name in bound(each)}
    )
    comparison.scope(old.body, new.body, "", in_class=False)
    return comparison.found


class _Comparison:
    def __init__(self, imported: set[str]) -> None:
        self.found: list[Finding] = []
        self._imported = imported

    def scope(
        self, old: Sequence[ast.stmt], new: Sequence[ast.stmt], prefix: str, *, in_class: bool
    ) -> None:
        """Compare the statements of two modules or classes."""
        known = {name for each in old for name in bound(each)}
        read = _asked_of_self(old) if in_class else names_in(old)
        self._definitions(old, new, prefix)
        self._imports(old, new, read)
        self._rest(old, new, known | read, prefix, in_class=in_class)
        before = {name for each in old if _is_definition(each) for name in bound(each)}
        parameters = {arg.arg for arg in walk(old) if isinstance(arg, ast.arg)}
        for each in new:
            if not _is_definition(each) or each.name in before:
                continue
            self._added(each, known, read, parameters, prefix, in_class=in_class)

    def _add(self, kind: str, why: str, node: ast.AST | None = None) -> None:
        self.found.append(Finding(kind, why, getattr(node, "lineno", 0)))

    # What is defined.

    def _definitions(self, old: Sequence[ast.stmt], new: Sequence[ast.stmt], prefix: str) -> None:
        after: dict[str, list[Function | ast.ClassDef]] = {}
        before: dict[str, list[Function | ast.ClassDef]] = {}
        for statements, by_name in ((old, before), (new, after)):
            for each in statements:
                if _is_definition(each):
                    by_name.setdefault(each.name, []).append(each)
        for name, ones in before.items():
            what = f"{_what(name)} `{prefix}{name}`"
            others = after.get(name, [])
            if not others:
                self._add("deleted", f"{what} is gone")
            elif len(others) > len(ones):
                self._add("weakened", f"{what} is defined again", others[-1])
            elif isinstance(ones[-1], ast.ClassDef) and isinstance(others[-1], ast.ClassDef):
                self._class(ones[-1], others[-1], prefix)
            elif isinstance(ones[-1], ast.ClassDef) or isinstance(others[-1], ast.ClassDef):
                self._add("weakened", f"{what} became something else", others[-1])
            else:
                self._function(ones[-1], others[-1], what)
            # All but the last of a name are dead, be there as many as there were.

    def _class(self, old: ast.ClassDef, new: ast.ClassDef, prefix: str) -> None:
        what = f"{_what(old.name)} `{prefix}{old.name}`"
        if form(old.bases) != form(new.bases) or form(old.keywords) != form(new.keywords):
            self._add("weakened", f"the bases of {what} were changed", new)
        self._decorators(old, new, what)
        self.scope(old.body, new.body, f"{prefix}{old.name}.", in_class=True)

    def _function(self, old: Function, new: Function, what: str) -> None:
        if form(old) == form(new):
            return
        self._decorators(old, new, what)
        if type(old) is not type(new) or form(old.args) != form(new.args):
            self._add("weakened", f"the parameters of {what} were changed", new)
        used = names_in(old)
        finding = _body(old.body, new.body, used, what)
        if finding is not None:
            self.found.append(_explained(finding, old, new, what))

    def _decorators(
        self, old: Function | ast.ClassDef, new: Function | ast.ClassDef, what: str
    ) -> None:
        left = list(new.decorator_list)
        for each in old.decorator_list:
            match = next((one for one in left if form(one) == form(each)), None)
            if match is None:
                match = next((one for one in left if _cases_grew(each, one)), None)
            if match is not None:
                left.remove(match)
            elif not _skips(each):
                other = next((one for one in left if dotted(one) == dotted(each)), None)
                if other is not None:
                    left.remove(other)
                if dotted(each).endswith("parametrize"):
                    self._add("weakened", f"cases of {what} were changed or removed", other or new)
                else:
                    self._add("weakened", f"a decorator of {what} was changed", other or new)
        for one in left:
            if _skips(one):
                self._add("skipped", f"{what} is skipped or expected to fail", one)
            else:
                self._add("weakened", f"{what} got a decorator", one)

    # Imports.

    def _imports(self, old: Sequence[ast.stmt], new: Sequence[ast.stmt], read: set[str]) -> None:
        before, after = imports_of(old), imports_of(new)
        used = names_in([each for each in new if not _is_import(each)])
        for name, source in before.items():
            if after.get(name) == source:
                continue
            if name in after:
                self._add("weakened", f"`{name}` is imported from elsewhere")
            elif name in used or name.endswith(" ") or name == "*":
                self._add("weakened", f"`{source.replace(':', '.')}` is no longer imported")
        for each in new:
            if _is_import(each):
                taken = bound(each) - before.keys()
                if taken & read:
                    shown = ", ".join(sorted(taken & read))
                    self._add("weakened", f"an import gives `{shown}` another meaning", each)
                elif "*" in taken and "*" not in before:
                    self._add("weakened", "an import of all names may change their meaning", each)

    # All other statements.

    def _rest(
        self,
        old: Sequence[ast.stmt],
        new: Sequence[ast.stmt],
        known: set[str],
        prefix: str,
        *,
        in_class: bool,
    ) -> None:
        where = f"`{prefix[:-1]}`" if prefix else "the file"
        left = [each for each in old if not _is_definition(each) and not _is_import(each)]
        for each in new:
            if _is_definition(each) or _is_import(each):
                continue
            match = next((one for one in left if form(one) == form(each)), None)
            if match is None:
                match = next((one for one in left if _grew(one, each, known, where)), None)
            if match is not None:
                left.remove(match)
            elif not self._harmless_here(each, known, in_class=in_class):
                kind, why = "weakened", f"a statement came to {where} or was changed"
                if any(_skips(node) for node in ast.walk(each)) or "pytestmark" in bound(each):
                    kind, why = "skipped", f"tests of {where} are skipped"
                elif bound(each) & {"collect_ignore", "collect_ignore_glob", "pytest_plugins"}:
                    kind, why = "harness", "it is set anew which tests are collected"
                elif bound(each) & {"__test__", "load_tests"}:
                    kind, why = "skipped", f"tests of {where} are no longer collected"
                self._add(kind, why, each)
        if left:
            self._add("weakened", f"a statement of {where} was removed or changed")

    def _harmless_here(self, statement: ast.stmt, known: set[str], *, in_class: bool) -> bool:
        if isinstance(statement, ast.If) and form(statement.test) in _GUARDS:
            return True
        if isinstance(statement, ast.Expr) and dotted(statement.value) in (
            "sys.path.insert",
            "sys.path.append",
            "warnings.filterwarnings",
        ):
            return True
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            names = bound(statement)
            reserved = _RESERVED_IN_CLASS if in_class else _RESERVED
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            return (
                all(_is_plain_target(each) for each in targets)
                and not names & (known | reserved)
                and not _reaches(statement)
            )
        return False

    def _added(
        self,
        node: Function | ast.ClassDef,
        known: set[str],
        read: set[str],
        parameters: set[str],
        prefix: str,
        *,
        in_class: bool,
    ) -> None:
        name = node.name
        what = f"`{prefix}{name}`"
        self.found += dangers(ast.Module([node], []), self._imported)
        if name in known:
            self._add("weakened", f"{what} takes the place of what had this name", node)
        elif name.startswith("pytest_"):
            self._add("harness", f"the hook {what} changes how tests are run", node)
        elif name in (_RESERVED_IN_CLASS if in_class else _RESERVED) or (
            in_class and (name.startswith("assert") or _is_dunder(name))
        ):
            self._add("harness", f"{what} changes how tests are run", node)
        elif name in read:
            self._add("weakened", f"{what} takes the place of what had this name", node)
        elif _is_automatic(node):
            self._add("harness", f"{what} is used by tests that did not ask for it", node)
        elif (name in parameters or name in _FIXTURES) and _is_fixture(node):
            self._add("weakened", f"{what} takes the place of another fixture", node)


def _is_definition(node: ast.stmt) -> TypeGuard[Function | ast.ClassDef]:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _what(name: str) -> str:
    return "the test" if name.lower().startswith("test") else "the helper"


def _asked_of_self(nodes: Sequence[ast.stmt]) -> set[str]:
    return {
        node.attr
        for node in walk(nodes)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("self", "cls")
    }


_GUARDS = frozenset(
    form(ast.parse(text, mode="eval").body)
    for text in ('__name__ == "__main__"', "TYPE_CHECKING", "typing.TYPE_CHECKING")
)


def _is_fixture(node: Function | ast.ClassDef) -> bool:
    return any(dotted(each).rpartition(".")[2] == "fixture" for each in node.decorator_list)


def _is_automatic(node: Function | ast.ClassDef) -> bool:
    return any(
        isinstance(each, ast.Call) and any(word.arg == "autouse" for word in each.keywords)
        for each in node.decorator_list
    )


def _skips(node: ast.AST) -> bool:
    """Whether it is a mark or a call by which a test is left out or may fail."""
    name = dotted(node)
    first, _, last = name.rpartition(".")
    if last not in _SKIPS:
        return False
    if isinstance(node, ast.Name):
        return last not in ("exit", "skip")
    return first in ("pytest", "pytest.mark", "unittest", "self", "mark", "case") or last not in (
        "exit",
        "skip",
    )


def _reaches(node: ast.AST) -> bool:
    """Whether an added piece could change what others see."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and each.id in _REACHING:
            return True
        if isinstance(each, ast.NamedExpr | ast.Yield | ast.YieldFrom | ast.Global | ast.Nonlocal):
            return True
        if isinstance(each, ast.Attribute) and (
            not isinstance(each.ctx, ast.Load) or each.attr in ("__dict__", "__class__")
        ):
            return True
    return False


def _is_plain_target(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.List):
        return all(map(_is_plain_target, node.elts))
    return isinstance(node, ast.Name)


# What grew, and holds all that it held.


def _grown(old: ast.expr, new: ast.expr) -> bool:
    """Whether a list or the like has all that it had, in this order, and perhaps more."""
    if form(old) == form(new):
        return True
    if isinstance(old, ast.Dict) and isinstance(new, ast.Dict):
        keys = [each and form(each) for each in new.keys]
        if len(set(keys)) < len(keys) or None in keys:
            return False  # a later entry takes the place of an earlier one
        now = dict(zip(keys, new.values, strict=True))
        return all(
            key is not None and form(key) in now and form(now[form(key)]) == form(value)
            for key, value in zip(old.keys, old.values, strict=True)
        )
    if not isinstance(old, ast.List | ast.Tuple | ast.Set) or type(old) is not type(new):
        return False
    left = [form(each) for each in old.elts]
    for each in new.elts:
        if left and form(each) == left[0]:
            del left[0]
    return not left


def _cases_grew(old: ast.expr, new: ast.expr) -> bool:
    """Whether `parametrize` was given more cases, and all else is the same."""
    if not (isinstance(old, ast.Call) and isinstance(new, ast.Call)):
        return False
    if not dotted(old).endswith("parametrize") or form(old.func) != form(new.func):
        return False
    if len(old.args) < 2 or len(old.args) != len(new.args):
        return False
    named = {each.arg: each.value for each in new.keywords}
    return (
        form(old.args[0]) == form(new.args[0])
        and isinstance(old.args[1], ast.List | ast.Tuple)
        and _grown(old.args[1], new.args[1])
        and all(
            each.arg in named
            and (
                form(named[each.arg]) == form(each.value)
                or (each.arg == "ids" and _grown(each.value, named[each.arg]))
            )
            for each in old.keywords
        )
        and len(named) == len(old.keywords)
    )


def _grew(old: ast.stmt, new: ast.stmt, used: set[str], what: str) -> bool:
    """Whether a statement has all that it had."""
    if type(old) is not type(new):
        return False
    if isinstance(old, ast.Assign) and isinstance(new, ast.Assign):
        return form(old.targets) == form(new.targets) and _grown(old.value, new.value)
    if isinstance(old, ast.AnnAssign) and isinstance(new, ast.AnnAssign):
        return (
            form(old.target) == form(new.target)
            and old.value is not None
            and new.value is not None
            and _grown(old.value, new.value)
        )
    if isinstance(old, ast.For) and isinstance(new, ast.For):
        return (
            form(old.target) == form(new.target)
            and _grown(old.iter, new.iter)
            and _body(old.body, new.body, used, what) is None
            and form(old.orelse) == form(new.orelse)
        )
    if isinstance(old, ast.With | ast.AsyncWith) and isinstance(new, ast.With | ast.AsyncWith):
        raising = any("aises" in dotted(each.context_expr) for each in old.items)
        return (
            not raising  # what comes to it may raise in place of what was meant
            and form(old.items) == form(new.items)
            and _body(old.body, new.body, used, what) is None
        )
    if isinstance(old, ast.If) and isinstance(new, ast.If):
        return (
            form(old.test) == form(new.test)
            and _body(old.body, new.body, used, what) is None
            and _body(old.orelse, new.orelse, used, what) is None
        )
    return False


def _body(
    old: Sequence[ast.stmt], new: Sequence[ast.stmt], used: set[str], what: str
) -> Finding | None:
    """Return what is wrong with the new statements of a body; None if they only say more."""
    at = 0
    odd: ast.stmt | None = None
    """The first that is neither of before nor sure to do nothing."""
    extra: ast.stmt | None = None
    for each in new:
        if at < len(old) and (form(old[at]) == form(each) or _grew(old[at], each, used, what)):
            at += 1
        elif _only_says_more(each, used):
            extra = extra or each
        else:
            odd = odd or each
    if at == len(old) and odd is None:
        return None
    return Finding("weakened", "", getattr(odd or extra, "lineno", 0))


def _only_says_more(statement: ast.stmt, used: set[str]) -> bool:
    """Whether a statement that came to a test cannot change what its others find."""
    if _reaches(statement):
        return False
    if isinstance(statement, ast.Assert | ast.Pass | ast.Import):
        return not (isinstance(statement, ast.Import) and bound(statement) & used)
    if isinstance(statement, ast.ImportFrom):
        return not bound(statement) & (used | {"*"})
    if isinstance(statement, ast.Expr):
        name = dotted(statement.value)
        return name.startswith("self.assert") or name == "print"
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return all(map(_is_plain_target, targets)) and not bound(statement) & used
    if isinstance(statement, ast.With):
        checking = all(
            dotted(each.context_expr) in ("pytest.raises", "pytest.warns", "self.subTest", "raises")
            or dotted(each.context_expr).startswith("self.assert")
            for each in statement.items
        )
        given = {
            name
            for each in statement.items
            if each.optional_vars is not None
            for name in names_in(each.optional_vars)
        }
        return (checking and not given & used) and all(
            isinstance(each, ast.Expr) or _only_says_more(each, used) for each in statement.body
        )
    if isinstance(statement, ast.For):
        return (
            _is_plain_target(statement.target)
            and not names_in(statement.target) & used
            and all(_only_says_more(each, used) for each in statement.body)
        )
    return False


# Telling what happened.


def _explained(finding: Finding, old: Function, new: Function, what: str) -> Finding:
    """Return what happened to a function in words; it counts whatever they are."""
    before = [form(each) for each in ast.walk(old) if _checks(each)]
    checks = [each for each in ast.walk(new) if _checks(each)]
    after = [form(each) for each in checks]
    fresh = [each for each in checks if form(each) not in before]
    line = finding.line or (fresh[0].lineno if fresh else new.lineno)  # type: ignore[attr-defined]
    old_kinds, new_kinds = ({type(each) for each in ast.walk(node)} for node in (old, new))

    def added(test: type[ast.AST]) -> bool:
        return test in new_kinds and test not in old_kinds

    skipping = [each for each in ast.walk(new) if _skips(each)]
    if len(skipping) > sum(1 for each in ast.walk(old) if _skips(each)):
        return Finding("skipped", f"{what} skips", skipping[-1].lineno)  # type: ignore[attr-defined]
    leaving = [each for each in ast.walk(new) if isinstance(each, ast.Return)]
    if checks and len(leaving) > sum(1 for each in ast.walk(old) if isinstance(each, ast.Return)):
        return Finding("skipped", f"{what} returns early", leaving[0].lineno)
    if before and not after:
        why = "no longer checks anything"
    elif len(after) < len(before):
        why = "checks less: an assertion is gone"
    elif added(ast.Try):
        why = "catches what it was to raise"
    elif sorted(before) != sorted(after):
        why = "checks something else than before"
    else:
        why = "does something else than before"
    return Finding(finding.kind, f"{what} {why}", line)


def _checks(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return True
    last = dotted(node).rpartition(".")[2] if isinstance(node, ast.Call) else ""
    return last.startswith(("assert", "raises", "fail", "warns"))
