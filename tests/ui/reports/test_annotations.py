from __future__ import annotations

import pytest
from ends import BAD, FAILED, GOOD
from hostile import HOSTILE

from qcode.events import TurnEnd
from qcode.headless.ended import Violation
from qcode.record import replace
from qcode.ui.reports.annotations import MOST, Commands, annotate, code_quality
from qcode.verification.outcome import Case


def test_each_finding_is_a_command_at_its_place() -> None:
    assert annotate(BAD, "sub/") == [
        "::error file=sub/t.py,line=9,title=qcode%3A weakened::an assertion is gone (taken back)",
        "::error file=sub/t.py,line=9,title=qcode%3A t.py%3A%3Ab::assert 1 == 2",
        "::error title=qcode%3A verification failed::`make` did not end in time",
    ]
    assert annotate(GOOD) == []


def test_a_run_that_came_to_nothing_says_why() -> None:
    ended = replace(GOOD, end=TurnEnd.PROVIDER, exit_code=3, error="no key", verification=())

    assert annotate(ended) == ["::error title=qcode::no key"]


def read_back(line: str) -> tuple[dict[str, str], str]:
    """Read a command as GitHub's runner does (actions/runner, `ActionCommand.TryParseV2`)."""
    head, message = line.removeprefix("::error ").split("::", 1)
    properties = dict(pair.split("=", 1) for pair in head.split(","))
    codes = {"%3A": ":", "%2C": ",", "%0D": "\r", "%0A": "\n", "%25": "%"}

    def plain(text: str) -> str:
        for code, sign in codes.items():
            text = text.replace(code, sign)
        return text

    return {name: plain(value) for name, value in properties.items()}, plain(message)


def test_what_is_said_comes_back_as_it_was() -> None:
    said = "100%, a:b\r\n::error::x %0A"
    ended = replace(BAD, violations=[Violation(said, said, said)], verification=())
    (line,) = annotate(ended)

    assert "\n" not in line
    assert "\r" not in line
    shown = said.replace("\r\n", "\n")
    assert read_back(line) == ({"file": shown, "title": f"qcode: {shown}"}, shown)


@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE)
def test_nothing_that_somebody_says_becomes_another_command(said: str) -> None:
    case = Case(said, "failed", said, 1, said)
    ended = replace(
        BAD,
        violations=[Violation(said, said, said)],
        verification=[replace(FAILED, command=said, cases=(case,))],
    )

    for line in annotate(ended):
        assert line.splitlines() == [line]
        assert line.startswith("::error ")
        assert set(read_back(line)[0]) <= {"file", "line", "title"}


def test_there_are_no_more_than_are_shown() -> None:
    cases = tuple(Case(f"t{n}", "failed") for n in range(MOST + 5))
    lines = annotate(replace(GOOD, exit_code=1, verification=[replace(FAILED, cases=cases)]))

    assert len(lines) == MOST
    assert lines[-1] == "::error title=qcode::and 6 more findings; the summary has them"


def test_the_findings_for_gitlab_have_what_it_wants() -> None:
    found = code_quality(BAD, "sub/")

    assert [(each["severity"], each["location"]) for each in found] == [
        ("blocker", {"path": "sub/t.py", "lines": {"begin": 9}}),
        ("major", {"path": "sub/t.py", "lines": {"begin": 9}}),
        ("major", {"path": ".", "lines": {"begin": 1}}),
    ]
    assert found[0]["description"] == "qcode: weakened: an assertion is gone (taken back)"
    assert len({each["fingerprint"] for each in found}) == 3
    assert found == code_quality(BAD, "sub/")


def test_commands_are_stopped_by_a_word_that_nobody_knows() -> None:
    commands = Commands("s3cr3t")

    assert (commands.stop, commands.resume) == ("::stop-commands::s3cr3t", "::s3cr3t::")
