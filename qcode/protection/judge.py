"""What was done to one file of the default grade, by what it is; pure."""

from __future__ import annotations

import json

from qcode.protection import lines, makefile, python_new, python_tests, settings
from qcode.protection.finding import Finding
from qcode.protection.named import Named
from qcode.protection.python_form import form, parse
from qcode.protection.roles import Role, extension

_MAKEFILES = frozenset({"Makefile", "makefile", "GNUmakefile", "justfile", "Justfile", ".justfile"})


def changed(path: str, role: Role, before: bytes, after: bytes, named: Named) -> list[Finding]:
    """Return what counts of a change to a file that was there."""
    if before == after:
        return []
    name = path[path.rfind("/") + 1 :]
    is_python = extension(path) == "py"
    if path in named.scripts:
        if name in _MAKEFILES:
            old, new = (data.decode("utf-8", "replace") for data in (before, after))
            return makefile.compare(old, new, named.targets)
        if not is_python and name != "package.json" and role not in ("test", "settings"):
            return _script(path, before, after)
    if role == "settings":
        if is_python:
            return _as_python(before, after, "the settings of a test runner were changed")
        return settings.compare(name, before, after, named.entries, named.tests)
    if role == "conftest":
        # A conftest's own words are read as tests are: what helps tests must not change.
        found = python_tests.compare(before, after)
        return [Finding("harness", each.why, each.line) for each in found]
    if role == "shadow":
        return _as_python(before, after, "what a test runner imports was changed")
    if role == "inline":
        return lines.inline(before, after)
    if role == "data":
        return _data(name, before, after)
    if is_python:
        return python_tests.compare(before, after)
    return lines.compare(extension(path), before, after)


def added(path: str, role: Role, after: bytes, named: Named, *, has_tests: bool) -> list[Finding]:
    """Return what counts of a file that was not there; `has_tests`: tests were below its folder."""
    name = path[path.rfind("/") + 1 :]
    if role == "conftest":
        return python_new.in_conftest(after, has_tests=has_tests)
    if role == "shadow":
        return [Finding("harness", "it is taken for a module of the test runner, or run by itself")]
    if role == "settings":
        return settings.added(name, after, named.tests) if has_tests else []
    if role == "test":
        return python_new.in_test(after) if extension(path) == "py" else lines.added(path, after)
    return []


def deleted(role: Role) -> Finding:
    """Return what it is that a file is gone."""
    return Finding("deleted", _GONE.get(role, "what the verification runs is gone"))


_GONE: dict[Role, str] = {
    "test": "its tests are gone",
    "inline": "its tests are gone",
    "data": "what tests compare with is gone",
    "conftest": "what tests are run with is gone",
}


def _as_python(before: bytes, after: bytes, why: str) -> list[Finding]:
    old, new = parse(before), parse(after)
    if old is not None and new is not None and form(old) == form(new):
        return []
    return [Finding("harness", why)]


def _script(path: str, before: bytes, after: bytes) -> list[Finding]:
    """Of what a command runs, only blank lines and comments may change."""
    comment = "//" if extension(path) in ("js", "ts", "mjs", "cjs", "go", "php") else "#"
    old, new = (
        [
            line.split()
            for line in data.decode("utf-8", "replace").splitlines()
            if line.strip() and not (line.lstrip().startswith(comment) and line[:2] != "#!")
        ]
        for data in (before, after)
    )
    if old == new:
        return []
    at = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), len(old))
    words = new[at] if at < len(new) else []
    line = 0
    for number, text in enumerate(after.decode("utf-8", "replace").splitlines(), 1):
        if text.split() == words:
            line = number
            break
    return [Finding("harness", "what the verification runs was changed", line if words else 0)]


def _data(name: str, before: bytes, after: bytes) -> list[Finding]:
    if name.endswith((".snap", ".ambr")):
        left = iter(after.splitlines())
        if all(line in left for line in before.splitlines()):
            return []
    if name.endswith(".json"):
        try:
            old_json, new_json = (
                json.dumps(json.loads(data), sort_keys=True) for data in (before, after)
            )
            if old_json == new_json:
                return []
        except (ValueError, RecursionError):
            pass
    elif before.split(b"\n") == after.replace(b"\r\n", b"\n").split(b"\n"):
        return []
    return [Finding("weakened", "what tests compare with, or read, was changed")]
