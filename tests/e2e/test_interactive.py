"""The interactive session in a pseudo-terminal, against a scripted model server."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripted_server import (
    Reply,
    ScriptedServer,
    Seen,
    Stall,
    Until,
    Whole,
    call,
    call_items,
    calls,
    delta,
    fault,
    prefill,
    raw,
    stall,
    stream,
    text,
)
from terminal import (
    ALT_ENTER,
    CTRL_C,
    CTRL_D,
    DEADLINE_S,
    ENTER,
    Screened,
    conversation,
    options,
)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def sessions() -> list[Path]:
    folder = Path(os.environ["XDG_STATE_HOME"]) / "qcode/sessions"
    return sorted(folder.glob("*.jsonl"))


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < end
        select.select([], [], [], 0.02)


def sleeps(seconds: str) -> bool:
    """Whether some process sleeps for just so long."""
    found = subprocess.run(["pgrep", "-fx", f"sleep {seconds}"], capture_output=True)
    return found.returncode == 0


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_an_answer_is_shown_while_it_comes(work: Path, gate: threading.Event) -> None:
    answer = stream(
        delta(reasoning_content="Hmm. "),
        delta(content="First "),
        Until(gate),
        delta(content="then."),
    )
    with (
        ScriptedServer([answer, text("Again.")]) as server,
        Screened(work, *options(server), "say it", TERM="xterm-256color") as qcode,
    ):
        qcode.expect("> say it")
        qcode.expect("Hmm.")
        qcode.expect("First")
        gate.set()
        qcode.expect("then.\n")
        qcode.expect("1,000 tokens in · 20 out")
        qcode.say("and again")
        qcode.expect("Again.")
        qcode.ready()
        qcode.type(CTRL_D)

        assert qcode.wait() == 0
        assert qcode.page.count("First") == 1
        assert f"`qcode resume {sessions()[0].stem}` goes on" in qcode.page
        assert conversation(server.requests[1].json)[-3:] == [
            ("user", "say it"),
            ("assistant", "First then."),
            ("user", "and again"),
        ]


def test_calls_are_asked_about(work: Path) -> None:
    script = [
        call("write_file", file_path="yes.txt", content="alpha\nbeta\n"),
        call("write_file", file_path="no.txt", content="x"),
        call("run_shell_command", command="touch words.txt"),
        text("So be it."),
        call("run_shell_command", command="echo o''ne | tee t"),
        call("run_shell_command", command="echo o''ne | tee t"),
        text("Both ran."),
    ]
    with ScriptedServer(script) as server, Screened(work, *options(server), "go") as qcode:
        assert "+alpha\n  +beta\n" in qcode.expect("Allow write_file yes.txt (2 lines)?")
        qcode.expect("instead:")
        qcode.type("y" + ENTER)
        qcode.expect("✓")
        qcode.expect("Allow write_file no.txt")
        qcode.expect("instead:")
        qcode.type("n" + ENTER)
        qcode.expect("✗ not allowed")
        qcode.expect("Allow run_shell_command touch words.txt?")
        qcode.expect("instead:")
        qcode.type("use another name" + ENTER)
        qcode.expect("So be it.")
        qcode.say("now run both")
        qcode.expect("instead:")
        qcode.type("always" + ENTER)
        qcode.expect("│ one")
        qcode.expect("│ one")
        qcode.expect("Both ran.")

        assert (work / "yes.txt").read_text() == "alpha\nbeta\n"
        assert not (work / "no.txt").exists()
        assert not (work / "words.txt").exists()
        said = conversation(server.requests[3].json)
        assert ("tool", "use another name") in said
        assert "said no" in str(said)


def test_keys_typed_ahead_answer_no_question(work: Path, gate: threading.Event) -> None:
    asking = stream(
        delta(content="Wait."),
        Until(gate),
        *call_items("write_file", '{"file_path":"a","content":"b"}'),
        finish="tool_calls",
    )
    done = threading.Event()
    answer = stream(delta(content="As you"), Until(done), delta(content=" like."))
    with (
        ScriptedServer([asking, answer, text("Got it.")]) as server,
        Screened(work, *options(server), "go") as qcode,
    ):
        qcode.expect("Wait.")
        qcode.type("y" + ENTER)
        gate.set()
        qcode.expect("instead:")
        qcode.type("n" + ENTER)
        qcode.expect("As you")
        qcode.type("next one" + ENTER)
        done.set()
        qcode.expect("Got it.")

        assert not (work / "a").exists()
        assert conversation(server.requests[2].json)[-1] == ("user", "next one")


def test_an_interrupted_answer_can_be_gone_on_from(work: Path) -> None:
    script = [
        raw(delta(content="Half an ans"), Stall()),
        call("run_shell_command", command="rm -rf important"),
        text("Gone on."),
    ]
    with ScriptedServer(script) as server, Screened(work, *options(server), "go") as qcode:
        qcode.expect("Half an ans")
        qcode.type(CTRL_C)
        qcode.expect("interrupted")
        qcode.say("try again")
        qcode.expect("instead:")
        qcode.type(CTRL_C)
        qcode.expect("interrupted")
        qcode.say("leave it")
        qcode.expect("Gone on.")

        assert conversation(server.requests[1].json)[1] == ("assistant", "Half an ans")
        assert [role for role, _ in conversation(server.requests[2].json)] == [
            *("user", "assistant", "user", "assistant", "tool", "user"),
        ]


def test_an_interrupted_command_leaves_no_process(work: Path) -> None:
    # Their numbers are others inside: they are known by how long they sleep.
    command = "sleep 4321.1 & trap '' TERM; echo running; wait; sleep 4321.2"
    script = [call("run_shell_command", command=command), text("Fine.")]
    with ScriptedServer(script) as server, Screened(work, *options(server), "-y", "go") as qcode:
        qcode.expect("│ running")
        assert sleeps("4321.1")
        qcode.type(CTRL_C)
        qcode.expect("interrupting")
        qcode.type(CTRL_C)
        qcode.expect("interrupted")
        until(lambda: not sleeps("4321.1") and not sleeps("4321.2"))
        qcode.say("next")
        qcode.expect("Fine.")

        assert "may have taken effect" in str(conversation(server.requests[1].json))


def test_a_killed_session_is_continued(work: Path) -> None:
    dying = raw(delta(content="Shown befo"), delta(content="re the end"), Stall())
    script = [text("First answer."), dying, text("Back.")]
    with ScriptedServer(script) as server:
        with Screened(work, *options(server), "one") as qcode:
            qcode.expect("First answer.")
            qcode.say("two")
            qcode.expect("Shown before the end")
            qcode.signal(signal.SIGKILL)
            assert qcode.wait() == -signal.SIGKILL
        with Screened(work, "-c", *options(server)) as qcode:
            for line in ("> one", "First answer.", "> two", "Shown before the end", "interrupted"):
                qcode.expect(line)
            qcode.say("three")
            qcode.expect("Back.")

        assert conversation(server.requests[2].json) == [
            ("user", "one"),
            ("assistant", "First answer."),
            ("user", "two"),
            ("assistant", "Shown before the end"),
            ("user", "three"),
        ]


def test_a_session_is_picked_and_held_by_one_process(work: Path, tmp_path: Path) -> None:
    script = [text("About cats."), text("About dogs."), text("More of cats.")]
    with ScriptedServer(script) as server:
        for topic in ("cats", "dogs"):
            with Screened(work, *options(server), topic) as qcode:
                qcode.expect(f"About {topic}.")
                qcode.ready()
                qcode.type(CTRL_D)
                assert qcode.wait() == 0
        with Screened(tmp_path, "resume", *options(server), columns=200) as qcode:
            qcode.expect("dogs")
            qcode.type("cats")
            qcode.expect("About cats.")
            qcode.type(ENTER)
            qcode.expect(str(work))
            qcode.expect("About cats.")
            with Screened(work, "resume", sessions()[0].stem, *options(server)) as other:
                other.expect("is open in another qcode")
                assert other.wait() == 2
            qcode.say("more")
            qcode.expect("More of cats.")


def test_nothing_foreign_reaches_the_terminal_raw(work: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b]52;c;ZXZpbA==\x1b\\\x1b[2Jx\x9b2J\x07\rAllow?\u202e"
    (work / "evil").write_text(evil)
    answers: list[Reply] = [
        calls(("run_shell_command", {"command": "cat evil " + evil}), content=evil, reasoning=evil),
        fault(400, evil),
    ]
    with (
        ScriptedServer(answers) as server,
        Screened(work, *options(server), "go", TERM="xterm") as qcode,
    ):
        qcode.expect("instead:")
        qcode.type("y" + ENTER)
        qcode.expect("│")
        qcode.expect("✗")
        qcode.expect("tokens in")

        shown = qcode.raw.decode("utf-8")
        for sequence in ("\x1b]", "\x1b[2J", "\x9b", "\x07", "\u202e", "\rAllow", "evil\x1b"):
            assert sequence not in shown


def test_leaving_without_a_message_leaves_nothing(work: Path) -> None:
    with ScriptedServer() as server:
        with Screened(work, *options(server)) as qcode:
            qcode.ready()
            assert len(sessions()) == 1
            qcode.type("never sent" + CTRL_C)
            qcode.type(CTRL_D)
            assert qcode.wait() == 0
        with Screened(work, *options(server)) as qcode:
            qcode.ready()
            qcode.signal(signal.SIGTERM)
            assert qcode.wait() == 128 + signal.SIGTERM

        assert server.requests == []
    assert sessions() == []


def test_a_terminated_session_is_saved(work: Path) -> None:
    with ScriptedServer([raw(delta(content="On it"), Stall())]) as server:
        with Screened(work, *options(server), "go") as qcode:
            qcode.expect("On it")
            qcode.signal(signal.SIGTERM)
            assert qcode.wait() == 128 + signal.SIGTERM
            assert "is saved" in qcode.page

    kept = [json.loads(line) for line in sessions()[0].read_text().splitlines()]
    said, spent = kept[-2:]
    assert (said["text"], said["interrupted"]) == ("On it", True)
    # Nobody counted what was stopped: it is estimated.
    assert (spent["type"], spent["estimate"]) == ("usage", True)
    assert spent["input"] > 0
    assert spent["output"] >= 1


def test_a_closed_terminal_ends_all(work: Path) -> None:
    command = "echo running; sleep 4321.3"
    with ScriptedServer([call("run_shell_command", command=command)]) as server:
        with Screened(work, *options(server), "-y", "go") as qcode:
            qcode.expect("│ running")
            qcode.close_terminal()
            assert qcode.wait() == 128 + signal.SIGHUP
        with Screened(work, *options(server)) as qcode:
            qcode.ready()
            qcode.close_terminal()
            assert qcode.wait() == 128 + signal.SIGHUP

    until(lambda: not sleeps("4321.3"))
    (kept,) = sessions()
    assert "may have taken effect" in kept.read_text().splitlines()[-1]


def test_another_model_is_told_of_its_own_form(work: Path) -> None:
    script = [text("Hello."), text("Run it:\n```sh\ntouch made\n```\nDone.")]
    with ScriptedServer(script) as server, Screened(work, *options(server)) as qcode:
        qcode.say("/model qwen2.5-coder-1.5b-instruct")
        qcode.expect("model: qwen2.5-coder")
        qcode.say("hi")
        qcode.expect("Hello.")
        qcode.say("/quit")
        assert qcode.wait() == 0
    assert "edit" in str(server.requests[0].json["messages"][0])

    small = ("-m", "qwen2.5-coder-1.5b-instruct")
    with ScriptedServer(script) as server, Screened(work, *options(server), *small) as qcode:
        qcode.say("hi")
        qcode.expect("Hello.")
        qcode.say("/model other")
        qcode.expect("model: other")
        qcode.say("/mode yolo")
        qcode.say("how is it run?")
        qcode.expect("Done.")
        qcode.say("/quit")
        assert qcode.wait() == 0
    first, second = (request.json for request in server.requests)
    assert "by writing them" in first["messages"][0]["content"]
    assert "tools" not in first
    assert "by writing them" not in second["messages"][0]["content"]
    assert second["tools"]
    assert not (work / "made").exists()


def test_slash_commands(work: Path) -> None:
    script = [text("One."), call("run_shell_command", command="echo o''k | tee t"), text("Two."),
              text("Three.")]  # fmt: skip
    with ScriptedServer(script) as server, Screened(work, *options(server)) as qcode:
        qcode.say("/modle")
        qcode.expect("unknown command `/modle`; did you mean `/mode")
        qcode.say("/etc/hosts is a file")
        qcode.expect("One.")
        qcode.say("/model other")
        qcode.expect("model: other")
        qcode.say("/mode yolo")
        qcode.expect("mode: yolo")
        qcode.say("run it")
        qcode.expect("│ ok")
        qcode.expect("Two.")
        qcode.say("/usage")
        qcode.expect("3,000 tokens in · 60 out")
        qcode.say("/session")
        qcode.expect("model other, mode yolo")
        qcode.say("/new")
        qcode.expect("new session")
        qcode.say("anew")
        qcode.expect("Three.")
        qcode.say("/quit")

        assert qcode.wait() == 0
        assert [r.json["model"] for r in server.requests] == ["scripted", *["other"] * 3]
        assert [len(conversation(r.json)) for r in server.requests] == [1, 3, 5, 1]
    assert len(sessions()) == 2


def test_the_room_in_the_window_is_shown_and_made(work: Path) -> None:
    seen = [call("run_shell_command", command=f"seq {number} 300") for number in range(6)]
    script = [*seen, text("Done."), text("It counts to 300."), text("Again.")]
    with ScriptedServer(script) as server:
        with Screened(work, *options(server), "-y") as qcode:
            qcode.say("/compact")
            qcode.expect("there is nothing to put aside yet")
            qcode.say("count")
            qcode.expect("Done.")
            qcode.say("/context")
            qcode.expect("instructions")
            qcode.expect("  run_shell_command")
            qcode.expect("results (1)")
            qcode.expect("  run_shell_command")
            qcode.expect("requests so far, by the server's count (7):")
            qcode.expect("1.     1,000 tokens: 0 reused, 1,000 read anew; 20 written")
            qcode.expect("7.     1,000 tokens:")
            qcode.say("/compact how far it counts")
            qcode.expect("tokens, with a summary of ")
            qcode.say("and again")
            qcode.expect("Again.")
            qcode.say("/context")
            qcode.expect("put aside (ledger)")
            qcode.expect("put aside (summary)")
            qcode.expect("20 written (for a summary)")
            qcode.say("/quit")
            assert qcode.wait() == 0
    first, last = (request.json for request in (server.requests[-2], server.requests[-1]))
    assert len(last["messages"]) < len(first["messages"])
    assert "`seq 1 300`" in str(last["messages"])
    assert (
        "The person wanted kept: how far it counts\n\nIt counts to 300."
        in (last["messages"][1]["content"])
    )
    assert [tool["function"]["name"] for tool in last["tools"]][-1] == "recall"


def test_messages_of_several_lines(work: Path) -> None:
    with ScriptedServer(then=text("Yes.")) as server, Screened(work, *options(server)) as qcode:
        qcode.ready()
        qcode.type("gone" + CTRL_C + "one" + ALT_ENTER + "two" + ENTER)
        qcode.expect("Yes.")
        qcode.ready()
        qcode.type("\x1b[200~pasted\r\nlines\r\x1b[201~" + ENTER)
        qcode.expect("Yes.")

        assert [conversation(r.json)[-1][1] for r in server.requests] == [
            "one\ntwo",
            "pasted\nlines",
        ]
    history = Path(os.environ["XDG_STATE_HOME"]) / "qcode/history"
    assert history.stat().st_mode & 0o777 == 0o600
    assert "+pasted\n" in history.read_text()


def test_a_dumb_terminal_gets_plain_text(work: Path) -> None:
    answers = [
        call("run_shell_command", command="echo o''k | tee t"),
        text("Done.", reasoning="Hm."),
    ]
    with (
        ScriptedServer(answers) as server,
        Screened(work, *options(server), "go", TERM="dumb") as qcode,
    ):
        qcode.expect("instead:")
        qcode.type("y" + ENTER)
        qcode.expect("│ ok")
        qcode.expect("Done.")
        qcode.expect("out · ")
        qcode.expect(">")
        qcode.type(CTRL_D)

        assert qcode.wait() == 0
        assert b"\x1b" not in qcode.raw


def test_changes_are_taken_back_and_made_anew(work: Path) -> None:
    (work / "a.txt").write_text("one\n")
    script = [
        call("edit", file_path="a.txt", old_string="one", new_string="two"),
        call("run_shell_command", command="printf new > b.txt"),
        text("Done."),
        text("I see."),
    ]
    with (
        ScriptedServer(script) as server,
        Screened(work, *options(server), "-y") as qcode,
    ):
        qcode.say("do it")
        qcode.expect("· step 1")
        qcode.expect("· step 2")
        qcode.expect("Done.")
        qcode.say("/checkpoints")
        qcode.expect("run_shell_command")
        qcode.say("/diff --stat")
        qcode.expect("M a.txt  +1 −1")
        qcode.say("/undo 1")
        qcode.expect("takes back 1: edit a.txt")
        qcode.expect("undo? [y/N]")
        qcode.type("y" + ENTER)
        qcode.expect("took back steps 2, 1 (2 files)")
        assert (work / "a.txt").read_text() == "one\n"
        assert not (work / "b.txt").exists()
        qcode.say("/redo 1")
        qcode.expect("redo? [y/N]")
        qcode.type("y" + ENTER)
        qcode.expect("made anew step 1")
        qcode.say("/undo --pick")
        qcode.expect("take this back?")
        qcode.type("y" + ENTER)
        qcode.expect("took back a part, as step 3")
        assert (work / "a.txt").read_text() == "one\n"
        qcode.say("/undo 3")
        qcode.expect("undo? [y/N]")
        qcode.type("n" + ENTER)
        qcode.expect("nothing was done")
        qcode.say("/undo 9")
        qcode.expect("✗ there is no step 9; the steps are 1 to 3")
        qcode.say("what now?")
        qcode.expect("I see.")
        qcode.ready()
        qcode.type(CTRL_D)
        assert qcode.wait() == 0
        said = conversation(server.requests[-1].json)[-1][1]
    assert "took back" in said
    assert said.endswith("what now?")


def test_the_conversation_goes_back_too_and_the_message_can_be_changed(work: Path) -> None:
    (work / "a.txt").write_text("one\n")
    script = [
        call("edit", file_path="a.txt", old_string="one", new_string="two"),
        text("Done."),
        text("Better."),
    ]
    with (
        ScriptedServer(script) as server,
        Screened(work, *options(server), "-y") as qcode,
    ):
        qcode.say("make it two")
        qcode.expect("Done.")
        qcode.say("/undo --conversation")
        qcode.expect("undo? [y/N]")
        qcode.type("y" + ENTER)
        qcode.expect("the conversation is back at that point too")
        qcode.ready()
        qcode.expect("make it two")
        qcode.type(" and a half" + ENTER)
        qcode.expect("Better.")
        qcode.ready()
        qcode.type(CTRL_D)
        assert qcode.wait() == 0
        assert conversation(server.requests[-1].json) == [("user", "make it two and a half")]
    assert (work / "a.txt").read_text() == "one\n"


def test_instruction_files_are_listed_and_printed(work: Path) -> None:
    (work / "AGENTS.md").write_text("Use tabs. See @style.md\n")
    (work / "style.md").write_text("No \x1b[31mred.\n")
    with ScriptedServer([]) as server, Screened(work, *options(server)) as qcode:
        qcode.say("/memory")
        qcode.expect("AGENTS.md  7 tokens\n")
        qcode.expect("style.md  4 tokens, imported by AGENTS.md\n")
        qcode.say("/memory show")
        qcode.expect("Use tabs. See @style.md")
        qcode.say("/memory all")
        qcode.expect("`/memory` does not know `all`")
        qcode.ready()
        qcode.type(CTRL_D)

        assert qcode.wait() == 0
        assert b"\x1b[31mred" not in qcode.raw


def test_tab_completes_what_is_pointed_at(work: Path) -> None:
    (work / "lib").mkdir()
    (work / "lib/parser.py").write_text("parse = 1\n")
    with (
        ScriptedServer([text("It is one.")]) as server,
        Screened(work, *options(server), TERM="xterm-256color") as qcode,
    ):
        qcode.ready()
        qcode.type("what is in @pars")
        qcode.expect("lib/parser.py")  # the menu
        qcode.type("\t" + ENTER)
        qcode.expect("lib/parser.py\n")
        qcode.type(ENTER)
        qcode.expect("It is one.")
        qcode.ready()
        qcode.type(CTRL_D)

        assert qcode.wait() == 0
        (_, said) = conversation(server.requests[0].json)[0]
        assert said.startswith("what is in @lib/parser.py\n\n")
        assert said.endswith('<content of="lib/parser.py">\nparse = 1\n</content>')


def test_commands_and_what_they_take_are_offered(work: Path) -> None:
    with (
        ScriptedServer([]) as server,
        Screened(work, *options(server), TERM="xterm-256color") as qcode,
    ):
        qcode.ready()
        qcode.type("/perm")
        qcode.expect("the rules in force")  # beside the command, in the menu
        qcode.type(CTRL_C + "/mode aut")
        qcode.expect("asks before commands")
        qcode.type("\t" + ENTER)
        qcode.expect("mode: auto-edit")
        qcode.ready()
        qcode.type(CTRL_D)
        assert qcode.wait() == 0


def test_facts_are_learned_shown_and_forgotten(work: Path) -> None:
    (work / "Makefile").write_text("test:\n\t@true\n")
    script = [call("run_shell_command", command="make test"), text("It passes."), text("Yes.")]
    with (
        ScriptedServer(script) as server,
        Screened(work, *options(server), "-y", "--sandbox", "off") as qcode,
    ):
        qcode.say("/facts")
        qcode.expect("nothing is known yet")
        qcode.say("test it")
        qcode.expect("It passes.")
        qcode.say("/new")
        qcode.expect("new session")
        qcode.say("does it pass?")
        qcode.expect("Yes.")
        assert "- test: `make test`" in conversation(server.requests[-1].json)[0][1]
        qcode.say("/facts")
        qcode.expect("1. test: make test  (1 passed, 0 failed")
        qcode.say("/facts forget 1")
        qcode.expect("forgotten: make test")
        qcode.ready()
        qcode.type(CTRL_D)
        assert qcode.wait() == 0


def test_a_local_server_reads_ahead_while_the_person_types(work: Path) -> None:
    props = Whole(b'{"default_generation_settings": {}}', headers={"Server": "llama.cpp"})
    reading = stall(prefill(text(""), total=800, steps=2), after=2)

    def answer(_seen: Seen) -> Reply:
        assert server.requests[0].left.wait(DEADLINE_S)
        return text("Hi.")

    with (
        ScriptedServer([reading, answer], routes={"/props": props}) as server,
        Screened(work, *options(server), TERM="xterm-256color") as qcode,
    ):
        qcode.ready()
        assert server.wait_for(1).raw.endswith(b',"n_predict":0}')

        def is_told() -> bool:
            qcode.type("/context" + ENTER)
            qcode.expect("window")
            qcode.ready()
            return "read ahead of the first message: 400 of 800 tokens" in qcode.page

        until(is_told)
        qcode.type("hello" + ENTER)
        qcode.expect("Hi.")
        qcode.say("/quit")
        assert qcode.wait() == 0

    assert len(server.requests) == 2
    assert conversation(server.requests[1].json) == [("user", "hello")]


@pytest.mark.parametrize("way", ["prompt", "key", "off"])
def test_nothing_is_read_ahead_where_it_is_not_wanted(work: Path, way: str) -> None:
    props = Whole(b'{"default_generation_settings": {}}', headers={"Server": "llama.cpp"})
    config = work / "config.toml"
    config.write_text(f"warm_up = {str(way != 'off').lower()}\n")
    arguments = ["--config", str(config)] + (["hello"] if way == "prompt" else [])
    key = "secret-key" if way == "key" else ""
    with (
        ScriptedServer([text("Hi.")], routes={"/props": props}) as server,
        Screened(work, *options(server), *arguments, QCODE_API_KEY=key) as qcode,
    ):
        if way != "prompt":
            qcode.say("hello")
        qcode.expect("Hi.")
        qcode.say("/quit")
        assert qcode.wait() == 0

    assert [conversation(seen.json) for seen in server.requests] == [[("user", "hello")]]
