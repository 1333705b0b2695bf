"""Code under test that asks whether it is being tested, or gets at those who test it; pure.

Only what a change brought counts.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterator

from qcode.protection import tested_lines
from qcode.protection.finding import Finding
from qcode.protection.python_form import dotted, parse

_RUNNERS = frozenset({"pytest", "_pytest", "unittest", "nose", "nose2", "doctest", "tox"})
_CHANGED = _RUNNERS | {"builtins", "__builtins__"}
_TOOLS = re.compile(
    r"(?:^|/)(?:setup|noxfile|tasks|fabfile|manage|dodo|SConstruct)\.py$|pytest|plugin"
    r"|(?:^|/)(?:testing|evals?|bench(?:marks?)?|test_?utils|scripts|tools|bin|examples)(?:/|\.py)"
)
"""Files that have to do with tests by profession."""
_RUNNER_WORD = re.compile(
    r"py\.?test|unittest|_test\b|\btest_|\btests?\b|nose|TEST_CURRENT|jest|mocha|\bTESTING\b",
    re.IGNORECASE,
)
_RUNNER = re.compile(r"py\.?test|unittest|nose[2t]", re.IGNORECASE)
_VARIABLES = re.compile(
    r"PYTEST_CURRENT_TEST|PYTEST_VERSION|PYTEST_XDIST_WORKER|PYTEST_ADDOPTS|UNITTEST_\w*"
)
_FRAMES = ("inspect.stack", "sys._getframe", "inspect.currentframe", "traceback.extract_stack",
           "traceback.format_stack", "inspect.getouterframes", "sys._current_frames")  # fmt: skip
_EXITS = frozenset({"sys.exit", "exit", "quit"})

Key = tuple[str, str]
"""What is found: its kind and its words; compared with what was there before."""


def looked_for(
    path: str, extension: str, before: bytes | None, after: bytes, tests: Collection[str]
) -> list[Finding]:
    """Return what a change of a source brought; `tests` are paths of tests and their data."""
    if extension != "py":
        return tested_lines.looked_for(path, extension, before or b"", after)
    new = parse(after)
    old = parse(before) if before else ast.Module([], [])
    if new is None or old is None or path.endswith("conftest.py"):
        return []
    had = Counter(key for key, _ in _traces(old, path, tests))
    found = []
    for key, line in _traces(new, path, tests):
        if had[key] > 0:
            had[key] -= 1
        else:
            found.append(Finding(key[0], key[1], line))
    return found


def _traces(tree: ast.Module, path: str, tests: Collection[str]) -> Iterator[tuple[Key, int]]:
    is_tool = _TOOLS.search(path) is not None
    inspecting = _inspects_frames(tree)
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if _VARIABLES.fullmatch(node.value):
                yield ("special-cased", "it asks whether it is being tested"), line
            elif not is_tool and _is_test_path(node.value, tests):
                yield ("special-cased", f"it reads `{node.value}`, which tests it"), line
        elif _asks(node):
            yield ("special-cased", "it asks whether it is being tested"), line
        elif isinstance(node, ast.Import | ast.ImportFrom):
            if not is_tool and (name := _test_import(node, tests)):
                yield ("special-cased", f"it imports `{name}`, which only tests need"), line
        elif isinstance(node, ast.Call):
            yield from _call(node, tree, line, is_tool=is_tool)
        elif isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.FunctionDef) and _equals_all(each):
                    yield ("special-cased", f"`{node.name}` is equal to anything"), each.lineno
        elif isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                owner = target.value if isinstance(target, ast.Subscript) else target
                name = dotted(owner)
                first = name.partition(".")[0]
                if (
                    ("." in name and name != "builtins._" and first in _CHANGED)
                    or name == "__builtins__"
                    or (
                        name == "sys.modules"
                        and isinstance(target, ast.Subscript)
                        and isinstance(target.slice, ast.Constant)
                        and str(target.slice.value).partition(".")[0] in _RUNNERS
                    )
                ):
                    yield ("harness", f"it changes `{name}`"), line
    if inspecting:
        yield ("special-cased", "it looks for tests among its callers"), inspecting
    if not is_tool:
        yield from _ends_at_import(tree)


def _inspects_frames(tree: ast.Module) -> int:
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
            continue
        inside = list(ast.walk(function)) if not isinstance(function, ast.Module) else [
            node for each in function.body
            if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            for node in ast.walk(each)
        ]  # fmt: skip
        asked = [each for each in inside if isinstance(each, ast.Call) and dotted(each) in _FRAMES]
        words = any(
            isinstance(each, ast.Constant)
            and isinstance(each.value, str)
            and len(each.value) < 40
            and _RUNNER_WORD.search(each.value)
            for each in inside
        )
        if asked and words:
            return asked[0].lineno
    return 0


def _asks(node: ast.AST) -> bool:
    """Whether it looks for a test runner in what is loaded, or in how it was started."""
    if isinstance(node, ast.Compare):
        sides: list[ast.AST] = [node.left, *node.comparators]
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        sides = [node] if dotted(node.value) == "sys.modules" else []
    elif isinstance(node, ast.GeneratorExp | ast.ListComp | ast.SetComp):
        loaded = any("sys.modules" in dotted(each.iter) for each in node.generators)
        sides = [node] if loaded else []
    else:
        return False
    below = [each for side in sides for each in ast.walk(side)]
    texts = [
        each.value
        for each in below
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
    names = {dotted(each) for each in below if isinstance(each, ast.Attribute)}
    program = any(
        isinstance(each, ast.Subscript)
        and dotted(each.value) == "sys.argv"
        and isinstance(each.slice, ast.Constant)
        and each.slice.value == 0
        for each in below
    )
    if names & {"sys.modules", "sys.modules.keys"} or program:
        return any(map(_RUNNER_WORD.search, texts))
    return "sys.argv" in names and any(map(_RUNNER.search, texts))


def _call(
    node: ast.Call, tree: ast.Module, line: int, *, is_tool: bool
) -> Iterator[tuple[Key, int]]:
    name = dotted(node)
    if name in ("os._exit", "os.abort"):
        if not any(dotted(each) in ("os.fork", "os.forkpty") for each in ast.walk(tree)
                   if isinstance(each, ast.Call)):  # fmt: skip
            yield ("harness", f"`{name}` ends the tests whatever they found"), line
    elif name == "atexit.register":
        inner = [dotted(each) for arg in node.args for each in ast.walk(arg)]
        if any(each in ("os._exit", *_EXITS) for each in inner):
            yield ("harness", "the exit code of the tests is set when they end"), line
    elif name in ("setattr", "delattr") and node.args:
        first = dotted(node.args[0]).partition(".")[0]
        if first in _CHANGED:
            yield ("harness", f"it changes `{first}`"), line
    elif name in ("sys.modules.get", "importlib.util.find_spec") and not is_tool:
        if _words(node).intersection(_RUNNERS):
            yield ("special-cased", "it asks whether it is being tested"), line
    elif isinstance(node.func, ast.Attribute) and node.func.attr in _SEARCHES:
        asked = {dotted(each) for each in ast.walk(node.func.value)}
        if "sys.argv" in asked and any(map(_RUNNER_WORD.search, _words(node))):
            yield ("special-cased", "it asks whether it is being tested"), line


_SEARCHES = frozenset({"endswith", "startswith", "find", "count", "index"})


def _words(call: ast.Call) -> set[str]:
    """Return the texts that are given to a call."""
    return {
        each.value
        for argument in call.args
        for each in ast.walk(argument)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


def _test_import(node: ast.Import | ast.ImportFrom, tests: Collection[str]) -> str:
    names = (
        [each.name for each in node.names]
        if isinstance(node, ast.Import)
        else [node.module or "", *(f"{node.module}.{each.name}" for each in node.names)]
    )
    if isinstance(node, ast.ImportFrom) and node.level:
        names = [name for name in names if "test" in name]
    for name in names:
        first = name.partition(".")[0]
        if first in _RUNNERS - {"doctest"}:
            return name
        file = f"/{name.replace('.', '/')}.py"
        if name and any(f"/{each}".endswith(file) for each in tests):
            return name
    return ""


def _is_test_path(text: str, tests: Collection[str]) -> bool:
    text = text.removeprefix("./")
    if len(text) < 6 or "\n" in text or " " in text or "." not in text:
        return False
    last = text.rpartition("/")[2]
    if "/" in text:
        return any(each == text or each.endswith(f"/{text}") or text.endswith(f"/{each}")
                   for each in tests)  # fmt: skip
    return bool(re.fullmatch(r"test_\w+\.py|\w+_test\.py", last)) and any(
        each.rpartition("/")[2] == last for each in tests
    )


def _equals_all(node: ast.FunctionDef) -> bool:
    wanted = {"__eq__": True, "__ne__": False}.get(node.name)
    if wanted is None or not node.body:
        return False
    returns = [each for each in ast.walk(node) if isinstance(each, ast.Return)]
    return bool(returns) and all(
        isinstance(each.value, ast.Constant) and each.value.value is wanted for each in returns
    )


def _ends_at_import(tree: ast.Module) -> Iterator[tuple[Key, int]]:
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        each = waiting.pop()
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(each, ast.If):
            if "__name__" not in ast.dump(each.test):
                waiting += [*each.body, *each.orelse]
            continue
        if isinstance(each, ast.Try | ast.With):
            waiting += each.body
            continue
        ends = isinstance(each, ast.Expr) and dotted(each.value) in _EXITS
        ends = ends or (
            isinstance(each, ast.Raise)
            and each.exc is not None
            and dotted(each.exc) == "SystemExit"
        )
        if ends:
            value = each.value if isinstance(each, ast.Expr) else getattr(each, "exc", None)
            args = value.args if isinstance(value, ast.Call) else []
            if not args or (isinstance(args[0], ast.Constant) and args[0].value in (0, None)):
                yield ("harness", "it ends the tests when it is imported"), each.lineno
