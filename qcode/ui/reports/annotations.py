"""What is wrong, said at the lines where it is: for GitHub's and GitLab's views of a change.

GitHub reads commands in what a job prints (docs.github.com, "Workflow commands"); GitLab reads
a file of findings in the format of Code Climate (docs.gitlab.com, "Code Quality").
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from qcode.headless.ended import Ended
from qcode.messages import JsonObject
from qcode.record import Record
from qcode.ui.printable import printable

MOST = 10
"""GitHub shows no more errors of one step."""


class Finding(Record):
    """Something that is wrong at a place."""

    title: str
    message: str
    file: str = ""
    """Relative to the workspace; empty: nowhere in particular."""
    line: int = 0
    """From 1; 0: the file as a whole."""
    is_blocker: bool = False
    """Whether the run got past its verification, rather than failed it."""


def findings(ended: Ended) -> list[Finding]:
    """Return what is wrong: what the run should not have done first, then what fails."""
    return list(_findings(ended))


def _findings(ended: Ended) -> Iterator[Finding]:
    for each in ended.violations:
        taken_back = " (taken back)" if each.rolled_back else ""
        yield Finding(
            f"qcode: {each.kind}", f"{each.why}{taken_back}", each.path, each.line, is_blocker=True
        )
    for outcome in ended.verification:
        failing = [case for case in outcome.cases if case.status in ("failed", "error")]
        for case in failing:
            message = case.message or f"{case.status} in `{outcome.command}`"
            yield Finding(f"qcode: {case.name}", message, case.file, case.line)
        if not outcome.passed and not failing:
            how = (
                "did not end in time" if outcome.exit_code is None else f"exits {outcome.exit_code}"
            )
            yield Finding("qcode: verification failed", f"`{outcome.command}` {how}")
    if ended.exit_code and ended.error and not ended.violations and not ended.verification:
        yield Finding("qcode", ended.error)


def annotate(ended: Ended, prefix: str = "") -> list[str]:
    """Return GitHub's commands, a line each.

    `prefix` leads from the repository's top to the workspace: `services/api/`.
    """
    found = findings(ended)
    lines = [_command(each, prefix) for each in found[:MOST]]
    if len(found) > MOST:
        more = f"and {len(found) - MOST + 1} more findings; the summary has them"
        lines[-1] = _command(Finding("qcode", more), prefix)
    return lines


def code_quality(ended: Ended, prefix: str = "") -> list[JsonObject]:
    """Return GitLab's findings; those without a place stand at the workspace's first line."""
    return [
        {
            "description": f"{_plain(each.title)}: {_plain(each.message)}",
            "check_name": "qcode",
            "fingerprint": _fingerprint(each),
            "severity": "blocker" if each.is_blocker else "major",
            "location": {
                "path": f"{prefix}{_plain(each.file)}" if each.file else ".",
                "lines": {"begin": max(1, each.line)},
            },
        }
        for each in findings(ended)
    ]


def _fingerprint(finding: Finding) -> str:
    """Return what is the same for the same finding in the next run, wherever its line moved."""
    said = repr((finding.title, finding.message, finding.file))
    return hashlib.sha256(said.encode()).hexdigest()


def _command(finding: Finding, prefix: str) -> str:
    given: list[tuple[str, str]] = [("title", finding.title)]
    if finding.file:
        given.insert(0, ("file", prefix + finding.file))
        if finding.line:
            given.insert(1, ("line", str(finding.line)))
    properties = ",".join(f"{name}={_property(value)}" for name, value in given)
    return f"::error {properties}::{_data(finding.message)}"


def _data(text: str) -> str:
    """Return a command's message as GitHub reads it back: one line, whatever is in it."""
    shown = _plain(text, 2_000)
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(_plain(text, 300)).replace(":", "%3A").replace(",", "%2C")


def _plain(text: str, limit: int = 1_000) -> str:
    shown = printable(text).strip()
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


class Commands:
    """Keeps what a run prints from being read as GitHub's commands, but for qcode's own.

    Anything that a model, a file or a test says may hold `::error::` or `##[group]`, on stdout
    or stderr. GitHub obeys none of it after `::stop-commands::` and before its token.
    """

    def __init__(self, token: str) -> None:
        """`token` cannot be guessed by whatever is run."""
        self.stop = f"::stop-commands::{token}"
        """A line that is printed before all else."""
        self.resume = f"::{token}::"
        """A line that is printed before qcode's own commands."""
