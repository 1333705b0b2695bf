"""The verification as JUnit XML, as the viewers of CI systems read it.

A test suite a command, a test case a test; one for the command where the tests could not be
read. The elements and their order are those of Jenkins' schema (`junit-10.xsd`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape, quoteattr

from qcode.verification.outcome import Case, Outcome
from qcode.verification.trimming import trimmed

OUTPUT_CHARS = 20_000
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(outcomes: Sequence[Outcome]) -> bytes:
    """Return the document."""
    suites = [(outcome, _cases(outcome)) for outcome in outcomes]
    counted = _counts(case for _, cases in suites for case in cases)
    total = sum(outcome.duration_s for outcome, _ in suites)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(f'<testsuites name="qcode" {counted} time="{total:.3f}">')
    for outcome, cases in suites:
        lines += _suite(outcome, cases)
    lines.append("</testsuites>")
    return ("\n".join(lines) + "\n").encode()


def _cases(outcome: Outcome) -> Sequence[Case]:
    bad = any(case.status in ("failed", "error") for case in outcome.cases)
    if outcome.cases and (outcome.passed or bad):
        return outcome.cases
    how = "did not end in time" if outcome.exit_code is None else f"exits {outcome.exit_code}"
    whole = Case(outcome.command, "passed" if outcome.passed else "failed", message=how)
    return (*outcome.cases, whole)


def _counts(cases: Iterable[Case]) -> str:
    statuses: list[str] = [case.status for case in cases]
    words = (("tests", None), ("failures", "failed"), ("errors", "error"), ("skipped", "skipped"))
    return " ".join(
        f'{word}="{len(statuses) if status is None else statuses.count(status)}"'
        for word, status in words
    )


def _suite(outcome: Outcome, cases: Sequence[Case]) -> list[str]:
    time = f'time="{outcome.duration_s:.3f}"'
    lines = [f"  <testsuite name={_quoted(outcome.command)} {_counts(cases)} {time}>"]
    if outcome.flaky:
        names = _quoted(", ".join(outcome.flaky))
        lines.append(f'    <properties><property name="flaky" value={names}/></properties>')
    for case in cases:
        lines += _case(outcome.command, case)
    if not outcome.passed:
        output = _text(trimmed(outcome.output, OUTPUT_CHARS))
        lines.append(f"    <system-out>{output}</system-out>")
    return [*lines, "  </testsuite>"]


def _case(command: str, case: Case) -> list[str]:
    group, _, name = case.name.rpartition("::")
    given = f"name={_quoted(name or case.name)} classname={_quoted(group or command)}"
    if case.file:
        given += f" file={_quoted(case.file)}"
    if case.line:
        given += f' line="{case.line}"'
    if case.duration_s is not None:
        given += f' time="{case.duration_s:.3f}"'
    inside = {"failed": "failure", "error": "error", "skipped": "skipped"}.get(case.status)
    if inside is None:
        return [f"    <testcase {given}/>"]
    message = f" message={_quoted(case.message)}" if case.message else ""
    return [f"    <testcase {given}>", f"      <{inside}{message}/>", "    </testcase>"]


def _quoted(text: str) -> str:
    plain = _NOT_IN_XML.sub("\ufffd", text)
    return quoteattr(plain, {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def _text(text: str) -> str:
    return escape(_NOT_IN_XML.sub("\ufffd", text))
