"""qcode as a server, driven by others' clients: the same bounds as for its own model."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.types import ElicitResult
from program import COMMAND, Program, repository

PEERS = Path(__file__).resolve().parents[2] / ".peers/node_modules"
HOOKS = """
[[hooks.PreToolUse]]
matcher = "glob"
command = "echo no globbing here >&2; exit 2"

[[hooks.PostToolUse]]
matcher = "list_directory"
command = "echo a word more >&2; exit 2"
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return repository(folder, {"a.py": "def f():\n    return 1\n", "b.py": "1\n"})


def parameters(work: Path, *more: str) -> StdioServerParameters:
    return StdioServerParameters(
        command=COMMAND[0],
        args=[*COMMAND[1:], "mcp", "serve", *more],
        cwd=work,
        env=Program(work, None, kind="mcp").environment(),
    )


def said(result: Any) -> str:
    return str(result.content[0].text)


EDIT = {"file_path": "a.py", "old_string": "return 1", "new_string": "return 2"}


def test_another_agent_works_in_the_bounds_of_qcodes_own_model(work: Path) -> None:
    config = Path.home() / ".config/qcode/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(HOOKS)

    async def do() -> None:
        async with Client(parameters(work)) as client:
            assert "without network" in (client.instructions or "")
            names = [tool.name for tool in (await client.list_tools()).tools]
            assert {"read_file", "edit", "run_shell_command", "find_symbol"} <= set(names)
            assert "return 1" in said(await client.call_tool("read_file", {"file_path": "a.py"}))
            refused = await client.call_tool("edit", EDIT)
            assert refused.is_error
            assert "nobody is there to ask" in said(refused)
            outside = await client.call_tool("read_file", {"file_path": "/etc/passwd"})
            assert "outside the workspace" in said(outside)
            assert "is missing" in said(await client.call_tool("read_file", {}))
            assert "There is no tool" in said(await client.call_tool("reed", {}))
            assert "no globbing here" in said(await client.call_tool("glob", {"pattern": "*"}))
            listed = said(await client.call_tool("list_directory", {"path": "."}))
            assert "a.py" in listed
            assert "a word more" in listed
        async with Client(parameters(work, "-y")) as client:
            mark = work / "begun"
            command = {"command": f"touch {mark.name}; sleep 300"}
            long = asyncio.ensure_future(client.call_tool("run_shell_command", command))
            while not mark.exists():  # noqa: ASYNC110 - there is no event of it
                await asyncio.sleep(0.01)
            long.cancel()
            await asyncio.wait([long])
            # What was broken off is over: the next one does not wait for it.
            await client.call_tool("read_file", {"file_path": "a.py"})
            assert not (await client.call_tool("edit", EDIT)).is_error
        async with Client(parameters(work, "--read-only", "--tools", "edit,glob")) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["glob"]

    asyncio.run(do())
    assert "return 2" in (work / "a.py").read_text()
    assert Program(work, None, kind="mcp").run("undo", "-y").code == 0
    assert "return 1" in (work / "a.py").read_text()


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_person_at_a_client_that_offers_to_ask_is_asked(work: Path, mode: Any) -> None:
    asked: list[str] = []
    answers = iter(["decline", "accept", "session"])

    async def elicit(_context: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        match next(answers):
            case "decline":
                return ElicitResult(action="decline")
            case "accept":
                return ElicitResult(action="accept", content={})
            case _:
                return ElicitResult(action="accept", content={"until": "the end of the session"})

    async def do() -> None:
        asking: Any = elicit
        async with Client(parameters(work), mode=mode, elicitation_callback=asking) as client:
            await client.call_tool("read_file", {"file_path": "a.py"})
            await client.call_tool("read_file", {"file_path": "b.py"})
            refused = await client.call_tool("edit", EDIT)
            assert refused.is_error
            assert "The person said no" in said(refused)
            assert not (await client.call_tool("edit", EDIT)).is_error
            other = {"file_path": "b.py", "old_string": "1", "new_string": "2"}
            assert not (await client.call_tool("edit", other)).is_error
            third = {"file_path": "b.py", "old_string": "2", "new_string": "3"}
            assert not (await client.call_tool("edit", third)).is_error

    asyncio.run(do())
    assert len(asked) == 3
    assert "allow edit" in asked[0]
    assert (work / "b.py").read_text() == "3\n"


SCRIPT = """
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
const [command, ...args] = JSON.parse(process.argv[2]);
const client = new Client({ name: "other", version: "1" });
await client.connect(new StdioClientTransport({ command, args, env: process.env }));
const { tools } = await client.listTools();
const read = await client.callTool({ name: "read_file", arguments: { file_path: "a.py" } });
const edit = await client.callTool({ name: "edit", arguments: JSON.parse(process.argv[3]) });
await client.close();
console.log(JSON.stringify({ names: tools.map((one) => one.name), read, edit }));
"""


@pytest.mark.skipif(
    shutil.which("node") is None or not (PEERS / "@modelcontextprotocol/sdk").exists(),
    reason="`make peers` installs it, where there is npm",
)
def test_the_client_of_agents_in_typescript_is_served(work: Path) -> None:
    # The program stands where its imports are found.
    script = PEERS / f"drive-{work.parent.name}.mjs"
    script.write_text(SCRIPT)
    argv = [*COMMAND, "mcp", "serve", "--allow", "edit(a.py)"]
    try:
        done = subprocess.run(
            ["node", str(script), json.dumps(argv), json.dumps(EDIT)],
            cwd=work,
            env=Program(work, None, kind="mcp").environment(),
            capture_output=True,
            timeout=60,
            check=False,
        )
    finally:
        script.unlink()
    assert done.returncode == 0, done.stderr.decode()
    came = json.loads(done.stdout)
    assert "run_shell_command" in came["names"]
    assert "return 1" in came["read"]["content"][0]["text"]
    assert not came["edit"].get("isError")
    assert "return 2" in (work / "a.py").read_text()
