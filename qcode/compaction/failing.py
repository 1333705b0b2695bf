"""Which tests failed, as their runners print it; pure."""

from __future__ import annotations

import re

_FAILED = re.compile(
    r"""^\s*(?:
        FAILED\ (?P<pytest>\S+::\S+)(?:\ -.*)?                   # pytest's summary
      | ERROR\ (?P<error>\S+\.py(?:::\S+)?)(?:\ -.*)?
      | (?:FAIL|ERROR):\ (?P<unittest>\w+\ \([\w.]+\))          # unittest
      | ---\ FAIL:\ (?P<go>\S+)(?:\ \([\d.]+s\))?                                # go test
      | test\ (?P<rust>\S+)\ \.\.\.\ FAILED                     # cargo test
      | not\ ok\ \d+\ (?:-\ )?(?P<tap>.+?)                      # TAP
      | [✕✗×]\ (?P<js>.+?)(?:\ \(\d+\ ?ms\))?                   # jest, vitest, mocha
      | \[ERROR\]\ +(?P<java>\w+(?:Test|IT)\.\w+)(?::\d+)?.*    # surefire
    )\s*$""",
    re.MULTILINE | re.VERBOSE,
)
_RUNNER = re.compile(
    r"(?<![\w./-])(?:(?:pytest|py\.test|unittest|tox|nox|jest|vitest|mocha|ctest|rspec|phpunit)(?![\w.-])|"
    r"(?:go|cargo|npm|pnpm|yarn|bun|deno|make|mvn|gradle|gradlew|dotnet|swift|mix|rake)\s+"
    r"(?:run\s+)?(?:test|check)\w*)"
)
_MOST = 50


def runs_tests(command: str) -> bool:
    """Whether a command looks as if it ran tests."""
    return bool(_RUNNER.search(command))


def failed_tests(output: str) -> tuple[str, ...]:
    """Return the names of the tests that failed, in order, each once."""
    names = (next(filter(None, found.groups())) for found in _FAILED.finditer(output))
    return tuple(dict.fromkeys(name.strip() for name in names))[:_MOST]
