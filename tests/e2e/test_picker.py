"""Choosing a session in a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import HOSTILE, obeyed
from pty_program import PtyProgram

from qcode import paths
from qcode.journal.writing import Journal
from qcode.messages import AssistantMessage, ToolCall, UserMessage, to_json

ENTER, ESC, CTRL_C, CTRL_D, CTRL_F, CTRL_N, CTRL_P = (
    "\r", "\x1b", "\x03", "\x04", "\x06", "\x0e", "\x10"
)  # fmt: skip
DOWN, UP, PAGE_DOWN, PAGE_UP, TAB = "\x1b[B", "\x1b[A", "\x1b[6~", "\x1b[5~", "\t"

# What the picker is asked by, without a model: says what was chosen.
PICK = """
import asyncio, os, sys
from pathlib import Path
from qcode.cli.choosing import from_list
from qcode.cli.interactive import look_of
from qcode.errors import QcodeError
print("above")
try:
    entry = asyncio.run(from_list(Path(os.getcwd()), look_of(sys.stdout)))
    print("chose", entry and entry.id)
except QcodeError as error:
    print(error)
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def hold(name: str, cwd: Path, *said: str, age: int = 0, model: str = "scripted") -> Path:
    journal = Journal.create(
        paths.state_dir() / "sessions", {"id": name, "cwd": str(cwd), "model": model}
    )
    for number, text in enumerate(said):
        message = AssistantMessage(text) if number % 2 else UserMessage(text)
        journal.write({"type": "message", **to_json(message)})
    journal.close()
    os.utime(journal.path, (1_800_000_000 - age,) * 2)
    return journal.path


def picker(cwd: Path, **how: object) -> PtyProgram:
    return PtyProgram(cwd, command=(sys.executable, "-c", PICK), **how)  # type: ignore[arg-type]


def three(work: Path) -> None:
    hold("s1", work, "Fix the parser", "It was a comma.")
    hold("s2", work, "Write docs", "Done:\nthe docs are there.", age=60, model="qwen3")
    hold("s3", work.parent, "Tidy the shed", "Hammer found.", age=120)


def test_the_last_used_one_is_chosen_by_enter_and_nothing_stays(work: Path) -> None:
    three(work)
    with picker(work) as program:
        program.see("2 sessions of this directory", "> 2027", "Fix the parser", "It was a comma.")
        assert "Tidy" not in program.screen.text
        program.type(ENTER)
        program.see("chose s1")
        assert program.wait() == 0
        assert program.screen.text == "above\nchose s1"
        assert not program.screen.cleared


@pytest.mark.parametrize("key", [ESC, CTRL_C])
def test_leaving_chooses_nothing(work: Path, key: str) -> None:
    three(work)
    with picker(work) as program:
        program.see("Fix the parser")
        program.type(key)
        program.see("chose None")
        assert program.screen.text == "above\nchose None"


@pytest.mark.parametrize("keys", [DOWN, CTRL_N, PAGE_DOWN, DOWN + DOWN + UP + DOWN, "wd"])
def test_keys_move_and_letters_narrow(work: Path, keys: str) -> None:
    three(work)
    with picker(work) as program:
        program.see("Fix the parser")
        program.type(keys)
        program.until(lambda text: any("> " in x and "Write docs" in x for x in text.split("\n")))
        program.see("the docs are there.")
        program.type(ENTER)
        program.see("chose s2")


@pytest.mark.parametrize(
    "typed, left", [("parser", "s1"), ("QWEN", "s2"), ("s2", "s2"), ("fix pars", "s1")]
)
def test_title_model_and_id_are_looked_at(work: Path, typed: str, left: str) -> None:
    three(work)
    with picker(work) as program:
        program.see("2 sessions")
        program.type(typed)
        program.see("1 session of")
        program.type(ENTER)
        program.see(f"chose {left}")


def test_what_fits_nothing_cannot_be_chosen(work: Path) -> None:
    three(work)
    with picker(work) as program:
        program.see("2 sessions")
        program.type("zzz")
        program.see("no session fits")
        program.type(ENTER + "\x7f\x7f\x7f")
        program.see("2 sessions")
        program.type(ENTER)
        program.see("chose s1")


def test_other_directories_are_a_key_away(work: Path) -> None:
    three(work)
    with picker(work, columns=200) as program:
        program.see("2 sessions of this directory")
        program.type(TAB)
        program.see("3 sessions of all directories", f"Tidy the shed [{work.parent}]")
        program.type("shed")
        program.see("1 session of all")
        program.type("\x01")
        program.see("0 sessions of this directory")
        program.type("\x01" + ENTER)
        program.see("chose s3")


def test_a_directory_without_sessions_shows_all(work: Path) -> None:
    hold("s3", work / "elsewhere", "Tidy the shed")
    with picker(work) as program:
        program.see("1 session of all directories", "Tidy the shed")


def test_words_that_were_said_are_found(work: Path) -> None:
    three(work)
    call = ToolCall("c1", "x", '{"command":"make hammer"}')
    path = hold("s4", work, "Another", age=300)
    with path.open("a") as file:
        import json

        file.write(json.dumps({"type": "message", **to_json(AssistantMessage("", "", (call,)))}))
        file.write("\n")
    with picker(work) as program:
        program.see("3 sessions")
        program.type("HAMMER")
        program.see("no session fits")
        program.type(CTRL_F)
        program.see("1 session of this", "Another", 'found: {"command":"make hammer"}')
        program.type(TAB)
        program.type(CTRL_F)
        program.see("2 sessions of all", "Tidy the shed")
        program.type("x")
        program.see("no session fits")


def test_removing_is_asked_about(work: Path) -> None:
    three(work)
    kept = paths.state_dir() / "sessions/s1.jsonl"
    with picker(work) as program:
        program.see("Fix the parser")
        program.type(CTRL_D)
        program.see("“Fix the parser” remove it for good")
        program.type("n")
        program.see("Enter opens")
        assert kept.exists()
        program.type(CTRL_D + ENTER)
        program.see("Enter opens")
        program.type(CTRL_D)
        program.see("remove it for good")
        program.type("y")
        program.see("1 session of", without="Fix the parser")
        assert not kept.exists()
        program.type(ENTER)
        program.see("chose s2")


def test_what_is_open_elsewhere_is_not_removed(work: Path) -> None:
    three(work)
    opened = Journal.reopen(paths.state_dir() / "sessions/s1.jsonl")
    with picker(work) as program:
        program.see("Fix the parser")
        program.type(CTRL_D + "y")
        program.see("open in another qcode")
        assert opened.path.exists()
    opened.close()


@pytest.mark.parametrize("rows, columns", [(30, 40), (9, 100), (6, 30), (5, 20), (50, 200)])
def test_it_fits_and_is_gone_on_any_screen(work: Path, rows: int, columns: int) -> None:
    for number in range(30):
        hold(f"s{number:02}", work, f"Session {number} " * 20, "words\n" * 30, age=number)
    with picker(work, rows=rows, columns=columns) as program:
        program.see("30 sessions"[: columns - 1], "> ")
        text = program.see("Session 0" if columns < 70 else "Session 0 Session 0")
        assert len(text.split("\n")) <= rows
        assert max(map(len, text.split("\n"))) < columns
        program.type(PAGE_DOWN * 30)
        program.see("Session 29")
        program.type(PAGE_UP * 30)
        program.see("Session 0")
        program.type(ESC)
        program.see("chose None")
        assert program.screen.text == "above\nchose None"


def test_without_colour_there_is_none(work: Path) -> None:
    three(work)
    with picker(work, NO_COLOR="1") as program:
        program.see("> 2027", "Fix the parser")
        program.type(ESC)
        program.see("chose None")
        assert b"\x1b[3" not in program.raw
        assert b";3" not in program.raw


@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE)
def test_what_was_said_drives_nothing(
    said: str, work: Path, in_terminal: Callable[[str], list[str]]
) -> None:
    assert in_terminal(said) == []


@pytest.fixture
def in_terminal(work: Path) -> Callable[[str], list[str]]:
    """Return what a terminal would obey of the lines for a session of that text."""
    from qcode.journal.listing import entries
    from qcode.ui.picker_lines import footer, header, line_of, preview_of
    from qcode.ui.picking import Picking

    def lines(said: str) -> list[str]:
        hold("s1", work / said.replace("\0", "")[:50].replace("/", ""), said, said, model=said)
        picking = Picking(work, everywhere=True)
        picking.add(entries(paths.state_dir() / "sessions"))
        picking.is_removing = True
        picking.note = said
        (entry,) = picking.shown()
        shown = [line_of(entry, picking, width) for width in (9, 60, 100)]
        shown += [header(picking, 80)]
        shown += preview_of([UserMessage(said), AssistantMessage(said)], said, 80, 8)
        shown += [footer(picking, 80, is_searching=False, can_remove=True)]
        picking.is_removing = False
        shown += [footer(picking, 80, is_searching=False, can_remove=True)]
        assert all("\n" not in line for line in shown)
        return obeyed("\n".join(shown).encode())

    return lines


def test_no_session_is_told(work: Path) -> None:
    with picker(work) as program:
        program.see("there is no session yet")


def test_thousands_of_sessions_are_there_at_once(work: Path) -> None:
    folder = paths.state_dir() / "sessions"
    folder.mkdir(parents=True)
    for number in range(3000):
        header = f'{{"type":"session","version":1,"id":"s{number}","cwd":"{work}","model":"m"}}\n'
        said = f'{{"type":"message","role":"user","text":"Question {number}"}}\n'
        (folder / f"s{number}.jsonl").write_text(header + said)
    with picker(work) as program:
        program.type("question 1234")
        program.see("1 session of", "Question 1234")
        program.type(ENTER)
        program.see("chose s1234")


def test_a_dumb_terminal_shows_numbers(work: Path) -> None:
    three(work)
    with PtyProgram(work, "resume", TERM="dumb") as program:
        program.see("1  s1", "2  s2", "number (Enter: 1, q: none)")
        program.type("7\n")
        program.see("`7` is not a number from 1 to 2")
        program.type("q\n")
        assert program.wait() == 0
        assert b"\x1b" not in program.raw


def test_resume_opens_what_was_chosen(work: Path) -> None:
    three(work)
    with PtyProgram(work, "resume", "--base-url", "http://127.0.0.1:9/v1", "-m", "x") as program:
        program.see("Fix the parser")
        program.type("docs")
        program.see("1 session of")
        program.type(ENTER)
        program.see("qcode 0", "> Write docs", "the docs are there.", without="Enter opens")
