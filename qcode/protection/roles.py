"""What a file is to a verification, by its path alone; pure."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

Role: TypeAlias = Literal["", "test", "inline", "data", "conftest", "settings", "shadow", "script"]
"""`test`: code of tests and what helps it; `inline`: source that may hold tests of its own;
`data`: what tests compare with; `settings`: of a runner; `shadow`: what a runner would take
for a module of its own or run by itself; `script`: what a command runs. Empty: none."""

FOLDERS = frozenset(
    {"test", "tests", "__tests__", "spec", "specs", "testdata", "__snapshots__", "__mocks__",
     "unittests", "e2e", "integration_tests", "testsuite", "androidTest", "cypress"}
)  # fmt: skip
"""Names of folders that hold tests."""

CODE = frozenset(
    {"py", "js", "jsx", "ts", "tsx", "mjs", "cjs", "mts", "cts", "go", "rs", "rb", "java", "kt",
     "kts", "php", "cs", "c", "cc", "cpp", "cxx", "h", "hpp", "swift", "scala", "ex", "exs", "sh",
     "bash", "bats", "pl", "t", "lua", "dart", "groovy", "zig", "hs", "ml", "clj", "vue",
     "svelte", "fs", "jl", "r"}
)  # fmt: skip
"""Extensions of code."""

_TEST = re.compile(
    r"test_[^/]*\.py|[^/]*_test\.py|tests?\.py"
    r"|[^/]*[._-](?:test|spec)s?\.(?:[cm]?[jt]sx?|rb|dart|lua|exs?|vue|svelte)"
    r"|(?:test|spec)\.[cm]?[jt]sx?"
    r"|[^/]*_test\.(?:go|cc|cpp|c|rb|exs|dart|zig|php|rs|sh)|test_[^/]*\.(?:rb|c|cc|cpp|sh|rs)"
    r"|[A-Za-z0-9_]*(?:Test|Tests|TestCase|Spec|IT)\.(?:java|kt|cs|scala|php|groovy|swift|fs)"
    r"|Test[A-Z][A-Za-z0-9_]*\.(?:java|kt)|[^/]*\.(?:bats|t)"
)
_SETTINGS = re.compile(
    r"\.?pytest\.(?:ini|toml)|tox\.(?:ini|toml)|setup\.cfg|pyproject\.toml|\.coveragerc|noxfile\.py"
    r"|package\.json|(?:jest|vitest|vite|playwright|cypress|wdio|ava|web-test-runner)"
    r"\.(?:config|workspace|setup)\.[\w.]+|\.mocharc(?:\.\w+)?|karma\.conf\.\w+|\.nycrc(?:\.\w+)?"
    r"|setupTests\.\w+|phpunit\.xml(?:\.dist)?|\.rspec|pom\.xml|build\.gradle(?:\.kts)?|Cargo\.toml"
    r"|composer\.json|CTestTestfile\.cmake"
)
_SHADOWING = frozenset(
    {"pytest", "_pytest", "py", "pluggy", "iniconfig", "unittest", "doctest", "coverage", "nose",
     "nose2", "tox", "mock", "hypothesis", "pytest_cov", "xdist"}
)  # fmt: skip
_BY_ITSELF = frozenset({"sitecustomize", "usercustomize"})
_IMPORTED_FROM = frozenset({"", "src", "lib", "python"})

_NO_DATA = re.compile(r"[^/]*\.(?:pyc|pyo|log|tmp|swp|orig|rej)|\.DS_Store|\.qcode-tmp-.*|[^/]*~")

MADE = frozenset({"build", "dist", "target", "out", "htmlcov", "coverage", "bin", "obj"})
"""Folders that builds make, with copies of what is tested in them."""

TESTING_NAME = re.compile(
    r"(?:^|[_\-./])(?:tests?|checks?|verify|verification|validate|spec|smoke|judge|grade|grader|"
    r"expect(?:ed)?|ci|assert\w*|golden|selftest|acceptance)(?:[_\-./\d]|$)",
    re.IGNORECASE,
)
"""Says of a file that a command runs that it checks, and is not what is checked."""

SKIPPED = frozenset(
    {".git", ".hg", ".svn", "__pycache__", "node_modules", ".tox", ".nox", ".mypy_cache",
     ".ruff_cache", ".pytest_cache", ".hypothesis", ".gradle", ".idea", ".qcode", "site-packages"}
)  # fmt: skip
"""Folders that hold nothing of the project's own."""


def is_test_folder(path: str) -> bool:
    """Whether a folder, or one it lies in, is named as those of tests are."""
    return not FOLDERS.isdisjoint(path.split("/"))


def extension(path: str) -> str:
    """Return what a name ends with, without its dot and in lower case."""
    name = path[path.rfind("/") + 1 :]
    return name[name.rfind(".") + 1 :].lower() if "." in name[1:] else ""


def role_of(folder: str, name: str, *, in_tests: bool) -> Role:
    """Return what a file is; `in_tests` says that its folder is one of tests."""
    stem, _, ending = name.partition(".")
    if name == "conftest.py":
        return "conftest"
    if name in FOLDERS:  # a link to where the tests are, or a program of that name
        return "data"
    if ending == "pth" or (stem in _BY_ITSELF and ending in ("py", "pyc", "so")):
        return "shadow"
    top = folder in _IMPORTED_FROM or in_tests
    if stem in _SHADOWING and ending in ("py", "pyc") and top:
        return "shadow"
    if name == "__init__.py" and folder.rpartition("/")[2] in _SHADOWING:
        above = folder.rpartition("/")[0]
        if above in _IMPORTED_FROM or is_test_folder(above):
            return "shadow"
    if _SETTINGS.fullmatch(name):
        return "settings"
    if _TEST.fullmatch(name):
        return "test"
    if in_tests:
        if extension(name) in CODE:
            return "test"
        return "" if _NO_DATA.fullmatch(name) else "data"
    if ending == "rs":
        return "inline"
    if name.endswith((".snap", ".ambr", ".approved.txt")):
        return "data"
    return ""


def role_at(path: str) -> Role:
    """Return what a file is, by its path relative to the workspace."""
    folder, _, name = path.rpartition("/")
    return role_of(folder, name, in_tests=is_test_folder(folder))


def is_test(path: str) -> bool:
    """Whether a file is one of tests, or of what they compare with."""
    return role_at(path) in ("test", "data")
