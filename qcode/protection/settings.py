"""What a change of a runner's settings did to what is run and what it is held to; pure."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Sequence

from qcode.protection.finding import Finding

_SECTIONS = re.compile(r"pytest|tool:pytest|coverage:.*|testenv.*|tox|nosetests|unittest")
_TABLES = (
    "tool.pytest", "tool.coverage", "tool.tox", "tool.nox", "tool.poe", "tool.pdm.scripts",
    "tool.hatch.envs", "tool.hypothesis", "pytest", "env", "env_run_base",
)  # fmt: skip
_PACKAGE = ("jest", "vitest", "mocha", "ava", "nyc", "c8", "tap", "scripts", "imports")
_MAY_COME = frozenset(
    {"markers", "pythonpath", "asyncio_mode", "asyncio_default_fixture_loop_scope", "minversion",
     "log_cli", "log_cli_level", "log_level", "junit_family", "cache_dir", "filterwarnings",
     "timeout", "console_output_style", "required_plugins"}
)  # fmt: skip
"""Settings of pytest that leave out no test and let none pass."""
_MAY_GROW = frozenset({"markers", "pythonpath", "filterwarnings", "testpaths", "python_files"})
_HURTS = {
    "vite": re.compile(
        r"\btest\s*:\s*\{|testMatch|testPathIgnore|passWithNoTests|testNamePattern|setupFiles"
        r"|globalSetup|\balias\b|\bretry\b|\bbail\b"
    ),
    "Cargo": re.compile(r"^\s*(?:test|harness|doctest|autotests)\s*=\s*false", re.MULTILINE),
    "": re.compile(
        r"skipTests|maven\.test\.skip|testFailureIgnore|ignoreFailures|skipITs|failIfNoTests"
        r"|<exclude|excludeTestsMatching|enabled\s*=\s*false|onlyIf|filter\s*\{|\bexclude\s*[('\"]"
    ),
}
"""Words of a build's file that decide about tests, by how its name begins."""
_BUILDS = re.compile(r"vite\.config\..*|pom\.xml|build\.gradle(?:\.kts)?|Cargo\.toml")
_COMMENT = re.compile(r"^\s*(?://|#|\*|/\*).*$|(?<=\s)//.*$", re.MULTILINE)


def compare(
    name: str,
    before: bytes,
    after: bytes,
    entries: Sequence[str] = (),
    tests: Sequence[str] = (),
) -> list[Finding]:
    """Return what a change did.

    `entries` are the package's scripts that are run, `tests` the files of tests that are there.
    """
    if before == after:
        return []
    old_text, new_text = (data.decode("utf-8", "replace") for data in (before, after))
    old, new = _parts(name, old_text), _parts(name, new_text)
    if old is None or new is None:
        return _by_lines(name, old_text, new_text)
    found = []
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key) and (why := _judge(key, old, new, entries, tests)):
            found.append(Finding("harness", why, _line(new_text, key)))
    return found


def added(name: str, after: bytes, tests: Sequence[str] = ()) -> list[Finding]:
    """Return what new settings do to the tests that are there."""
    if name in ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml") and after.split():
        return [Finding("harness", "new settings of pytest take the place of the others")]
    text = after.decode("utf-8", "replace")
    if name.endswith((".toml", ".cfg", ".ini", ".json", ".coveragerc")) or _BUILDS.fullmatch(name):
        if name == "package.json":
            return [each for each in compare(name, b"{}", after) if "script" not in each.why]
        return compare(name, b"", after, tests=tests)
    if name == "noxfile.py":
        return []
    return [Finding("harness", "new settings of a test runner")] if text.split() else []


def _parts(name: str, text: str) -> dict[str, object] | None:
    """Return all that decides about tests, by a dotted key; None if it is not known."""
    try:
        if name.endswith(".toml") and name != "Cargo.toml":
            return _flat(tomllib.loads(text), _TABLES)
        if name == "package.json":
            return _flat(json.loads(text or "{}"), _PACKAGE)
        if name == "composer.json":
            return _flat(json.loads(text or "{}"), ("scripts",))
        if name.endswith((".ini", ".cfg", ".coveragerc")):
            parser = configparser.RawConfigParser(strict=False)
            parser.read_string(text)
            return {
                f"{section}.{key}": value.split() if "\n" in value else value
                for section in parser.sections()
                if name == ".coveragerc" or _SECTIONS.fullmatch(section)
                for key, value in parser.items(section)
            }
    except (ValueError, configparser.Error, RecursionError):
        return None
    return None


def _flat(tree: object, wanted: Sequence[str]) -> dict[str, object]:
    found: dict[str, object] = {}

    def enter(node: object, path: str) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                below = f"{path}.{key}" if path else str(key)
                if any(f"{each}.".startswith(f"{below}.") or f"{below}.".startswith(f"{each}.")
                       for each in wanted):  # fmt: skip
                    enter(value, below)
        elif any(f"{path}.".startswith(f"{each}.") for each in wanted):
            found[path] = node

    enter(tree, "")
    return found


def _judge(
    key: str,
    old: dict[str, object],
    new: dict[str, object],
    entries: Sequence[str],
    tests: Sequence[str],
) -> str:
    """Return why a setting that differs counts, or nothing."""
    last = key.rpartition(".")[2]
    before, after = old.get(key), new.get(key)
    if key.startswith("scripts."):
        is_run = last in entries or re.search(r"test|check|verify|^ci\b", last)
        hooked = last.startswith(("pre", "post")) and any(
            f"scripts.{last.removeprefix(each)}" in old for each in ("pre", "post")
        )
        if (is_run and before is not None) or (hooked and is_run):
            return f"the script `{last}`, which runs tests, was changed"
        return ""
    if last == "fail_under":
        try:
            return "" if float(str(after)) >= float(str(before or 0)) else _set(key)
        except ValueError:
            return _set(key)
    if "pytest" in key or key.startswith("tool:pytest"):
        if last == "filterwarnings" and "error" in str(before) and "ignore" in str(after):
            return _set(key)
        if before is None and last in _MAY_COME:
            return ""
        if last == "addopts" and after is not None and _only_shows(before, after):
            return ""
        if last == "testpaths" and before is None and _holds(after, tests):
            return ""
        if last in _MAY_GROW and before is not None and _all_of(before, after):
            return ""
        return _set(key)
    if before is None and key.startswith(("testenv:", "tool.tox", "tool.hatch", "tool.poe", "env")):
        return ""
    if before is None and last in ("branch", "source", "show_missing", "precision"):
        return ""
    return _set(key)


_SHOWS = re.compile(
    r"-q+|-v+|-l|-r\w+|--tb=\w+|--strict(?:-markers|-config)?|--import-mode=\w+|--color=\w+"
    r"|--durations=\d+|--showlocals|--doctest-modules|--cov(?:-report|-branch)?(?:=\S+)?"
)
"""Options of pytest that leave out no test and let none pass."""


def _words(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else str(value or "").split()


def _only_shows(before: object, after: object) -> bool:
    """Whether all options are there that were, and what came decides nothing."""
    old, new = _words(before), _words(after)
    left = iter(new)
    return all(each in left for each in old) and all(
        each in old or _SHOWS.fullmatch(each) for each in new
    )


def _holds(after: object, tests: Sequence[str]) -> bool:
    """Whether all tests lie in the given folders."""
    places = [each.strip("./") for each in _words(after)]
    return all(
        any(not place or path == place or path.startswith(f"{place}/") for place in places)
        for path in tests
        if re.search(r"(?:^|/)(?:test_[^/]*|[^/]*_test)\.py$", path)
    )


def _all_of(before: object, after: object) -> bool:
    one, other = (
        set(map(str, each)) if isinstance(each, list) else set(str(each).split())
        for each in (before, after)
    )
    return one <= other


def _set(key: str) -> str:
    return f"`{key}`, which decides about tests, was changed"


def _by_lines(name: str, before: str, after: str) -> list[Finding]:
    old, new = (
        [" ".join(line.split()) for line in _COMMENT.sub("", text).splitlines() if line.strip()]
        for text in (before, after)
    )
    if old == new:
        return []
    if _BUILDS.fullmatch(name):
        changed = [line for line in new if line not in old] + [
            line for line in old if line not in new
        ]
        hurts = _HURTS.get(name.partition(".")[0], _HURTS[""])
        hurting = next((line for line in changed if hurts.search(line)), None)
        if hurting is None:
            return []
        return [Finding("harness", "what decides about tests was changed", _at(after, hurting))]
    return [Finding("harness", "the settings of a test runner were changed")]


def _line(text: str, key: str) -> int:
    return _at(text, key.rpartition(".")[2])


def _at(text: str, words: str) -> int:
    for number, line in enumerate(text.splitlines(), 1):
        if words in " ".join(line.split()):
            return number
    return 0
