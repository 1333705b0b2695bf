"""What a person sees of a turn."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterable

import pytest

from qcode import events
from qcode.events import Event, TurnEnd
from qcode.messages import AssistantMessage, Message, ToolCall, ToolMessage, Usage, UserMessage
from qcode.ui.terminal import DIFF_LINES, OUTPUT_LINES, Look, Terminal, usage_line
from qcode.ui.theme import Depth, Theme

PLAIN = Look(colour=False, live=False)
READ = ToolCall("c1", "read_file", '{"file_path":"a.py"}')
SHELL = ToolCall("c2", "run_shell_command", '{"command":"make"}')


def seen(happened: Iterable[Event], look: Look = PLAIN) -> str:
    stream = io.StringIO()
    terminal = Terminal(stream, look, clock=lambda: 1.0, columns=lambda: 40)
    for event in happened:
        terminal.handle(event)
    return stream.getvalue()


def finished(call: ToolCall, text: str = "", **fields: object) -> events.ToolFinished:
    known = {"summary": "done", "diff": "", "duration_s": 0.0, "is_error": False} | fields
    result = ToolMessage(call.id, call.name, text, bool(known["is_error"]))
    return events.ToolFinished(
        result, str(known["summary"]), str(known["diff"]), float(str(known["duration_s"]))
    )


def test_a_turn_is_printed_once_in_order() -> None:
    shown = seen(
        [
            events.TurnStarted("fix it"),
            events.StepStarted(1),
            events.ReasoningDelta("Hm, "),
            events.ReasoningDelta("well."),
            events.TextDelta("\n\nI look"),
            events.TextDelta(" first."),
            events.CallStarted(0, "read_file"),
            events.CallArguments(0, "{}"),
            events.AnswerFinished(AssistantMessage("I look first."), "tool_calls", Usage()),
            events.ToolStarted(READ, "a.py"),
            finished(READ, summary="42 lines"),
            events.StepStarted(2),
            events.TextDelta("Done."),
            events.TurnFinished(TurnEnd.ANSWERED, 2, Usage(1200, 30, 200, 0.0123)),
        ]
    )

    assert shown == (
        "Hm, well.\n"
        "I look first.\n"
        "● read_file a.py\n"
        "  ✓ 42 lines\n"
        "Done.\n"
        "1,200 tokens in (200 cached) · 30 out · $0.0123 · 0.0 s\n"
    )


def test_calls_side_by_side_are_told_apart() -> None:
    other = ToolCall("c9", "read_file", "{}")

    shown = seen(
        [
            events.ToolStarted(READ, "a.py"),
            events.ToolStarted(other, "b.py"),
            finished(READ, summary="1 line"),
            finished(other, summary="2 lines"),
        ]
    )

    assert shown.splitlines()[2:] == ["  ✓ read_file a.py: 1 line", "  ✓ 2 lines"]


def test_a_call_that_never_began_is_named_where_it_ends() -> None:
    assert seen([finished(READ, summary="interrupted", is_error=True)]) == (
        "  ✗ read_file : interrupted\n"
    )


def test_output_of_a_command_is_bounded_and_counted() -> None:
    many = "".join(f"line {n}\n" for n in range(100))

    shown = seen(
        [
            events.ToolStarted(SHELL, "make"),
            events.ToolOutput("c2", many[:333]),
            events.ToolOutput("c2", many[333:] + "the end"),
            finished(SHELL),
        ]
    ).splitlines()

    assert shown[1:3] == ["  │ line 0", "  │ line 1"]
    assert shown[OUTPUT_LINES] == f"  │ line {OUTPUT_LINES - 1}"
    assert shown[OUTPUT_LINES + 1 :] == [f"  │ … {101 - OUTPUT_LINES} more lines", "  ✓ done"]


def test_a_diff_is_bounded_and_counted() -> None:
    diff = "--- a/x\n+++ b/x\n@@ -1 +1,99 @@\n" + "".join(f"+{n}\n" for n in range(99))

    shown = seen([events.ToolStarted(SHELL, "make"), finished(SHELL, diff=diff)]).splitlines()

    assert shown[2:5] == ["  --- a/x", "  +++ b/x", "  @@ -1 +1,99 @@"]
    assert shown[-1] == f"  … {102 - DIFF_LINES} more lines"
    assert len(shown) == 2 + DIFF_LINES + 1


def test_what_was_previewed_is_not_shown_again() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream, PLAIN)

    terminal.handle(events.ToolStarted(SHELL, "make"))
    terminal.preview("c2", "+new\n")
    terminal.handle(finished(SHELL, diff="+new\n"))

    assert stream.getvalue().count("+new") == 1


def test_a_retry_says_that_what_was_shown_is_void() -> None:
    retrying = events.Retrying(1, 5, 2.0, "the stream\nbroke")

    told = "↻ the stream broke; trying again in 2.0 s (1 of 5)"
    assert seen([events.StepStarted(1), retrying]) == f"{told}\n"
    assert seen([events.StepStarted(1), events.TextDelta("The ans"), retrying]) == (
        f"The ans\n{told}; what was shown of this answer is void\n"
    )


@pytest.mark.parametrize(
    "event",
    [
        events.TextDelta("a\x1b]0;x\x07\x1b[2Jb\rc\x07"),
        events.ReasoningDelta("a\x1b]0;x\x07\x1b[2Jb\rc\x07"),
        events.ToolOutput("c1", "a\x1b]0;x\x07\x1b[2Jb\rc\x07\n"),
        events.ToolStarted(ToolCall("c1", "\x1b[2Jevil\r", "{}"), "a\x1b]0;x\x07\rb\x9b2J"),
        finished(READ, summary="a\x1b]0;x\x07\rb", diff="+\x1b[2J\rx\x08"),
        events.ErrorRaised("a\x1b]0;x\x07\rb", 3),
        events.Retrying(1, 2, 0.0, "a\x1b]0;x\x07\rb"),
        events.CallStarted(0, "\x1b[2Jevil"),
    ],
)
def test_no_event_reaches_the_terminal_raw(event: Event) -> None:
    shown = seen([event, events.TurnFinished(TurnEnd.ANSWERED, 1, Usage())])

    assert [c for c in shown if ord(c) < 32 or 0x7F <= ord(c) < 0xA0 if c != "\n"] == []


def test_dumb_terminals_get_no_escape_sequences() -> None:
    happened: list[Event] = [
        events.StepStarted(1),
        events.PromptProgress(1, 2),
        events.Waiting(3.0),
        events.ReasoningDelta("x"),
        events.ErrorRaised("no", 1),
    ]

    assert seen(happened) == "x\n✗ no\n"


def test_colour_is_ended_before_the_line_is() -> None:
    shown = seen([events.ErrorRaised("no", 1)], Look(colour=True, live=False))

    assert shown == "\x1b[31m✗ no\x1b[0m\n"


def test_the_redrawn_line_fits_and_is_taken_back() -> None:
    call = ToolCall("c1", "工具" * 30, "{}")

    shown = seen([events.ToolStarted(call, ""), events.TextDelta("x")], Look(colour=False))

    status = shown.split("\r\x1b[K")
    assert status == [f"● {'工具' * 9}…\n", f"{'工具' * 9}工…", "x"]


def test_a_line_that_a_tool_draws_anew_is_the_one_that_is_redrawn() -> None:
    parts = [events.ToolOutput(SHELL.id, f"{n} of 3 files\r") for n in (1, 2, 3)]
    happened: list[Event] = [events.ToolStarted(SHELL, "make"), *parts, finished(SHELL)]
    stream = io.StringIO()
    seconds = itertools.count()
    terminal = Terminal(
        stream, Look(colour=False), clock=lambda: float(next(seconds)), columns=lambda: 60
    )

    for event in happened:
        terminal.handle(event)

    assert stream.getvalue().split("\r\x1b[K")[2:] == [
        "1 of 3 files",
        "2 of 3 files",
        "3 of 3 files",
        "  │ 3 of 3 files\n  ✓ done\n",
    ]


def test_no_status_is_drawn_into_written_text() -> None:
    shown = seen([events.TextDelta("half a "), events.Waiting(2.0), events.TextDelta("line")],
                 Look(colour=False))  # fmt: skip

    assert shown == "half a line"


def test_the_end_of_a_reopened_session_is_shown() -> None:
    stream = io.StringIO()
    messages: list[Message] = [
        UserMessage("long ago"),
        UserMessage("look\x1b[2J"),
        AssistantMessage("So far", interrupted=True),
        UserMessage("go on"),
        AssistantMessage("Yes.", tool_calls=(READ,)),
        ToolMessage("c1", "read_file", "1 a\n2 b"),
        AssistantMessage("Done."),
    ]

    Terminal(stream, PLAIN, columns=lambda: 80).recap(messages)

    assert stream.getvalue() == (
        "… 1 earlier messages\n"
        "> look\n"
        "So far\n"
        "interrupted\n"
        "> go on\n"
        "Yes.\n"
        '● read_file {"file_path":"a.py"}\n'
        "  ✓ 1 a\n"
        "Done.\n"
    )


def test_a_nudge_in_a_reopened_session_is_not_shown_as_the_persons() -> None:
    stream = io.StringIO()
    messages = [UserMessage("go on"), UserMessage("You said it twice.", is_nudge=True)]

    Terminal(stream, PLAIN, columns=lambda: 80).recap(messages)

    assert stream.getvalue() == "> go on\nqcode: You said it twice.\n"


def test_usage_is_one_line() -> None:
    assert usage_line(Usage(1000, 20)) == "1,000 tokens in · 20 out"
    assert usage_line(Usage(1000, 20, 900, 0.5), 3.21) == (
        "1,000 tokens in (900 cached) · 20 out · $0.5000 · 3.2 s"
    )


def test_a_sequence_split_over_pieces_of_an_answer_is_left_out() -> None:
    pieces = ["Look: \x1b", "]0;ti", "tle\x07 he", "re\x1b[3", "1m now\r", "\nok \u202e"]

    shown = seen([*map(events.TextDelta, pieces), events.TextDelta("\x1b]8;;x")])
    ended = seen(
        [
            *map(events.TextDelta, pieces),
            events.TextDelta("\x1b]8;;x"),
            events.TurnFinished(TurnEnd.ANSWERED, 1, Usage()),
        ]
    )

    assert shown == "Look:  here now\nok \\u{202e}"
    assert ended.startswith(f"{shown}␛]8;;x\n")


def test_a_progress_bar_of_a_command_is_shown_as_it_ends() -> None:
    shown = seen(
        [
            events.ToolStarted(SHELL, "make"),
            *(events.ToolOutput(SHELL.id, f"{n}%\r") for n in range(0, 101, 10)),
            events.ToolOutput(SHELL.id, "done\x1b"),
            events.ToolOutput(SHELL.id, "[2J\nnext\r"),
            finished(SHELL),
        ]
    )

    assert shown.splitlines()[1:-1] == ["  │ done", "  │ next"]


COLOUR = Look(colour=True, live=False)


def bare(shown: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)


def test_an_answer_in_colour_is_read_as_markdown() -> None:
    pieces = ["# On", "e\n\n", "- *tw", "o*\n", "```py\nx = 1\n", "```\nend"]

    shown = seen([*map(events.TextDelta, pieces), events.CallStarted(0, "x")], COLOUR)

    assert bare(shown) == "One\n\n• two\n\n  py\n  x = 1\n\nend\n\n"
    assert "\x1b[1mOne\x1b[0m" in shown


def test_what_is_not_done_of_an_answer_is_redrawn() -> None:
    shown = seen([events.TextDelta("one *two* thr")], Look())

    assert shown == "\r\x1b[Kone \x1b[3mtwo\x1b[0m thr"


def test_reasoning_in_colour_is_folded_and_kept() -> None:
    stream = io.StringIO()
    times = iter([1.0, 4.2, 4.2, 4.2])
    terminal = Terminal(
        stream, COLOUR, clock=lambda: next(times), columns=lambda: 60, reveal="Ctrl-R shows"
    )

    terminal.handle(events.ReasoningDelta("Hm, "))
    terminal.handle(events.ReasoningDelta("well\x1b[2J."))
    terminal.handle(events.TextDelta("So.\n\n"))

    assert bare(stream.getvalue()) == "∴ thought for 3.2 s, 2 words (Ctrl-R shows)\n\nSo.\n"
    assert terminal.last_reasoning == "Hm, well."


def test_a_diff_in_colour_is_numbered() -> None:
    diff = "--- a/x\n+++ b/x\n@@ -4 +4 @@\n-a\n+b\n"

    shown = seen([events.ToolStarted(SHELL, "make"), finished(SHELL, diff=diff)], COLOUR)

    assert bare(shown).splitlines()[2:] == ["  x  +1 −1", "  4 - a", "  4 + b"]


def test_a_list_of_things_to_do_is_shown() -> None:
    call = ToolCall("c1", "todo_write", '{"todos":[{"content":"a","status":"completed"}]}')

    shown = seen([events.ToolStarted(call, "1 of 1 done"), finished(call, summary="1 of 1 done")])

    assert shown.splitlines() == ["● todo_write 1 of 1 done", "    ☑ a"]


def test_a_screen_reader_gets_words() -> None:
    stream = io.StringIO()
    terminal = Terminal(
        stream, COLOUR, columns=lambda: 60, theme=Theme("none", Depth.NONE, spoken=True)
    )

    terminal.handle(events.ToolStarted(SHELL, "make"))
    terminal.handle(events.ToolOutput("c2", "out\n"))
    terminal.handle(finished(SHELL, is_error=True))
    terminal.handle(events.ErrorRaised("no", 1))

    assert stream.getvalue() == (
        "start: run_shell_command make\n  out\n  failed: done\nfailed: no\n"
    )


def test_what_is_asked_about_is_shown_to_its_end() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream, COLOUR, columns=lambda: 41)

    terminal.preview("c1", f"+{'x' * 100}evil\n-- a\n")

    assert "".join(bare(stream.getvalue()).split()) == f"+{'x' * 100}evil--a"
