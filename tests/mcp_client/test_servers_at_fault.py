"""Connections to servers that do what they should not: real processes, in this one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import strange_server_path

from qcode.errors import ToolError
from qcode.mcp.hub import Hub
from qcode.mcp.servers import Server, server
from qcode.mcp.transports import Surroundings
from qcode.sandbox.plain import Plain
from qcode.tools.base import Context, Tool
from qcode.tools.jobs import Jobs
from qcode.workspace import Workspace


class Held:
    """A session's servers without the session."""

    def __init__(self, folder: Path, *servers: Server, patience_s: float | None = None) -> None:
        self.notes: list[str] = []
        self.tools: dict[str, Tool[Any]] = {}
        self.folder = folder
        self.output: list[str] = []
        outside = Plain(dict(os.environ))
        self.hub = Hub(
            servers,
            Surroundings(
                cwd=folder, outside=outside, inside=outside, tokens=folder, logs=folder / "logs"
            ),
            folder=folder / "kept",
            tools=self.tools,
            schemas={},
            note=self.notes.append,
            patience_s=patience_s,
        )
        self.tools["use_tool"] = self.hub.use_tool
        self.context = Context(
            workspace=Workspace.at(folder, ()),
            seen={},
            spill_dir=folder / "spill",
            jobs=Jobs(),
            launcher=outside,
            output=self.output.append,
        )

    async def use(self, tool: str, **arguments: Any) -> str:
        """Return what a call of the model comes to, also where it fails."""
        written = {"tool": tool, "arguments": arguments or {"text": "hello"}}
        try:
            used, params = self.hub.use_tool.meant(written)
            return (await used.run(params, self.context)).text
        except ToolError as error:
            return str(error)

    async def ask(self, tool: str) -> str:
        """Return what the model is told of a tool."""
        return (await self.hub.use_tool.run({"tool": tool}, self.context)).text

    def log(self, name: str) -> str:
        return (self.folder / "logs" / f"{name}.log").read_text()


def strange(fault: str, **more: Any) -> Server:
    table = {"command": sys.executable, "args": [strange_server_path.PATH, fault], **more}
    return server("odd", table, os.environ)


def holding(held: Held, doing: Callable[[], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        try:
            async with asyncio.timeout(30):
                await doing()
        finally:
            await held.hub.close()

    asyncio.run(all_of_it())


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    while not is_so():  # noqa: ASYNC110 - there is no event of it
        await asyncio.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z" and int(Path(f"/proc/{pid}/stat").read_text().split()[3]) != os.getpid()


def test_a_server_that_ends_between_calls_is_started_again_for_the_next(tmp_path: Path) -> None:
    held = Held(tmp_path, strange("strict"))

    async def do() -> None:
        assert "- odd:echo" in await held.hub.tell(is_first=True)
        assert await held.use("odd:leave") == "hello"
        await until(lambda: "enough for today" in held.hub.table())
        assert (await held.use("odd:echo")).startswith("hello and")
        assert "odd" in held.hub.table()
        assert "enough for today" not in held.hub.table()

    holding(held, do)
    assert held.notes == []


def test_what_is_known_of_a_server_follows_what_it_says(tmp_path: Path) -> None:
    held = Held(tmp_path, strange("tells"))

    async def first() -> None:
        assert "grown" not in await held.hub.tell(is_first=True)
        manual = await held.ask("odd:echo")
        assert "[The server odd says of itself: Echo before you leave.]" in manual
        assert "says of itself" not in await held.ask("odd:fail")
        for number in (0, 1):
            await held.use("odd:grow")
            await until(lambda n=number: f"mcp__odd__grown_{n}" in held.tools)  # type: ignore[misc]
        told = await held.hub.tell(is_first=False)
        assert "odd:grown_0" in told
        assert "odd:grown_1" in told
        assert "odd:echo" not in told
        assert await held.hub.tell(is_first=False) == ""

    holding(held, first)
    # What is kept is looked at anew once the server runs, behind the first call.
    again = Held(tmp_path, strange("tells"))

    async def second() -> None:
        assert "odd:grown_1" in await again.hub.tell(is_first=True)
        assert not again.hub.connections["odd"].is_connected
        await again.use("odd:echo")
        await until(lambda: "mcp__odd__grown_1" not in again.tools)
        assert "There is no tool" in await again.ask("odd:grown_1")

    holding(again, second)
    assert held.notes == again.notes == []


def test_tools_that_are_allowed_later_are_known_by_then(tmp_path: Path) -> None:
    held = Held(tmp_path, strange("none", allow=["e*"]))

    async def first() -> None:
        await held.hub.tell(is_first=True)

    holding(held, first)
    assert set(held.tools) == {"use_tool", "mcp__odd__echo"}
    again = Held(tmp_path, strange("none", deny=["echo"]))
    assert "mcp__odd__slow" in again.tools
    assert "mcp__odd__echo" not in again.tools


def test_lists_that_fail_and_lying_results_lose_nothing_else(tmp_path: Path) -> None:
    held = Held(tmp_path, strange("lists"))

    async def do() -> None:
        assert "odd:lie" in await held.hub.tell(is_first=True)
        assert await held.use("odd:lie") == "hello"

    holding(held, do)
    assert held.notes == [
        "the MCP server `odd` does not list its prompts: no such method",
        "the MCP server `odd` does not list its resources: no such method",
    ]


def test_what_is_no_text_is_kept_in_files(tmp_path: Path) -> None:
    held = Held(tmp_path, strange("none"))
    came: list[str] = []

    async def do() -> None:
        await held.hub.tell(is_first=True)
        came.extend((await held.use("odd:picture")).splitlines())

    holding(held, do)
    _, picture, sound, broken, *_ = came
    assert picture.startswith("[image, image/png, 68 bytes: kept in ")
    assert Path(picture.rpartition(" ")[2].rstrip("]")).read_bytes().startswith(b"\x89PNG")
    assert Path(sound.rpartition(" ")[2].rstrip("]")).read_bytes() == b"RIFF"
    assert broken == "[image, image/png, which cannot be read]"


def test_servers_that_only_speak_as_of_now_are_understood(tmp_path: Path) -> None:
    held = Held(tmp_path, strange("modern"))

    async def do() -> None:
        assert "odd:echo" in await held.hub.tell(is_first=True)
        assert (await held.use("odd:echo")).startswith("hello and")

    holding(held, do)


def test_a_call_that_takes_too_long_or_is_broken_off_is_cancelled(tmp_path: Path) -> None:
    held = Held(tmp_path, strange("none", timeout=0.2))

    async def do() -> None:
        await held.hub.tell(is_first=True)
        assert "did not answer within 0.2 s" in await held.use("odd:slow")
        await until(lambda: "notifications/cancelled" in held.log("odd"))
        held.hub.connections["odd"].server = strange("none", timeout=60)
        call = asyncio.ensure_future(held.use("odd:slow"))
        await until(lambda: held.log("odd").count("tools/call slow") == 2)
        call.cancel()
        await asyncio.wait([call])
        await until(lambda: held.log("odd").count("notifications/cancelled") == 2)
        assert (await held.use("odd:echo")).startswith("hello and")

    holding(held, do)
    assert (tmp_path / "logs/odd.log").stat().st_mode & 0o777 == 0o600


def test_late_tools_are_waited_for_by_whoever_asks_and_told_with_the_next_message(
    tmp_path: Path,
) -> None:
    held = Held(tmp_path, strange("none"), patience_s=0)

    async def do() -> None:
        assert await held.hub.tell(is_first=True) == ""
        assert "did not answer yet" in held.notes[0]
        assert "Arguments (JSON Schema)" in await held.ask("odd:echo")
        assert "odd:echo" in await held.hub.tell(is_first=False)

    holding(held, do)


def test_a_history_that_is_gone_on_with_is_told_what_it_lacks(tmp_path: Path) -> None:
    held = Held(tmp_path, strange("none"))
    told: list[str] = []

    async def first() -> None:
        told.append(await held.hub.tell(is_first=True))

    holding(held, first)
    again = Held(tmp_path, strange("none"))
    again.hub.assume_told(told)
    other = Held(tmp_path, strange("none"))
    other.hub.assume_told(["nothing of it", "odd: a word"])

    async def second() -> None:
        assert await again.hub.tell(is_first=False) == ""
        assert "odd:echo" in await other.hub.tell(is_first=False)

    holding(again, second)


def test_nothing_of_a_deaf_server_is_left_at_the_end(tmp_path: Path) -> None:
    held = Held(tmp_path, strange("deaf"))
    pids: list[int] = []

    async def do() -> None:
        await held.hub.tell(is_first=True)
        pids.extend(map(int, held.log("odd").split("\n")[0].split()[1:]))

    holding(held, do)
    assert len(pids) == 2
    assert all(map(is_gone, pids))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere servers see the end of their input")
def test_a_deaf_server_ends_with_a_qcode_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys, time\n"
        "from pathlib import Path\n"
        "sys.path[:0] = sys.argv[1:3]\n"
        "from test_servers_at_fault import Held, strange\n"
        "held = Held(Path(sys.argv[3]), strange('deaf'))\n"
        "async def do():\n"
        "    await held.hub.tell(is_first=True)\n"
        "    print(held.log('odd').split()[1], flush=True)\n"
        "    time.sleep(600)\n"
        "asyncio.run(do())\n"
    )
    here = Path(__file__).parent
    support = Path(strange_server_path.PATH).parent
    argv = [sys.executable, "-c", program, str(here), str(support), str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as qcode:
        assert qcode.stdout is not None
        pid = int(qcode.stdout.readline())
        qcode.send_signal(signal.SIGKILL)
    for _ in range(500):
        if is_gone(pid):
            return
        time.sleep(0.01)
    pytest.fail("the server goes on")
