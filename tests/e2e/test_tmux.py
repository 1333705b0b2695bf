"""The interactive session in a terminal that people use: tmux, which breaks lines anew."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from scripted_server import Json, ScriptedServer, Stall, Until, delta, stream, text
from tmux import Tmux

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux here")

ROOT = Path(__file__).resolve().parents[2]
LIVE = ("Esc interrupts", "scripted · default")
"""What stands below alone."""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@contextmanager
def qcode(
    work: Path,
    server: ScriptedServer,
    *words: str,
    rows: int = 24,
    columns: int = 80,
    around: Mapping[str, str] | None = None,
) -> Iterator[Tmux]:
    environment = {**(around or {}), "PYTHONPATH": str(ROOT), "PS1": "shell$ "}
    with Tmux(work, rows=rows, columns=columns, environment=environment) as tmux:
        tmux.start(*program(server), *words)
        yield tmux


def program(server: ScriptedServer) -> tuple[str, ...]:
    given = ("--base-url", server.base_url, "-m", "scripted")
    return (sys.executable, "-m", "qcode", *given)


def said(request: Json) -> list[Any]:
    return [one["content"] for one in request["messages"] if one["role"] == "user"]


SENTENCE = "Sentence {} is long enough to be broken over more than one line of a narrow pane."


@pytest.mark.parametrize("colours", [{}, {"NO_COLOR": "1"}])
def test_sizes_that_change_while_text_comes_lose_and_double_nothing(
    work: Path, colours: dict[str, str]
) -> None:
    sizes = [(50, 24), (100, 30), (40, 12), (80, 24), (30, 10), (120, 40)]
    gates = [threading.Event() for _ in sizes]
    items: list[Any] = []
    for number in range(10 * len(sizes)):
        items.append(delta(content=SENTENCE.format(f"{number:02}") + " **Bold** it ends.\n\n"))
        if number % 10 == 9:
            items += [delta(content="What is not finished yet "), Until(gates[number // 10])]
            items.append(delta(content="is finished now.\n\n"))
    with (
        ScriptedServer([stream(*items)]) as server,
        qcode(work, server, "go", around=colours) as tmux,
    ):
        for number, (columns, rows) in enumerate(sizes):
            tmux.shows(f"Sentence {number * 10 + 9:02}")
            tmux.on_screen("What is not finished yet")
            tmux.type("ab ")
            tmux.on_screen("> " + ("ab " * (number + 1)).strip())
            tmux.resize(columns, rows)
            tmux.on_screen("scripted")
            gates[number].set()
        tmux.shows("20 out")
        tmux.gone("Esc interrupts")

        page = " ".join(tmux.page.replace("**", "").split())
        for number in range(10 * len(sizes)):
            assert page.count(f"Sentence {number:02} is") == 1
        assert page.count("Bold it ends.") == 10 * len(sizes)
        assert page.count("is finished now.") == len(sizes)
        assert page.count("not finished yet") == len(sizes)
        assert page.count("> ab") == 1
        assert "Esc interrupts" not in page
        assert page.count("scripted · default") == 2  # the greeting, and the lowest line


def test_a_pane_of_a_few_rows_is_enough(work: Path) -> None:
    answer = "".join(f"Line {number} of it.\n\n" for number in range(20))
    with (
        ScriptedServer([text(answer, chunks=30, delay=0.01)]) as server,
        qcode(work, server, rows=6, columns=20) as tmux,
    ):
        tmux.on_screen(">")
        tmux.type("say a good deal, please")
        tmux.press("Enter")
        tmux.shows("Line 19 of it.")
        tmux.gone("Esc interrupts")
        tmux.on_screen(">")

        page = tmux.page
        assert [page.count(f"Line {number} of") for number in range(20)] == [1] * 20
        assert said(server.requests[0].json) == ["say a good deal, please"]


def test_a_session_that_nobody_looks_at_goes_on(work: Path) -> None:
    gate = threading.Event()
    script = [stream(delta(content="Before.\n\n"), Until(gate), delta(content="After.\n\n"))]
    with ScriptedServer(script) as server, qcode(work, server, "go") as tmux:
        tmux.shows("Before.")
        # A client of its own, which leaves and comes back.
        attach = ("attach-session", "-t", "s")
        for _ in range(2):
            with attached(tmux, attach):
                tmux.until(lambda: bool(tmux.run("list-clients")), "no client")
            tmux.until(lambda: not tmux.run("list-clients"), "the client is still there")
            gate.set()
        tmux.shows("After.")
        tmux.gone("Esc interrupts")

        assert tmux.page.count("Before.") == tmux.page.count("After.") == 1


@contextmanager
def attached(tmux: Tmux, words: tuple[str, ...]) -> Iterator[None]:
    """Look at the session from a terminal; detach at the end."""
    import pty

    master, slave = pty.openpty()
    client = subprocess.Popen(
        tmux.command(*words),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=tmux.environment,
        start_new_session=True,
    )
    drain = threading.Thread(target=_drain, args=(master,), daemon=True)
    drain.start()
    try:
        yield
    finally:
        tmux.run("detach-client", "-s", "s", check=False)
        client.wait(10)
        os.close(slave)
        drain.join(10)
        os.close(master)


def _drain(master: int) -> None:
    try:
        while os.read(master, 65536):
            pass
    except OSError:
        pass  # the other end was closed


def test_wide_characters_stand_where_they_belong(work: Path) -> None:
    answer = (
        "你好，世界。 这是一个很长的句子，应该在窗口的边缘换行。 🚀 gestartet ✅ fertig\n\n完。\n"
    )
    with (
        ScriptedServer([text(answer, chunks=20, delay=0.02)]) as server,
        qcode(work, server, columns=40) as tmux,
    ):
        tmux.on_screen("scripted · default")
        tmux.type("请解释 🚀 一下")
        tmux.on_screen("> 请解释 🚀 一下")
        tmux.press("Left", "Left", "BSpace")
        tmux.on_screen("> 请解释 🚀一下")
        tmux.press("Enter")
        tmux.shows("完。")
        tmux.gone("Esc interrupts")

        assert said(server.requests[0].json) == ["请解释 🚀一下"]
        page = "".join(tmux.page.split())
        assert (
            page.count("你好，世界。这是一个很长的句子，应该在窗口的边缘换行。🚀gestartet✅fertig")
            == 1
        )
        assert page.count("完。") == 1


def test_a_megabyte_is_pasted_whole(work: Path) -> None:
    lines = "".join(f"line {number} of what was pasted\n" for number in range(35_000))
    assert len(lines) > 1_000_000
    with ScriptedServer([text("Read.")]) as server, qcode(work, server) as tmux:
        tmux.on_screen("scripted · default")
        tmux.type("look at ")
        tmux.paste(lines)
        tmux.on_screen("> look at [pasted #1: 35,000 lines]")
        tmux.press("Enter")
        tmux.shows("Read.")

        assert said(server.requests[0].json) == [f"look at {lines}".strip()]


def test_a_session_can_be_put_to_sleep(work: Path) -> None:
    with ScriptedServer([text("Awake.")]) as server, qcode(work, server) as tmux:
        tmux.on_screen("scripted · default")
        tmux.type("half a thought")
        tmux.on_screen("> half a thought")
        tmux.press("C-z")
        tmux.on_screen("Stopped")
        tmux.start("echo", "in", "between")
        tmux.shows("\nin between")
        tmux.start("fg")
        tmux.on_screen("> half a thought")
        tmux.press("Enter")
        tmux.shows("Awake.")

        assert said(server.requests[0].json) == ["half a thought"]
        assert "in between" in tmux.page


def test_what_was_killed_comes_back(work: Path) -> None:
    script = [text("First answer."), stream(delta(content="Second, half"), Stall()), text("Third.")]
    with ScriptedServer(script) as server, qcode(work, server, "one") as tmux:
        tmux.shows("First answer.")
        tmux.gone("Esc interrupts")
        tmux.type("two")
        tmux.press("Enter")
        tmux.on_screen("Second, half")
        pane = int(tmux.run("display-message", "-p", "#{pane_pid}"))
        os.kill(child_of(pane), signal.SIGKILL)
        tmux.shows("Killed")
        tmux.press("Enter")
        tmux.start("stty", "sane")
        tmux.start(*program(server), "-c")
        tmux.until(lambda: tmux.page.count("First answer.") == 2, "no recap")
        tmux.on_screen("scripted · default")
        tmux.type("three")
        tmux.press("Enter")
        tmux.shows("Third.")

        assert said(server.requests[-1].json) == ["one", "two", "three"]


def child_of(pid: int) -> int:
    """Return the process that a shell runs in the foreground."""
    found = subprocess.run(("pgrep", "-P", str(pid)), capture_output=True, text=True, check=True)
    return int(found.stdout.split()[-1])
