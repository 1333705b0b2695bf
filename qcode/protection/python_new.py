"""What new Python among the tests does to the others; pure."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterator

from qcode.protection.finding import Finding
from qcode.protection.python_form import bound, dotted, parse

_ENDS = frozenset({"os._exit", "os.abort", "os.kill", "pytest.exit", "atexit.register"})
_EXITS = frozenset({"sys.exit", "exit", "quit", "SystemExit"})
_FRAMEWORK = frozenset({"builtins", "pytest", "_pytest", "unittest", "pluggy", "__builtins__"})


def in_conftest(data: bytes, *, has_tests: bool) -> list[Finding]:
    """Return what a new conftest.py does; `has_tests` says that tests stood below it before."""
    tree = parse(data)
    if tree is None:
        return [Finding("harness", "a new conftest.py that cannot be read")]
    found = list(dangers(tree))
    for each in tree.body:
        if isinstance(each, ast.Import | ast.ImportFrom) or _is_path(each):
            continue
        plain = isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if plain and not has_tests and not each.name.startswith("pytest_"):  # type: ignore[attr-defined]
            continue
        names = ", ".join(sorted(bound(each)))
        what = f"`{names}` in a new conftest.py" if names else "a new conftest.py"
        found.append(Finding("harness", f"{what} changes how tests are run", each.lineno))
    return found


def in_test(data: bytes) -> list[Finding]:
    """Return what a new file of tests does beyond testing."""
    tree = parse(data)
    return list(dangers(tree)) if tree is not None else []


def dangers(tree: ast.Module, imported: Collection[str] = ()) -> Iterator[Finding]:
    """Yield what ends the run, or changes the runner or modules for all.

    `imported` are names of modules besides those that the tree imports itself.
    """
    modules = {*imported}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules |= bound(node)
    modules -= sys.stdlib_module_names
    for node in ast.walk(tree):
        name = dotted(node) if isinstance(node, ast.Call) else ""
        if name in _ENDS:
            yield Finding("harness", f"`{name}` ends or outlives the tests", node.lineno)  # type: ignore[attr-defined]
        elif name == "setattr" and isinstance(node, ast.Call) and node.args:
            base = dotted(node.args[0]).partition(".")[0]
            if base in _FRAMEWORK:
                yield Finding("harness", f"`{base}` is changed", node.lineno)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
            for target in [node.target] if isinstance(node, ast.AugAssign) else node.targets:
                owner = target.value if isinstance(target, ast.Subscript) else target
                name = dotted(owner) if isinstance(owner, ast.Attribute) else ""
                if name.partition(".")[0] in _FRAMEWORK:
                    yield Finding("harness", f"`{name}` is changed", node.lineno)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
            node.name.startswith("pytest_") or node.name in ("load_tests", "setUpModule")
        ):
            yield Finding("harness", f"the hook `{node.name}` changes how tests run", node.lineno)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _replacing(node, modules)
    yield from _at_import(tree)


def _replacing(
    node: ast.FunctionDef | ast.AsyncFunctionDef, modules: set[str]
) -> Iterator[Finding]:
    """Yield where a function puts something else in a module, and does not put it back."""
    seen: dict[str, list[ast.Assign]] = {}
    for each in ast.walk(node):
        if isinstance(each, ast.Assign) and isinstance(
            each.value, ast.Lambda | ast.Call | ast.Name
        ):
            for target in each.targets:
                name = dotted(target) if isinstance(target, ast.Attribute) else ""
                if name.partition(".")[0] in modules:
                    seen.setdefault(name, []).append(each)
    for name, ones in seen.items():
        if len(ones) == 1:
            yield Finding("harness", f"`{name}` is changed for all tests", ones[0].lineno)


def _at_import(tree: ast.Module) -> Iterator[Finding]:
    modules = {
        name
        for each in tree.body
        if isinstance(each, ast.Import | ast.ImportFrom)
        for name in bound(each)
    }
    for each in tree.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.If):
            continue
        for node in ast.walk(each):
            if isinstance(node, ast.Call | ast.Name) and dotted(node) in _EXITS:
                yield Finding("harness", "the run ends when the file is imported", each.lineno)
                break
        if isinstance(each, ast.Expr) and isinstance(each.value, ast.Call):
            name = dotted(each.value)
            given = dotted(each.value.args[0]).partition(".")[0] if each.value.args else ""
            if name.endswith("().start") or (name == "setattr" and given in modules):
                yield Finding("harness", "a module is changed for all tests", each.lineno)
        if isinstance(each, ast.Assign):
            for target in each.targets:
                base = target.value if isinstance(target, ast.Subscript) else target
                name = dotted(base)
                if name.partition(".")[0] in modules and (
                    name == "sys.modules" or isinstance(target, ast.Attribute)
                ):
                    why = f"`{name}` is changed for all tests"
                    yield Finding("harness", why, each.lineno)


def _is_path(node: ast.stmt) -> bool:
    """Whether a statement only says where modules are, or names a place for that."""
    if isinstance(node, ast.Expr):
        return dotted(node.value) in ("sys.path.insert", "sys.path.append")
    return (
        isinstance(node, ast.Assign)
        and all(isinstance(each, ast.Name) for each in node.targets)
        and not bound(node) & {"collect_ignore", "collect_ignore_glob", "pytest_plugins"}
        and all(
            dotted(each).partition(".")[0] in ("os", "Path", "pathlib", "str", "Path()")
            or (
                isinstance(each.func, ast.Attribute)
                and each.func.attr in ("resolve", "absolute", "joinpath")
            )
            for each in ast.walk(node)
            if isinstance(each, ast.Call)
        )
    )
