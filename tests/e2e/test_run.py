from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from program import Program, git, repository, sessions

from qcode.journal.loading import load
from qcode.messages import AssistantMessage, ToolMessage
from qcode.repeats import ALLOWED as REPEATS_ALLOWED


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return repository(folder, {"a.txt": "one\n", "check.sh": "grep -q two a.txt || exit 3\n"})


def make(work: Path, server: scripted.ScriptedServer, **environ: str) -> Program:
    return Program(work, server.base_url, environ=environ)


FIX = scripted.call("edit", file_path="a.txt", old_string="one", new_string="two")


def test_the_answer_alone_is_on_stdout(work: Path) -> None:
    with scripted.ScriptedServer([scripted.text("Hello.", reasoning="hm")]) as server:
        ended = make(work, server).run("run", "say hello")

    assert (ended.code, ended.out, ended.err) == (0, "Hello.\n", "")
    assert len(server.requests) == 1
    assert server.others == []


def test_a_change_is_made_and_reported(work: Path) -> None:
    script = [scripted.call("read_file", file_path="a.txt"), FIX, scripted.text("Done.")]
    with scripted.ScriptedServer(script) as server:
        ended = make(work, server).run("run", "-y", "-o", "json", "make it two")

    result = ended.json()
    assert ended.code == 0
    assert (work / "a.txt").read_text() == "two\n"
    assert result["type"] == "result"
    assert result["subtype"] == "success"
    assert result["is_error"] is False
    assert result["num_turns"] == 3
    assert result["result"] == "Done."
    assert result["files_changed"] == ["a.txt"]
    assert result["usage"]["input_tokens"] == 3000


def test_stream_json_has_the_messages_of_the_contract(work: Path) -> None:
    script = [scripted.calls(("list_directory", {"path": "."}), content="Hm."), scripted.text("Ok")]
    with scripted.ScriptedServer(script) as server:
        ended = make(work, server).run("run", "-o", "stream-json", "look")

    lines = ended.lines()
    assert [(m["type"], m.get("subtype")) for m in lines] == [
        ("system", "init"),
        ("assistant", None),
        ("user", None),
        ("assistant", None),
        ("result", "success"),
    ]
    assert {"session_id", "model", "cwd", "tools"} <= set(lines[0])
    assert [b["type"] for b in lines[1]["message"]["content"]] == ["text", "tool_use"]
    (block,) = lines[2]["message"]["content"]
    assert block["type"] == "tool_result"
    assert block["tool_use_id"] == lines[1]["message"]["content"][1]["id"]
    assert len({m["session_id"] for m in lines}) == 1


def test_without_y_edits_and_commands_are_refused(work: Path) -> None:
    script = [FIX, scripted.call("run_shell_command", command="echo two > a.txt")]
    with scripted.ScriptedServer([*script, scripted.text("I may not.")]) as server:
        ended = make(work, server).run("run", "make it two")

    assert ended.code == 0
    assert (work / "a.txt").read_text() == "one\n"
    assert "-y" in server.requests[1].json["messages"][-1]["content"]


def test_verified_work_exits_0_and_the_model_was_told_what_failed(work: Path) -> None:
    with scripted.ScriptedServer([FIX, scripted.text("Done.")]) as server:
        ended = make(work, server).run(
            "run", "-y", "-o", "json", "--verify", "sh check.sh", "fix it"
        )

    assert ended.code == 0
    assert ended.json()["verification"][0]["passed"] is True
    assert "`sh check.sh` exits 3" in server.requests[0].json["messages"][1]["content"]


def test_with_a_budget_the_work_goes_on_until_that_ends(work: Path) -> None:
    def change(seen: scripted.Seen) -> scripted.Stream:
        number = len(seen.json["messages"])
        if seen.json["messages"][-1]["role"] == "tool":
            return scripted.text("Now it is right.")
        return scripted.call("run_shell_command", command=f"echo {number} > a.txt")

    with scripted.ScriptedServer(change) as server:
        ended = make(work, server).run(
            "run", "-y", "-o", "json", "--verify", "sh check.sh", "--max-steps", "15", "fix it"
        )
        assert (ended.code, ended.json()["num_turns"]) == (4, 15)
        ended = make(work, server).run(
            "run", "-y", "-o", "json", "--verify", "sh check.sh", "fix it"
        )
        assert (ended.code, ended.json()["num_turns"]) == (1, 8)
    with scripted.ScriptedServer([scripted.text("It is right.")] * 9) as server:
        ended = make(work, server).run(
            "run", "-y", "-o", "json", "--verify", "sh check.sh", "--max-steps", "15", "fix it"
        )
        assert (ended.code, ended.json()["num_turns"]) == (1, 4)


def test_a_model_that_cannot_stop_is_stopped_once_all_passes(work: Path) -> None:
    same = scripted.call("edit", file_path="a.txt", old_string="two", new_string="two")
    whole = scripted.call("write_file", file_path="a.txt", content="two\n")
    script = [FIX, FIX, same, whole, scripted.text("never asked")]
    with scripted.ScriptedServer(script) as server:
        ended = make(work, server).run("run", "-y", "--verify", "sh check.sh", "fix it")

    assert ended.code == 0
    assert len(server.requests) == 4


def test_an_edit_made_again_hears_that_all_passes(work: Path) -> None:
    broken = scripted.call("edit", file_path="a.txt", old_string="nine", new_string="ten")
    script = [FIX, FIX, broken, scripted.text("Done.")]
    with scripted.ScriptedServer(script) as server:
        ended = make(work, server).run("run", "-y", "--verify", "sh check.sh", "fix it")

    assert ended.code == 0
    answers = [m["content"] for m in server.requests[-1].json["messages"] if m["role"] == "tool"]
    assert "`sh check.sh` passes now" in answers[0]
    assert answers[1].startswith("a.txt: The change is there already")
    assert "`sh check.sh` passes now" in answers[1]
    assert "`sh check.sh` passes now" in answers[2]


def test_each_edit_is_checked_at_once(work: Path) -> None:
    wrong = scripted.call("edit", file_path="a.txt", old_string="one", new_string="three")
    right = scripted.call("edit", file_path="a.txt", old_string="three", new_string="two")
    with scripted.ScriptedServer([wrong, right, scripted.text("Done.")]) as server:
        ended = make(work, server).run("run", "-y", "--verify", "sh check.sh", "fix it")

    told = [r.json["messages"][-1]["content"] for r in server.requests[1:]]
    assert ended.code == 0
    assert "`sh check.sh` exits 3" in told[0]
    assert "`sh check.sh` passes now" in told[1]


def test_failing_output_goes_back_until_it_passes(work: Path) -> None:
    script = [scripted.text("All done!"), FIX, scripted.text("Now it is.")]
    with scripted.ScriptedServer(script) as server:
        ended = make(work, server).run("run", "-y", "--verify", "sh check.sh", "fix it")

    assert (ended.code, ended.out) == (0, "Now it is.\n")
    assert "exits 3" in server.requests[1].json["messages"][-1]["content"]


def test_a_model_gone_in_circles_gets_the_task_anew(work: Path) -> None:
    circle = [scripted.call("read_file", file_path="none") for _ in range(REPEATS_ALLOWED)]
    with scripted.ScriptedServer([*circle, FIX, scripted.text("Done.")]) as server:
        ended = make(work, server).run("run", "-y", "--verify", "sh check.sh", "fix it")

    anew = server.requests[REPEATS_ALLOWED].json
    assert ended.code == 0
    assert anew["messages"] == server.requests[0].json["messages"]
    assert anew["temperature"] == 0.8


def test_a_claim_that_does_not_hold_exits_1(work: Path) -> None:
    with scripted.ScriptedServer(lambda _r: scripted.text("All done!")) as server:
        ended = make(work, server).run(
            "run", "-y", "-o", "json", "--verify", "sh check.sh", "fix it"
        )

    assert ended.code == 1
    assert ended.json()["subtype"] == "error_verification"
    assert "verification failed: `sh check.sh`" in ended.error


def test_prompt_comes_from_stdin_or_from_both(work: Path) -> None:
    with scripted.ScriptedServer(lambda _r: scripted.text("ok")) as server:
        program = make(work, server)
        program.run("run", stdin=b"only this")
        program.run("run", "-", stdin=b"and this")
        program.run("run", "explain", stdin=b"some log")

    said = [r.json["messages"][1]["content"] for r in server.requests]
    assert said == ["only this", "and this", "explain\n\nsome log"]


def test_a_pipe_that_stays_open_does_not_hang_the_run(work: Path) -> None:
    read_end, write_end = os.pipe()
    try:
        with scripted.ScriptedServer([scripted.text("ok")]) as server:
            program = make(work, server)
            ended = program.end(program.start("run", "hello", stdin=read_end))
    finally:
        os.close(read_end)
        os.close(write_end)

    assert (ended.code, ended.out) == (0, "ok\n")
    assert "nothing came on stdin" in ended.err


@pytest.mark.parametrize(
    "closed,code,seen",
    [("<&-", 0, "ok\n"), ("2>&-", 0, "ok\n"), (">&-", 2, ""), ("<&- >&- 2>&-", 2, "")],
)
def test_closed_streams_are_no_reason_to_crash(
    work: Path, closed: str, code: int, seen: str
) -> None:
    with scripted.ScriptedServer([FIX, scripted.text("ok")]) as server:
        ended = subprocess.run(
            ["sh", "-c", f'"$0" -P -m qcode run -y hello {closed}', sys.executable],
            cwd=work,
            env=make(work, server).environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    assert (ended.returncode, ended.stdout) == (code, seen)
    assert "Traceback" not in ended.stderr
    assert (work / "a.txt").read_text() == ("one\n" if code else "two\n")


@pytest.mark.parametrize(
    "args,code,words",
    [
        (["run", "--nonsense", "x"], 2, "--nonsense"),
        (["run"], 2, "no task"),
        (["run", ""], 2, "no task"),
        (["run", "-C", "nowhere", "x"], 2, "cannot work in `nowhere`"),
        (["run", "--config", "none.toml", "x"], 2, "no such configuration file"),
        (["run", "--max-steps", "0", "x"], 2, "not a number above 0"),
        (["run", "--verify", " ", "x"], 2, "--verify needs a command"),
        (["run", "--approval-mode", "wild", "x"], 2, "wild"),
        (["run", "--add-dir", "nowhere", "x"], 2, "nowhere"),
        (["run", "--resume", "nothing", "x"], 2, "no session `nothing`"),
        (["run", "--continue", "x"], 2, "no session was held"),
        (["run", "--sandbox-tier", "docker", "x"], 5, "sandbox_image"),
        (["run", "--api-key-env", "NO_SUCH", "x"], 2, "NO_SUCH"),
        (["nonsense"], 2, "qcode run"),
    ],
)
def test_wrong_use_is_one_line_and_its_code(
    work: Path, args: list[str], code: int, words: str
) -> None:
    with scripted.ScriptedServer([]) as server:
        ended = make(work, server).run(*args)

    assert ended.code == code, ended
    assert words in ended.err
    assert ended.err.startswith("qcode: ")
    assert ended.err.count("\n") == 1, ended.err
    assert ended.out == ""
    assert server.requests == []


def test_without_a_name_the_model_that_the_endpoint_serves_is_used(work: Path) -> None:
    with scripted.ScriptedServer([scripted.text("ok")], models=("first", "second")) as server:
        ended = Program(work, server.base_url, model=None).run("run", "hello")

    assert ended.code == 0
    assert server.requests[0].json["model"] == "first"


def test_a_hosted_model_without_its_key_names_the_key(work: Path) -> None:
    ended = Program(work, model=None).run("run", "-m", "gpt-5", "hello")

    assert ended.code == 2
    assert "set OPENAI_API_KEY" in ended.error


@pytest.mark.parametrize(
    "reply,words",
    [
        (scripted.fault(401, "bad key"), "KEY"),
        (scripted.fault(404, "model `scripted` not found"), "scripted"),
        (scripted.html(), "HTML"),
        (scripted.fault(400, "no such thing"), "no such thing"),
        (
            scripted.fault(400, "too long", type="exceed_context_size_error"),
            "context",
        ),
    ],
)
def test_a_provider_that_fails_for_good_exits_3(work: Path, reply: Any, words: str) -> None:
    with scripted.ScriptedServer(lambda _r: reply) as server:
        ended = make(work, server).run("run", "-o", "json", "hello")

    assert ended.code == 3
    assert words.lower() in ended.error.lower()
    assert ended.json()["subtype"] == "error_during_execution"
    assert "Traceback" not in ended.err


def test_a_server_that_is_down_exits_3_soon(work: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    started = time.monotonic()

    ended = Program(work, f"http://127.0.0.1:{port}/v1").run("run", "hello")

    assert ended.code == 3
    assert "refused" in ended.error or "no connection" in ended.error
    assert time.monotonic() - started < 15


def test_faults_that_pass_are_told_and_survived(work: Path) -> None:
    script: list[scripted.Reply] = [
        scripted.fault(429, retry_after=0),
        scripted.fault(503, retry_after=0),
        scripted.cut(scripted.call("read_file", file_path="a.txt")),
        scripted.text("Hello."),
    ]
    with scripted.ScriptedServer(script) as server:
        ended = make(work, server).run("run", "hello")

    assert (ended.code, ended.out) == (0, "Hello.\n")
    assert ended.err.count("trying again") == 3


@pytest.mark.parametrize("limit", [["--max-steps", "2"], ["--max-tokens", "1500"]])
def test_a_budget_exits_4_and_the_session_can_go_on(work: Path, limit: list[str]) -> None:
    script = [scripted.call("list_directory", path=".") for _ in range(2)]
    with scripted.ScriptedServer([*script, scripted.text("There.")]) as server:
        program = make(work, server)
        ended = program.run("run", "-o", "json", *limit, "look")
        again = program.run("run", "--continue", "and now?")

    assert ended.code == 4
    assert ended.json()["subtype"] in ("error_max_turns", "error_budget")
    assert (again.code, again.out) == (0, "There.\n")
    assert server.requests[-1].json["messages"][1]["content"] == "look"


def wait_for(server: scripted.ScriptedServer, count: int) -> None:
    deadline = time.monotonic() + 30
    while len(server.requests) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number,code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_the_session_saved(work: Path, number: int, code: int) -> None:
    script = [scripted.stall(scripted.text("I was about to", chunks=6), after=3)]
    with scripted.ScriptedServer([*script, scripted.text("Here I am.")]) as server:
        program = make(work, server)
        process = program.start("run", "-o", "json", "hello")
        wait_for(server, 1)
        (journal,) = sessions()
        while b"delta" not in journal.read_bytes():
            time.sleep(0.01)
        process.send_signal(number)
        ended = program.end(process)
        again = program.run("run", "--resume", journal.stem, "go on")

    assert ended.code == code
    assert journal.stem in ended.error
    assert ended.json()["session_id"] == journal.stem
    assert (again.code, again.out) == (0, "Here I am.\n")


def test_a_signal_while_it_closes_does_not_lose_the_answer(work: Path) -> None:
    stubborn = 'trap "" TERM INT HUP; echo up > up; while :; do sleep 1; done'
    script = [
        scripted.call("run_shell_command", command=stubborn, is_background=True),
        scripted.text("It runs."),
    ]
    with scripted.ScriptedServer(script) as server:
        program = make(work, server)
        process = program.start("run", "-y", "start it")
        wait_for(server, 2)
        server.requests[1].answered.wait(10)
        time.sleep(0.5)  # the job does not heed being asked, so the close takes two seconds
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        ended = program.end(process)

    assert ended.out == "It runs.\n"
    assert ended.code in (0, 130)
    assert "Traceback" not in ended.err


def test_a_closed_terminal_ends_it_with_its_commands(work: Path) -> None:
    script = [scripted.call("run_shell_command", command="echo $$ > pid; exec sleep 1000")]
    with scripted.ScriptedServer(script) as server:
        program = make(work, server)
        # Under nohup, which the tests may be run with, qcode rightly ignores it.
        heed = lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL)  # noqa: E731
        process = program.start("run", "-y", "hello", preexec_fn=heed)
        while not (work / "pid").exists() or not (work / "pid").read_text().strip():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGHUP)
        ended = program.end(process)

    assert ended.code == 129
    assert gone(int((work / "pid").read_text()))


def test_whoever_stops_reading_ends_the_run_quietly(work: Path) -> None:
    closed = threading.Event()

    def answer(_request: scripted.Seen) -> scripted.Stream:
        # Not before nobody reads: what is written sooner may still fit into the pipe.
        closed.wait(30)
        return scripted.call("run_shell_command", command="sleep 1000")

    with scripted.ScriptedServer(answer) as server:
        program = make(work, server)
        reading, writing = os.pipe()
        process = program.start("run", "-y", "-o", "stream-json", "hello", stdout=writing)
        os.close(writing)
        os.read(reading, 100)
        wait_for(server, 1)
        os.close(reading)
        closed.set()
        ended = program.end(process)

    assert ended.code == 141
    assert ended.err == ""


def test_the_time_budget_is_for_verification_too(work: Path) -> None:
    started = time.monotonic()
    with scripted.ScriptedServer([]) as server:
        ended = make(work, server).run(
            "run", "-y", "--max-time", "1", "--verify", "sleep 100", "fix it"
        )

    assert ended.code == 4
    assert time.monotonic() - started < 20


def test_a_reopened_session_tells_of_tools_as_it_had_come_to(work: Path) -> None:
    refused = scripted.fault(400, "this model does not support tools")
    with scripted.ScriptedServer([refused, scripted.text("One."), scripted.text("Two.")]) as server:
        program = make(work, server)
        assert program.run("run", "-o", "json", "one").code == 0
        assert program.run("run", "-o", "json", "-c", "two").code == 0

    asked = [request.json for request in server.requests]
    assert ["tools" in body for body in asked] == [True, False, False]
    assert asked[2]["messages"][:2] == asked[1]["messages"]


def test_half_a_surrogate_pair_is_written_as_json(work: Path) -> None:
    half = scripted.stream(scripted.Raw(
        b'data: {"choices":[{"index":0,"delta":{"content":"a\\ud800b"}}]}\n\n'
    ))  # fmt: skip
    with scripted.ScriptedServer([half]) as server:
        ended = make(work, server).run("run", "-o", "json", "hello")

    assert ended.code == 0
    assert ended.json()["result"].startswith("a")


def gone(group: int) -> bool:
    """Whether a process group ends; it is there until its dead have been taken note of."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_interrupted_in_a_command_leaves_no_process(work: Path) -> None:
    script = [scripted.call("run_shell_command", command="echo $$ > pid; sleep 1000 & wait")]
    with scripted.ScriptedServer(script) as server:
        program = make(work, server)
        process = program.start("run", "-y", "hello")
        pid_file = work / "pid"
        while not pid_file.exists() or not pid_file.read_text().strip():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        ended = program.end(process)

    assert ended.code == 130
    assert gone(int(pid_file.read_text()))


def test_killed_outright_everything_shown_is_kept(work: Path) -> None:
    script = [
        scripted.call("read_file", file_path="a.txt"),
        scripted.stall(scripted.text("The file says something", chunks=8), after=4),
    ]
    with scripted.ScriptedServer([*script, scripted.text("Back.")]) as server:
        program = make(work, server)
        process = program.start("run", "-o", "stream-json", "hello")
        wait_for(server, 2)
        (journal,) = sessions()
        while b'"delta"' not in journal.read_bytes():
            time.sleep(0.01)
        process.kill()
        program.end(process)
        kept = load(journal).messages
        again = program.run("run", "--continue", "go on")

    assert isinstance(kept[2], ToolMessage)
    assert isinstance(kept[3], AssistantMessage)
    assert kept[3].interrupted
    assert again.out == "Back.\n"


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_a_project_file_that_is_no_file_does_not_hang_it(work: Path, kind: str) -> None:
    (work / ".qcode").mkdir()
    path = work / ".qcode" / "config.toml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with scripted.ScriptedServer([]) as server:
        ended = make(work, server).run("run", "hello")

    assert ended.code == 2
    assert "cannot read the configuration" in ended.error


def test_interrupted_at_any_moment_of_its_start_it_ends_in_one_line(work: Path) -> None:
    # From the moment on at which qcode's own code runs; before that Python answers for itself.
    code = (
        "import signal, sys; from qcode.__main__ import program; "
        "print('up', flush=True); sys.argv[1:] = ['run', 'hello']; program()"
    )
    with scripted.ScriptedServer(lambda _r: scripted.stall(scripted.text("x"))) as server:
        for wait in (0.02, 0.05, 0.08, 0.11, 0.14, 0.17, 0.2, 0.25, 0.3):
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=work,
                env=make(work, server).environment(),
            )
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(wait)
            process.send_signal(signal.SIGINT)
            ended = Program(work).end(process)
            assert (ended.code, ended.err.count("\n")) == (130, 1), (wait, ended)


def test_the_key_is_kept_from_commands(work: Path) -> None:
    show = scripted.call("run_shell_command", command="env | grep -c sk-mine; echo $MYKEY.")
    with scripted.ScriptedServer([show, scripted.text("ok")], key="sk-mine-123") as server:
        program = make(work, server, MYKEY="sk-mine-123", COPY_OF_IT="x sk-mine-123")
        ended = program.run("run", "-y", "--api-key-env", "MYKEY", "x")

    assert ended.code == 0
    assert server.requests[1].json["messages"][-1]["content"] == "0\n."


def test_full_disk_while_journalling_is_one_line(work: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    with scripted.ScriptedServer([scripted.text("words " * 4000)]) as server:
        program = make(work, server)
        ended = program.end(program.start("run", "hello", preexec_fn=small_files))

    assert ended.code == 1
    assert "cannot write the session journal" in ended.err
    assert "Traceback" not in ended.err
    (journal,) = sessions()
    assert load(journal).messages


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
@pytest.mark.parametrize("output", ["text", "json"])
def test_an_answer_that_cannot_be_written_names_stdout_and_the_session(
    work: Path, output: str
) -> None:
    with (
        scripted.ScriptedServer([scripted.text("Hello.")]) as server,
        open("/dev/full", "w") as full,
    ):
        program = make(work, server)
        ended = program.end(program.start("run", "-o", output, "hello", stdout=full))

    (journal,) = sessions()
    what = "answer" if output == "text" else "output"
    assert ended.code == 1
    assert ended.err == (
        f"qcode: cannot write the {what} to stdout: No space left on device; "
        f"the session is saved: `qcode sessions show {journal.stem}` prints it, "
        f"`qcode run --resume {journal.stem}` goes on\n"
    )


def test_a_prompt_beyond_the_window_is_refused_before_it_is_sent(work: Path) -> None:
    (work / "c.toml").write_text("context_window = 16384\n")
    with scripted.ScriptedServer([]) as server:
        ended = make(work, server).run("run", "--config", "c.toml", stdin=b"word " * 400_000)

    assert ended.code == 2
    assert "16,384" in ended.error
    assert server.requests == []


def test_a_prompt_of_2_mb_is_sent_whole(work: Path) -> None:
    with scripted.ScriptedServer([scripted.text("ok")]) as server:
        ended = make(work, server).run("run", stdin=b"word " * 400_000)

    assert ended.code == 0
    assert len(server.requests[0].json["messages"][1]["content"]) == 2_000_000


def test_binary_stdin_is_refused(work: Path) -> None:
    with scripted.ScriptedServer([]) as server:
        ended = make(work, server).run("run", stdin=b"\x7fELF\0\0\1")

    assert ended.code == 2
    assert "binary" in ended.error


def test_the_tree_is_otherwise_as_it_was(work: Path) -> None:
    (work / "dirty.txt").write_text("mine")
    script = [FIX, scripted.text("Done.")]
    with scripted.ScriptedServer(script) as server:
        make(work, server).run("run", "-y", "go")

    assert git(work, "status", "--porcelain") == " M a.txt\n?? dirty.txt\n"
    assert git(work, "log", "--oneline").count("\n") == 1


def test_nothing_is_left_in_the_folder_for_temporary_files(work: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    script = [
        scripted.call("run_shell_command", command="echo hi > $TMPDIR/x"),
        scripted.text("ok"),
    ]
    with scripted.ScriptedServer(script) as server:
        program = Program(work, server.base_url, environ={"TMPDIR": str(temporary)}, kind="")
        ended = program.run("run", "-y", "say hi")

    assert ended.code == 0
    assert "sandbox: " in ended.err  # the receipt, for which nothing is begun anew
    assert list(temporary.iterdir()) == []
