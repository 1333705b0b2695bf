from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tool_bench import Bench

from qcode.tools.output import Output, clean, log_opener
from qcode.tools.sizes import USUAL


def shell(bench: Bench, command: str, **arguments: object) -> str:
    return bench.text("run_shell_command", command=command, **arguments)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def wait_for(check: Callable[[], bool], limit_s: float = 10) -> None:
    deadline = time.monotonic() + limit_s
    while not check():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.005)


def pid_in(bench: Bench, name: str) -> int:
    """Return the number that a command wrote into a file, once it is there."""
    file = bench.root / name
    wait_for(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


@pytest.mark.parametrize(
    "command, text, summary",
    [
        ("echo hi", "hi", "1 line"),
        ("echo hi; exit 3", "hi\n[exit 3]", "exit 3"),
        ("true", "(no output)", "0 lines"),
        ("false", "[exit 1]", "exit 1"),
        ("kill -9 $$", "[killed by signal 9 (SIGKILL)]", "killed by signal 9 (SIGKILL)"),
        ("echo a; echo b >&2; echo c", "a\nb\nc", "3 lines"),
        ("cat; echo end", "end", "1 line"),
        ("read x || echo closed", "closed", "1 line"),
        (r"printf 'a\xffb\0c'", "a�bc", "1 line"),
        (r"printf '\033[31mred\033[0m \033]0;title\007x'", "red x", "1 line"),
        (r"printf '10%%\r50%%\r100%%\nend\r\n'", "100%\nend", "2 lines"),
        ("[[ a == a ]] && echo bash", "bash", "1 line"),
    ],
)
def test_what_the_model_reads_of_a_command(
    bench: Bench, command: str, text: str, summary: str
) -> None:
    result = bench.call("run_shell_command", command=command)

    assert result.text == text
    assert result.summary == summary
    assert result.is_error is (summary.startswith(("exit", "killed")))


def test_nothing_is_written_for_a_small_output(bench: Bench) -> None:
    shell(bench, "seq 1 1000")

    assert not bench.context.spill_dir.exists()


def test_a_command_runs_in_the_workspace_or_a_directory_of_it(bench: Bench) -> None:
    (bench.root / "sub").mkdir()

    assert shell(bench, "pwd") == str(bench.root)
    assert shell(bench, "pwd", directory="sub") == str(bench.root / "sub")
    for directory, words in (("..", "outside"), ("no", "does not exist"), ("f", "is a file")):
        bench.write("f")
        assert words in bench.error("run_shell_command", command="pwd", directory=directory)


@pytest.mark.parametrize("command", ["", "  \n", "a\0b"])
def test_what_is_no_command_is_refused(bench: Bench, command: str) -> None:
    assert "empty" in bench.error("run_shell_command", command=command)


def test_a_command_too_long_for_the_system_is_refused(bench: Bench) -> None:
    shell(bench, "echo")  # what is opened once is open by then
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        text = bench.error("run_shell_command", command="echo " + "x" * 200_000)
        assert "write it to a script" in text

    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_command_has_no_terminal_and_its_own_group(bench: Bench) -> None:
    text = shell(bench, "echo $$; ps -o pgid=,sid= -p $$; (: </dev/tty) 2>/dev/null || echo none")

    pid, group, last = text.split("\n")
    assert group.split() == [pid, pid]
    assert last == "none"


def test_a_long_output_is_cut_and_kept(bench: Bench) -> None:
    text = shell(bench, "seq 1 20000")

    lines = text.split("\n")
    mark = next(line for line in lines if line.startswith("[..."))
    log = bench.context.spill_dir / "output-1.log"
    assert len(text) < USUAL.output_head + USUAL.output_tail + 200
    assert lines[:2] == ["1", "2"]
    assert lines[-1] == "20000"
    assert mark.startswith("[... about 96,")
    assert f"the whole output is in {log}" in mark
    assert log.read_text() == "".join(f"{n}\n" for n in range(1, 20001))
    assert bench.text("read_file", file_path=str(log), limit=1).startswith("1\n[lines 1-1 of")


@pytest.mark.slow
def test_a_flood_costs_neither_memory_nor_disk(bench: Bench) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = 100_000_000

    text = shell(bench, f"echo begin; head -c {size} /dev/zero | tr '\\0' x; echo; echo end")

    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    log = bench.context.spill_dir / "output-1.log"
    assert text.startswith("begin\nxxx")
    assert text.endswith("xxx\nend")
    assert len(text) < USUAL.output_head + USUAL.output_tail + 200
    assert grown_mb < 40
    assert log.stat().st_size < 70 * 1024 * 1024
    with log.open("rb") as file:
        file.seek(-100, os.SEEK_END)
        assert file.read().endswith(b"xxx\nend\n")


def test_a_full_disk_for_the_output_is_said(bench: Bench) -> None:
    bench.context.spill_dir.write_text("a file where the directory should be")

    text = shell(bench, "seq 1 20000")

    assert "it could not be kept (" in text
    assert text.endswith("20000")


def test_a_timeout_ends_the_whole_group(bench: Bench) -> None:
    started = time.monotonic()

    result = bench.call(
        "run_shell_command", command="echo a; sleep 100 & echo $! > pid; wait", timeout=1
    )

    assert result.text.startswith("a\n[timed out after 1 s and was ended;")
    assert result.is_error
    assert time.monotonic() - started < 3
    assert not alive(pid_in(bench, "pid"))


@pytest.mark.slow
def test_what_ignores_being_asked_is_killed(bench: Bench) -> None:
    command = "trap '' TERM; (trap '' TERM; echo $BASHPID > pid; while :; do sleep 0.1; done)"

    started = time.monotonic()
    shell(bench, command, timeout=1)

    assert 1.4 < time.monotonic() - started < 6
    assert not alive(pid_in(bench, "pid"))


def test_an_endless_output_is_ended_in_time(bench: Bench) -> None:
    started = time.monotonic()

    text = shell(bench, "while :; do echo y; done", timeout=1)

    assert text.startswith("y\ny\n")
    assert "[timed out after 1 s" in text
    assert time.monotonic() - started < 5


def test_a_flood_is_ended_before_its_time(bench: Bench) -> None:
    text = shell(bench, "yes", timeout=60_000)

    assert text.endswith("[it used more than 1 GiB of output and was ended]")


@pytest.mark.parametrize("given, seconds", [(1500, "1.5 s"), (1, "1 s")])
def test_a_timeout_is_in_ms_unless_that_makes_no_sense(
    bench: Bench, given: int, seconds: str
) -> None:
    assert f"timed out after {seconds}" in shell(bench, "sleep 100", timeout=given)


def test_a_timeout_must_be_positive(bench: Bench) -> None:
    assert "positive" in bench.error("run_shell_command", command="true", timeout=0)


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupted_command_leaves_nothing(bench: Bench, times: int) -> None:
    ignoring = "trap '' TERM;" if times == 2 else ""

    async def run() -> None:
        task = asyncio.create_task(
            bench.acall(
                "run_shell_command",
                command=f"{ignoring} sleep 100 & echo $! > a; echo $$ > b; wait; sleep 100",
            )
        )
        while not (bench.root / "b").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0.01)
        with pytest.raises(asyncio.CancelledError):
            await task

    bench.runner.run(run())

    wait_for(lambda: not alive(pid_in(bench, "a")))
    wait_for(lambda: not alive(pid_in(bench, "b")))


def test_interrupted_at_the_very_start_nothing_is_left(bench: Bench) -> None:
    async def run() -> None:
        task = asyncio.create_task(
            bench.acall("run_shell_command", command="echo $$ > p; mv p pid; sleep 100")
        )
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    bench.runner.run(run())

    assert not (bench.root / "pid").exists() or not alive(pid_in(bench, "pid"))


def test_a_child_left_behind_is_ended_with_the_command(bench: Bench) -> None:
    started = time.monotonic()

    text = shell(bench, "sleep 100 & echo $! > pid; echo started")

    assert time.monotonic() - started < 20
    assert text.startswith("started\n[1 process that it left running ended with it;")
    assert "is_background" in text
    wait_for(lambda: not alive(pid_in(bench, "pid")))


def test_a_child_that_ends_in_time_is_no_matter(bench: Bench) -> None:
    assert shell(bench, "(sleep 0.02; echo late) & echo now") == "now\nlate"


def test_nohup_and_a_session_of_its_own_do_not_help(bench: Bench) -> None:
    text = shell(
        bench, "nohup sleep 100 >/dev/null 2>&1 & echo $! > pid; setsid sleep 100 & echo $! > other"
    )

    assert text.startswith("(no output)\n[")
    wait_for(lambda: not alive(pid_in(bench, "pid")))
    wait_for(lambda: not alive(pid_in(bench, "other")))


def test_output_is_shown_while_it_comes(bench: Bench) -> None:
    async def run() -> None:
        task = asyncio.create_task(
            bench.acall(
                "run_shell_command",
                command="echo ä; while [ ! -e go ]; do sleep 0.01; done; printf 'b\\033[1mc'",
            )
        )
        while bench.printed != ["ä\n"]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        bench.write("go")
        await task

    bench.runner.run(asyncio.wait_for(run(), 10))

    assert bench.printed == ["ä\n", "bc"]


def test_no_descriptor_is_left_open(bench: Bench) -> None:
    shell(bench, "true")
    before = len(os.listdir("/proc/self/fd"))

    for _ in range(5):
        shell(bench, "seq 1 20000")
        shell(bench, "sleep 100", timeout=1) if _ == 0 else None

    assert len(os.listdir("/proc/self/fd")) == before


def test_a_job_starts_and_is_ended_with_the_session(bench: Bench) -> None:
    text = shell(bench, "echo $$ > pid; echo up; sleep 100 &", is_background=True)

    pid = pid_in(bench, "pid")
    log = bench.context.spill_dir / "job-1.log"
    assert text == (f"Started job 1, log: {log}\nTo stop it: kill %1\nOutput so far:\nup")
    assert log.read_text() == "up\n"
    assert bench.context.jobs.finished() == []
    assert [job.id for job in bench.context.jobs.running()] == [1]
    bench.runner.run(bench.context.jobs.close())
    assert not alive(pid)
    assert bench.context.jobs.running() == []


def test_a_job_that_fails_at_once_says_so(bench: Bench) -> None:
    result = bench.call(
        "run_shell_command", command="echo port in use >&2; exit 1", is_background=True
    )

    assert result.text.startswith("port in use\n[job 1 ended with exit code 1 after 0.")
    assert result.is_error
    assert bench.context.jobs.finished() == []


def test_the_end_of_a_job_is_told_once(bench: Bench) -> None:
    shell(bench, "while [ ! -e go ]; do sleep 0.01; done; echo bye; exit 4", is_background=True)
    bench.write("go")
    job = bench.context.jobs.jobs[0]

    bench.runner.run(asyncio.wait_for(job.process.finished(), 10))

    log = bench.context.spill_dir / "job-1.log"
    told = bench.context.jobs.finished()
    assert len(told) == 1
    assert told[0].startswith("[job 1 ended with exit code 4: while")
    assert told[0].endswith(f"log: {log}]")
    assert bench.context.jobs.finished() == []
    assert log.read_text() == "bye\n"


@pytest.mark.parametrize("command", ["kill %1", "kill -9 %1", " kill -TERM %1 ; "])
def test_a_model_can_stop_its_job(bench: Bench, command: str) -> None:
    shell(bench, "echo $$ > pid; sleep 100", is_background=True)

    text = shell(bench, command)

    assert text.startswith("Job 1 ended by signal ")
    assert not alive(pid_in(bench, "pid"))
    assert bench.context.jobs.running() == []
    assert bench.context.jobs.finished() == []


def test_a_job_that_is_not_there_cannot_be_stopped(bench: Bench) -> None:
    assert bench.error("run_shell_command", command="kill %1") == "There is no job 1. No job runs."

    shell(bench, "sleep 100", is_background=True)

    said = bench.error("run_shell_command", command="kill %7")
    assert said == "There is no job 7. Those that run: %1."


def test_an_interrupted_start_of_a_job_ends_it(bench: Bench) -> None:
    async def run() -> None:
        task = asyncio.create_task(
            bench.acall(
                "run_shell_command", command="echo $$ > p; mv p pid; sleep 100", is_background=True
            )
        )
        while not (bench.root / "pid").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    bench.runner.run(run())

    assert not alive(pid_in(bench, "pid"))


@pytest.mark.parametrize(
    "data, text",
    [
        (b"a\x08b\x00\x7f\tc\n", "ab\tc\n"),
        (b"\x1b[1;32mok\x1b[0m\x1b(B", "ok"),
        (b"a\rb\rc\r\n", "c\n"),
        (b"a\r\r\n", "a\n"),
        (b"x\ndone\r", "x\ndone"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
    ],
)
def test_cleaning(data: bytes, text: str) -> None:
    assert clean(data) == text


def test_a_progress_bar_needs_no_log(tmp_path: Path) -> None:
    output = Output(log_opener(tmp_path, "x"))

    output.add(b"".join(b"\r%d%%" % (n % 100) for n in range(50_000)) + b"\ndone\n")

    assert output.shown().text == "99%\ndone"
    assert list(tmp_path.iterdir()) == []
