from __future__ import annotations

import pytest

from qcode.showing.wishes import Wishes, read, refusal


@pytest.mark.parametrize(
    "task, keeps",
    [
        ("Update the callers, not shapes.py.", ("shapes.py",)),
        ("Write tests for grade.py in test_grade.py. Do not change grade.py.", ("grade.py",)),
        (
            "Fix it, but don't touch src/core/a.py or b.js; they are generated.",
            ("src/core/a.py", "b.js"),
        ),
        ("Leave config.json as it is.", ("config.json",)),
        ("setup.cfg must not be changed.", ("setup.cfg",)),
        ("Fix the bug in dates.py.", ()),
        ("Change nothing else in dates.py.", ()),
        ("Do not change how dates.py looks to its callers.", ("dates.py",)),
    ],
)
def test_files_that_are_to_stay(task: str, keeps: tuple[str, ...]) -> None:
    assert read(task).keeps == keeps


@pytest.mark.parametrize(
    "task, expected",
    [
        ("Fix roman.py. Do not change the tests.", True),
        ("Fix the bug in dates.py (not the test).", True),
        ("The tests must not be changed.", True),
        ("Make the tests pass.", False),
        ("Do not change test_a.py.", False),  # that one alone
    ],
)
def test_tests_that_are_to_stay(task: str, expected: bool) -> None:
    assert read(task).keeps_tests is expected


@pytest.mark.parametrize(
    "task, asks, keeps_all",
    [
        ("Which file defines the limit? Do not change any file.", True, True),
        ("How many lines has data.txt? Do not change anything.", True, True),
        ("What does a.py do?", True, False),
        ("Explain a.py. Does it close the file?", True, False),
        ("Why is the sum in a.py wrong?", True, False),
        ("How do I add a flag to it?", True, False),
        ("Is there a bug in a.py? If so, fix it.", False, False),
        ("What is wrong in a.py? Please fix it", False, False),
        ("Can you add a test?", False, False),
        ("Fix a.py: what it prints is wrong.", False, False),
        ("Find out why the tests hang.", False, False),
    ],
)
def test_questions(task: str, asks: bool, keeps_all: bool) -> None:
    wishes = read(task)

    assert (wishes.is_question, wishes.keeps_all) == (asks, keeps_all)


@pytest.mark.parametrize(
    "task, commands",
    [
        ("`python main.py` fails", ("python main.py",)),
        ("add `pip install x` to it, and `make`", ("make",)),
        ("run `make test` and `rm -rf x`", ("make test",)),
        ("`python a.py; rm b`, `python -c 'x'`, `python a.py > b`", ()),
        ("the name `python`-ish", ()),
    ],
)
def test_commands_that_are_quoted(task: str, commands: tuple[str, ...]) -> None:
    assert read(task).commands == commands


def test_a_file_may_have_to_go() -> None:
    assert read("Remove the file and every use of it.").removes
    assert not read("Remove the blank lines.").removes


def test_why_a_file_is_not_changed() -> None:
    assert "no file" in refusal(Wishes(keeps_all=True), "a.py", is_measure=False)
    assert "a.py" in refusal(Wishes(keeps=("a.py",)), "src/a.py", is_measure=False)
    assert refusal(Wishes(keeps=("a.py",)), "b.py", is_measure=True) == ""
    assert "stays as it is" in refusal(Wishes(), "test_a.py", is_measure=True)
    assert refusal(Wishes(), "test_a.py", is_measure=False) == ""
    assert refusal(Wishes(changes_tests=True), "test_a.py", is_measure=True) == ""
    assert "stays" in refusal(Wishes(keeps_tests=True), "tests/a.py", is_measure=False)


@pytest.mark.parametrize(
    "task, starts",
    [
        ("Create hello.py that prints hello when it is run with python.", True),
        ("Write a script sync.py.", True),
        ("Write a function that runs a command when the queue is empty.", False),
        ("Add a class Basket to shop.py.", False),
    ],
)
def test_whether_it_is_a_program(task: str, starts: bool) -> None:
    assert read(task).starts is starts


@pytest.mark.parametrize(
    "task, may_be",
    [
        ("Users report that f() is False. Fix it if that is so.", True),
        ("If the code is already right, change nothing and say so.", True),
        ("Fix f() in a.py. Change nothing else.", False),
        ("Fix it if you can.", False),
        ("f() is already right; fix g().", False),
        ("Write is_even(flag) in a.py: if it is true, return 1, else 0.", False),
        ("Fix f(); if this is so large that it fails, raise.", False),
    ],
)
def test_that_nothing_may_have_to_change_is_read(task: str, may_be: bool) -> None:
    assert read(task).may_be_done == may_be
