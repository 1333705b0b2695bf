"""What a person sees and does at the keyboard while the model works, in a real terminal."""

from __future__ import annotations

import base64
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_server import Json, ScriptedServer, Stall, Until, call, delta, stream, text
from terminal import ALT_ENTER, CTRL_C, CTRL_D, ENTER, ESC, SHIFT_TAB, Screened

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A picture of one pixel."""
CLEARS = (b"\x1b[2J", b"\x1b[3J", b"\x1b[?1049h", b"\x1bc")
"""What takes away more than the last lines."""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def options(server: ScriptedServer) -> tuple[str, ...]:
    return ("--base-url", server.base_url, "-m", "scripted")


def said(request: Json) -> list[Any]:
    return [one["content"] for one in request["messages"] if one["role"] == "user"]


def test_what_is_said_meanwhile_is_heard_at_the_next_step(
    work: Path, gate: threading.Event
) -> None:
    first = stream(delta(content="Looking."), Until(gate), *call_deltas("glob", pattern="*"))
    script = [first, text("With care."), text("Later.")]
    with ScriptedServer(script) as server, Screened(work, *options(server), "go") as qcode:
        qcode.shows("Looking.")
        qcode.send("be careful")
        qcode.shows("waits: be careful")
        gate.set()
        qcode.expect("> be careful")
        qcode.expect("With care.")
        qcode.hides("waits:")
        qcode.say("and now")
        qcode.expect("Later.")

        assert [said(request.json) for request in server.requests] == [
            ["go"], ["go", "be careful"], ["go", "be careful", "and now"],
        ]  # fmt: skip


def call_deltas(name: str, **arguments: Any) -> list[Any]:
    """Return the pieces of a call without the end of the stream."""
    import json

    function = {"name": name, "arguments": json.dumps(arguments)}
    return [delta(tool_calls=[{"index": 0, "id": "c1", "type": "function", "function": function}])]


def test_a_turn_that_would_end_goes_on_for_what_was_said(work: Path, gate: threading.Event) -> None:
    script = [stream(delta(content="Done."), Until(gate)), text("Also that.")]
    with ScriptedServer(script) as server, Screened(work, *options(server), "go") as qcode:
        qcode.shows("Done.")
        qcode.send("also that")
        qcode.shows("waits: also that")
        gate.set()
        qcode.expect("Also that.")
        qcode.expect("2,000 tokens in")  # one turn

        assert said(server.requests[1].json) == ["go", "also that"]


def test_what_an_interrupted_turn_did_not_hear_is_in_the_line_again(
    work: Path, gate: threading.Event
) -> None:
    script = [stream(delta(content="Hmm."), Until(gate)), text("Fine.")]
    with ScriptedServer(script) as server, Screened(work, *options(server), "go") as qcode:
        qcode.shows("Hmm.")
        qcode.send("stop that")
        qcode.shows("waits: stop that")
        qcode.type(ESC)
        qcode.expect("interrupted")
        qcode.expect("> stop that\n")
        qcode.type(" please" + ENTER)
        qcode.expect("Fine.")

        assert said(server.requests[1].json)[-1] == "stop that please"


@pytest.mark.parametrize("key", [ESC, CTRL_C])
def test_keys_interrupt_and_keep_the_draft(work: Path, gate: threading.Event, key: str) -> None:
    script = [stream(delta(content="Hmm."), Until(gate))]
    with ScriptedServer(script) as server, Screened(work, *options(server), "go") as qcode:
        qcode.shows("Hmm.")
        qcode.type("half a thou")
        qcode.shows("> half a thou")
        qcode.type(key)
        qcode.expect("interrupted")
        qcode.expect("> half a thou\n")


def test_an_early_key_answers_no_question(work: Path, gate: threading.Event) -> None:
    """A terminal far away: it draws the question long after it was asked."""
    script = [
        stream(
            delta(content="Wait."),
            Until(gate),
            *call_deltas("write_file", file_path="a", content="b"),
        ),
        text("As you wish."),
    ]
    with ScriptedServer(script) as server, Screened(work, *options(server), "go") as qcode:
        qcode.shows("Wait.")
        qcode.sees = False
        gate.set()
        qcode.shows("Allow write_file a")
        qcode.type("y" + ENTER)  # meant as a message, not knowing of the question
        time.sleep(0.6)
        qcode.idle(0.1)
        assert not (work / "a").exists()
        assert "[y]es" not in qcode.page
        qcode.see()
        qcode.shows("[y]es")
        assert "> y" in qcode.lines
        qcode.type("n" + ENTER)
        qcode.expect("✗ not allowed")
        qcode.shows("As you wish.")
        assert "> y" in qcode.lines
        assert not (work / "a").exists()


def test_no_key_is_lost_that_is_pressed_before_anything_is_drawn(work: Path) -> None:
    with ScriptedServer([text("Heard.")]) as server, Screened(work, *options(server)) as qcode:
        qcode.type("first ké")
        qcode.until(lambda: b"> " in qcode.raw, "no prompt")
        qcode.type("ys, then more" + ENTER)
        qcode.expect("Heard.")

        assert said(server.requests[0].json) == ["first kéys, then more"]


def test_a_message_can_be_sent_before_anything_is_drawn(work: Path) -> None:
    with ScriptedServer([text("Heard.")]) as server, Screened(work, *options(server)) as qcode:
        qcode.type("go on" + ENTER)
        qcode.expect("> go on")
        qcode.expect("Heard.")

        assert said(server.requests[0].json) == ["go on"]


def test_the_mode_is_cycled_with_a_key(work: Path) -> None:
    script = [call("write_file", file_path="a", content="b"), text("Done.")]
    with ScriptedServer(script) as server, Screened(work, *options(server)) as qcode:
        qcode.ready()
        for mode in ("auto-edit", "yolo", "plan", "default", "auto-edit"):
            qcode.type(SHIFT_TAB)
            qcode.shows(f"mode: {mode}")
        qcode.send("write it")
        qcode.expect("Done.")

        assert (work / "a").read_text() == "b"


def test_a_large_paste_is_folded_and_sent_whole(work: Path) -> None:
    lines = "".join(f"line {number} of what was pasted\n" for number in range(35_000))
    assert len(lines) > 1_000_000
    with ScriptedServer([text("Read.")]) as server, Screened(work, *options(server)) as qcode:
        qcode.ready()
        qcode.type("look at ")
        qcode.paste(lines)
        qcode.shows("> look at [pasted #1: 35,000 lines]")
        qcode.type(" please" + ENTER)
        qcode.expect("Read.")

        assert said(server.requests[0].json) == [f"look at {lines} please"]


def test_a_message_of_several_lines(work: Path) -> None:
    with ScriptedServer([text("Two.")]) as server, Screened(work, *options(server)) as qcode:
        qcode.ready()
        qcode.type("one" + ALT_ENTER + "two" + ENTER)
        qcode.expect("> one\n  two\n")
        qcode.expect("Two.")

        assert said(server.requests[0].json) == ["one\ntwo"]


def test_another_size_while_text_comes_loses_and_doubles_nothing(work: Path) -> None:
    pieces = [f"word{number} and more of it in the line.\n\n" for number in range(60)]
    gates = [threading.Event() for _ in range(3)]
    items: list[Any] = []
    for number, piece in enumerate(pieces):
        items.append(delta(content=piece))
        if number % 20 == 10:
            items.append(Until(gates[number // 20]))
    with (
        ScriptedServer([stream(*items)]) as server,
        Screened(work, *options(server), "go") as qcode,
    ):
        for number, size in enumerate([(40, 70), (40, 120), (40, 60)]):
            qcode.shows(f"word{number * 20 + 10} ")
            qcode.resize(*size)
            qcode.idle(0.3)
            gates[number].set()
        qcode.shows("word59 ")
        qcode.ready()

        for number in range(60):
            assert qcode.page.count(f"word{number} and") == 1
        assert not any(clear in qcode.raw for clear in CLEARS)


def test_the_editor_is_opened_on_the_message(work: Path, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf " and edited" >> "$1"\n')
    editor.chmod(0o755)
    with (
        ScriptedServer([text("Seen.")]) as server,
        Screened(work, *options(server), VISUAL=str(editor)) as qcode,
    ):
        qcode.ready()
        qcode.type("typed\x07")
        qcode.shows("and edited")
        qcode.type(ENTER)
        qcode.expect("Seen.")

        assert said(server.requests[0].json)[0].split() == ["typed", "and", "edited"]


def test_ctrl_c_twice_leaves_and_ctrl_d_waits_for_the_model(
    work: Path, gate: threading.Event
) -> None:
    script = [stream(delta(content="Hmm."), Until(gate))]
    with ScriptedServer(script) as server, Screened(work, *options(server), "go") as qcode:
        qcode.shows("Hmm.")
        qcode.type(CTRL_D)
        qcode.shows("the model is at work: Esc interrupts it")
        gate.set()
        qcode.ready()
        qcode.type(CTRL_C)
        qcode.shows("Ctrl-C again leaves")
        qcode.type(CTRL_C)

        assert qcode.wait() == 0


def test_commands_that_only_tell_are_obeyed_meanwhile(work: Path, gate: threading.Event) -> None:
    script = [stream(delta(content="Hmm."), Until(gate))]
    with ScriptedServer(script) as server, Screened(work, *options(server), "go") as qcode:
        qcode.shows("Hmm.")
        qcode.send("/context")
        qcode.shows("(the window is not known)")
        qcode.send("/new")
        qcode.shows("`/new` has to wait until the model is done")
        gate.set()
        qcode.ready()


def test_a_command_is_completed_with_what_it_does(work: Path) -> None:
    with ScriptedServer([]) as server, Screened(work, *options(server)) as qcode:
        qcode.ready()
        qcode.type("/cont")
        qcode.shows("where the tokens of the next request go")
        qcode.type("\t" + ENTER)
        qcode.shows("(the window is not known)")


def test_a_stalled_model_can_be_interrupted(work: Path) -> None:
    with (
        ScriptedServer([stream(Stall())]) as server,
        Screened(work, *options(server), "go") as qcode,
    ):
        qcode.shows("Esc interrupts")
        qcode.type(ESC)
        qcode.expect("interrupted")
        qcode.ready()


def test_a_command_is_run_by_hand_and_told_to_the_model(work: Path) -> None:
    with ScriptedServer([text("Seen.")]) as server, Screened(work, *options(server)) as qcode:
        qcode.say("!echo o''ne | tee made.txt")
        qcode.expect("│ one")
        qcode.expect("✓ 1 line · step 1")
        qcode.say("!sleep 4321.7")
        qcode.expect("● run_shell_command sleep 4321.7")
        qcode.type(ESC)
        qcode.expect("interrupted")
        qcode.say("well?")
        qcode.expect("Seen.")
        qcode.say("/undo")
        qcode.expect("undo? [y/N]")
        qcode.type("y" + ENTER)
        qcode.expect("took back step 1")

        assert not (work / "made.txt").exists()
        (told,) = said(server.requests[0].json)
        assert "[The person ran a command themselves: echo o''ne | tee made.txt\n" in told
        assert "| tee made.txt\none]" in told
        assert "sleep 4321.7\nIt was interrupted.]" in told
        assert told.endswith("\n\nwell?")


def test_a_note_is_written_down_where_the_person_says(work: Path) -> None:
    (work / "AGENTS.md").write_text("Use tabs.")
    with ScriptedServer([text("Good.")]) as server, Screened(work, *options(server)) as qcode:
        qcode.say("# never touch gen/")
        qcode.expect("[p]roject (AGENTS.md), [a]ll projects")
        qcode.type("p" + ENTER)
        qcode.expect("added to ")
        qcode.say("# and be brief")
        qcode.expect("or [n]o?")
        qcode.type(ENTER)
        qcode.expect("nothing was written down")
        qcode.say("go on")
        qcode.expect("Good.")

        assert (work / "AGENTS.md").read_text() == "Use tabs.\n\n- never touch gen/\n"
        assert "never touch gen/]" in said(server.requests[0].json)[0]


def test_esc_esc_goes_back_to_an_earlier_message(work: Path) -> None:
    script = [text("First."), text("Second."), text("Third.")]
    with ScriptedServer(script) as server, Screened(work, *options(server)) as qcode:
        qcode.say("one")
        qcode.expect("First.")
        qcode.say("two")
        qcode.expect("Second.")
        qcode.ready()
        qcode.type(ESC + ESC)
        qcode.expect("back to before which message?")
        qcode.type("2" + ENTER)
        qcode.expect("> two\n")
        qcode.type(" again" + ENTER)
        qcode.expect("Third.")

        assert said(server.requests[2].json) == ["one", "two again"]


def test_the_line_is_edited_as_in_vi(work: Path) -> None:
    with ScriptedServer([text("Seen.")]) as server, Screened(work, *options(server)) as qcode:
        qcode.say("/vim")
        qcode.expect("as in vi")
        qcode.ready()
        qcode.type("one two" + ESC)
        time.sleep(0.4)
        qcode.type("0dwi")
        qcode.type("three ")
        qcode.shows("> three two")
        qcode.type(ENTER)
        qcode.expect("Seen.")

        assert said(server.requests[0].json) == ["three two"]


def test_themes_are_chosen_and_none_has_no_colours(work: Path) -> None:
    script = [text("**Bold.**"), text("**Again.**")]
    with (
        ScriptedServer(script) as server,
        Screened(work, *options(server), "go", NO_COLOR="") as qcode,
    ):
        qcode.shows("Bold.")
        qcode.say("/theme none")
        qcode.expect("theme: none")
        qcode.ready()
        at = len(qcode.raw)
        qcode.send("again")
        qcode.expect("**Again.**")
        assert b"\x1b[1m" in qcode.raw[:at]
        assert b"\x1b[1m" not in qcode.raw[at:]
        qcode.say("/theme pink")
        qcode.expect("unknown theme `pink`; one of auto, dark, light, none")


def test_a_screen_reader_gets_words_and_nothing_is_drawn_over(work: Path) -> None:
    (work / "own.toml").write_text("plain = true\n")
    script = [call("write_file", file_path="a", content="b"), text("Done.")]
    with (
        ScriptedServer(script) as server,
        Screened(work, "--config", "own.toml", *options(server), "-y", "go") as qcode,
    ):
        qcode.expect("Done.")
        qcode.expect("out ·")
        qcode.type(CTRL_D)

        assert qcode.wait() == 0
        assert not any(mark in qcode.page for mark in "●✓✗│")
        # Before the settings are read the prompt is there, and taken away again.
        assert b"\x1b" not in qcode.raw.removeprefix(b"\r> \x1b[K\r\x1b[K")


@pytest.mark.parametrize("after", [0.1, 0, 10])
def test_a_person_who_had_to_wait_is_rung(work: Path, gate: threading.Event, after: float) -> None:
    (work / "own.toml").write_text(f"notify_after = {after}\n")
    slow = stream(delta(content="Slow."), Until(gate))
    with (
        ScriptedServer([slow]) as server,
        Screened(work, "--config", "own.toml", *options(server), "go") as qcode,
    ):
        qcode.shows("Slow.")
        time.sleep(0.2)
        gate.set()
        qcode.shows("out ·")
        qcode.say("/quit")
        assert qcode.wait() == 0
        assert (b"\x1b]9;qcode is done\x07" in qcode.raw) is (after == 0.1)


@pytest.mark.parametrize(
    "line, shown",
    [
        ("/help", "Shift-Tab"),
        ("/plan", "mode: plan"),
        ("/approval-mode auto-edit", "mode: auto-edit"),
        ("/tools", "read_file"),
        ("/permissions", "no rule"),
        ("/config", "surroundings = false"),
        ("/cost", "no request was made yet"),
        ("/usage", "tokens in"),
        ("/todo", "no plan"),
        ("/jobs", "no command"),
        ("/compress", "nothing to put aside"),
        ("/memory", "no instruction files"),
        ("/model", "scripted"),
        ("/sessions", "(no message)"),
        ("/checkpoints", "no"),
        ("/diff", "no"),
        ("/session", "comes back to it"),
        ("/sandbox", "sandbox:"),
        ("/vim", "as in vi"),
        ("/nonsense", "unknown command `/nonsense`"),
    ],
)
def test_each_command_answers(work: Path, line: str, shown: str) -> None:
    with ScriptedServer([]) as server, Screened(work, *options(server)) as qcode:
        qcode.say(line)
        qcode.expect(f"> {line}" if "nonsense" not in line else "✗")
        qcode.expect(shown)
        qcode.ready()
        qcode.say("/quit")
        assert qcode.wait() == 0


def test_nobody_has_to_wait_for_a_server_that_does_not_answer(work: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with Screened(work, "--base-url", url) as qcode:
            qcode.shows("looking for the model")
            qcode.type("typed meanwhile")
            qcode.shows("> typed meanwhile")
            qcode.type(CTRL_C)
            assert qcode.wait() == 130
            qcode.expect("interrupted before the model was there")


def test_keys_pressed_before_anything_is_there_are_not_lost(work: Path) -> None:
    with ScriptedServer([text("Seen.")]) as server, Screened(work, *options(server)) as qcode:
        qcode.type("typed at once" + ENTER)
        qcode.expect("Seen.")

        assert said(server.requests[0].json) == ["typed at once"]


def test_what_is_to_be_sent_later_waits_for_the_end_of_the_turn(
    work: Path, gate: threading.Event
) -> None:
    first = stream(delta(content="Looking."), Until(gate), *call_deltas("glob", pattern="*"))
    script = [first, text("Done."), text("Later.")]
    with ScriptedServer(script) as server, Screened(work, *options(server), "go") as qcode:
        qcode.shows("Looking.")
        qcode.type("after that\t")
        qcode.shows("then: after that")
        gate.set()
        qcode.expect("Done.")
        qcode.expect("> after that")
        qcode.expect("Later.")

        assert [said(request.json)[-1] for request in server.requests] == ["go", "go", "after that"]


def test_what_is_to_be_sent_later_comes_back_from_an_interrupted_turn(
    work: Path, gate: threading.Event
) -> None:
    with (
        ScriptedServer([stream(delta(content="Hm."), Until(gate))]) as server,
        Screened(work, *options(server), "go") as qcode,
    ):
        qcode.shows("Hm.")
        qcode.type("after that\t")
        qcode.shows("then: after that")
        qcode.type("draft")
        qcode.type(ESC)
        qcode.expect("interrupted")
        qcode.expect("> after that\n\n  draft")


def test_folded_output_is_shown_when_asked_for(work: Path) -> None:
    script = [call("run_shell_command", command="seq 100"), text("Counted.")]
    with ScriptedServer(script) as server, Screened(work, *options(server), "-y", "go") as qcode:
        qcode.shows("│ 20")
        qcode.shows("… 80 more lines (Ctrl-O shows)")
        qcode.shows("Counted.")
        assert "│ 57\n" not in qcode.page
        qcode.ready()
        qcode.type("\x0f")
        qcode.shows("│ 100\n")
        assert qcode.page.count("│ 57\n") == 1


def test_the_picture_in_the_clipboard_is_pointed_at(work: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    paste = programs / "wl-paste"
    dot = base64.b64encode(DOT).decode()
    paste.write_text(f"#!/bin/sh\necho {dot} | base64 -d\n")
    paste.chmod(0o755)
    (work / "own.toml").write_text("vision = true\n")
    path = f"{programs}:{os.environ['PATH']}"
    with (
        ScriptedServer([text("A dot.")]) as server,
        Screened(work, "--config", "own.toml", *options(server), PATH=path) as qcode,
    ):
        qcode.ready()
        qcode.type("see \x16")
        qcode.shows(".png")
        qcode.type(ENTER)
        qcode.expect("A dot.")

        (content,) = said(server.requests[0].json)
        assert [part["type"] for part in content] == ["text", "image_url"]
        assert content[1]["image_url"]["url"].endswith(dot)
