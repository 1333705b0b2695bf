"""Runs that use servers, from end to end: real servers, real processes, a scripted model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
import strange_server_path
from program import Program, repository
from scripted_server import call, calls, text
from tokens import tokens

LOADED = """
import json, sys
from qcode.__main__ import main
sys.argv[0] = "qcode"
assert main() == 0
loaded = {"mcp", "mcp_types", "anyio", "pydantic", "httpx2"} & {*sys.modules}
print(json.dumps(sorted(loaded)), file=sys.stderr)
"""
STRANGE = strange_server_path.PATH


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return repository(folder, {"a.py": "def f():\n    return 1\n"})


def servers(**tables: dict[str, Any]) -> str:
    """Return a configuration with these servers."""
    lines = []
    for name, table in tables.items():
        lines.append(f"[mcp_servers.{name}]")
        lines += [f"{key} = {_toml(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)


def strange(fault: str, *more: str, **options: Any) -> dict[str, Any]:
    return {"command": sys.executable, "args": [STRANGE, fault, *more], **options}


def run(work: Path, config: str, *replies: Any, arguments: tuple[str, ...] = ()) -> Any:
    file = work.parent / "config.toml"
    file.write_text(config)
    with scripted.ScriptedServer([*replies]) as server:
        program = Program(work, server.base_url, kind="mcp")
        ended = program.run("--config", str(file), "run", *arguments, "say hello")
    return ended, [seen.json for seen in server.requests if "chat" in seen.path]


def results(body: dict[str, Any]) -> list[str]:
    return [m["content"] for m in body["messages"] if m["role"] == "tool"]


def test_a_real_server_is_used_and_started_for_its_first_use_alone(work: Path) -> None:
    time_server = {
        "command": sys.executable,
        "args": ["-m", "mcp_server_time", "--local-timezone", "UTC"],
        "trust": True,
    }
    config = servers(time=time_server)
    wanted = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    ended, bodies = run(
        work,
        config,
        call("use_tool", tool="time:convert_time"),
        call("use_tool", tool="time:convert_time", arguments=wanted),
        call("mcp__time__convert_time", **wanted),
        text("Done."),
    )
    assert ended.code == 0, ended.err
    opening = bodies[0]["messages"][1]["content"]
    assert "time:convert_time" in opening
    assert [t["function"]["name"] for t in bodies[0]["tools"]][-1] == "use_tool"
    manual, by_use, direct = results(bodies[-1])
    assert "source_timezone" in manual
    assert "21:00" in by_use
    assert "21:00" in direct
    # The second time all is known beforehand: the same bytes are sent, and nothing is loaded.
    file = work.parent / "config.toml"
    with scripted.ScriptedServer([text("Hello.")]) as server:
        again = subprocess.run(
            [sys.executable, "-P", "-c", LOADED, "--config", file, "run", "x"],
            cwd=work,
            env=Program(work, server.base_url, kind="mcp").environment(),
            capture_output=True,
            check=True,
        )
    assert json.loads(again.stderr.splitlines()[-1]) == []
    (other,) = [seen.json for seen in server.requests if "chat" in seen.path]
    assert json.dumps(other["tools"]) == json.dumps(bodies[0]["tools"])
    assert other["messages"][1]["content"] == opening.replace("say hello", "x")


def test_untrusted_calls_are_not_made_without_a_person(work: Path) -> None:
    config = servers(odd=strange("none"))
    reply = call("use_tool", tool="odd:echo", arguments={"text": "hello"})
    ended, bodies = run(work, config, reply, text("Done."))
    assert ended.code == 0, ended.err
    (refusal,) = results(bodies[-1])
    assert "outside the sandbox" in refusal
    allowed, bodies = run(
        work, config, reply, text("Done."), arguments=("--allow", "mcp(odd:echo)")
    )
    assert allowed.code == 0, allowed.err
    (answer,) = results(bodies[-1])
    assert answer == "hello and no secret"
    denied = ("-y", "--deny", "mcp(odd:*)", "-o", "stream-json")
    streamed, bodies = run(work, config, reply, text("Done."), arguments=denied)
    assert streamed.lines()[0]["mcp_servers"] == [{"name": "odd", "status": "pending"}]
    assert "denies it" in results(bodies[-1])[0]


def test_servers_get_no_secrets_but_those_they_are_given(work: Path) -> None:
    config = servers(odd=strange("none", env={"SECRET": "${HOME}"}, trust=True))
    reply = call("use_tool", tool="odd:echo", arguments={"text": "x"})
    ended, bodies = run(work, config, reply, text("Done."))
    assert ended.code == 0, ended.err
    assert results(bodies[-1]) == [f"x and {os.environ['HOME']}"]


def test_faults_of_a_server_are_told_and_the_run_goes_on(work: Path) -> None:
    config = servers(odd=strange("none", trust=True, timeout=1))

    def use(name: str) -> Any:
        return call("use_tool", tool=f"odd:{name}", arguments={"text": "hello"})

    ended, bodies = run(
        work, config,
        use("slow"), use("die"), use("echo"), use("flood"), use("fail"),
        call("use_tool", tool="odd:echo", arguments={}),
        call("use_tool", tool="odd:ecco", arguments={"text": "x"}),
        call("use_tool", tool="odd:echo", arguments='{"text": "as text"}'),
        call("use_tool", tool="odd:echo", text="beside"),
        call("use_tool", tool="odd:echo", arguments=None),
        text("Done."),
    )  # fmt: skip
    assert ended.code == 0, ended.err
    slow, died, echoed, flooded, failed, wrong, unknown, *otherwise = results(bodies[-1])
    assert "did not answer within 1 s" in slow
    assert "ended during the call, which may have been done or not" in died
    assert echoed == "hello and no secret"
    assert len(flooded) < 40_000
    assert failed == "hello"
    assert "`text` is missing" in wrong
    assert "odd:echo" in unknown
    as_text, beside, none = otherwise
    assert as_text.startswith("as text and no secret")
    assert beside.startswith("beside and no secret")
    assert "Arguments (JSON Schema)" in none


@pytest.mark.parametrize(
    "fault, why",
    [
        ("dies", "no licence was found"),
        ("hangs", "did not answer within 1 s"),
        ("garbage", "cannot be used"),
        ("endless", "cannot be used"),
    ],
)
def test_a_server_that_cannot_be_used_is_told_of_once(work: Path, fault: str, why: str) -> None:
    ended, bodies = run(work, servers(odd=strange(fault, startup_timeout=1)), text("Hello."))
    assert ended.code == 0
    assert ended.err.count("the MCP server `odd`") == 1
    assert why in ended.err
    assert "\x1b" not in ended.err
    assert "odd" not in bodies[0]["messages"][1]["content"]


def test_what_lies_about_its_schema_is_left_out_and_the_rest_is_used(work: Path) -> None:
    ended, bodies = run(
        work,
        servers(odd=strange("lies", trust=True)),
        call("use_tool", tool="odd:good", arguments={"text": "hello"}),
        call("use_tool", tool="odd:seen"),
        call("use_tool", tool="odd:deep", arguments={"x": {}}),
        text("Done."),
        arguments=("--approval-mode", "plan"),
    )
    assert ended.code == 0
    good, seen, deep = results(bodies[-1])
    assert good == "hello"  # it only reads, says a server that is trusted
    assert "Arguments (JSON Schema)" in seen
    assert "plan mode" in deep
    told = bodies[0]["messages"][1]["content"]
    assert "odd:good" in told
    assert "odd:deep" in told
    for name in ("il", "a b", "huge", "list:", "props"):
        assert f"odd:{name}" not in told
    assert ended.err.count("is left out") == 5, ended.err
    assert "two tools `good`" in ended.err
    assert "\x1b" not in ended.out + ended.err + json.dumps(bodies[-1], ensure_ascii=False)
    assert "\u202e" not in json.dumps(bodies[-1], ensure_ascii=False)


def test_fifty_tools_add_at_most_600_tokens_to_the_opening(work: Path) -> None:
    without, plain = run(work, "", text("Hello."))
    ended, bodies = run(work, servers(github=strange("many", "50")), text("Hello."))
    assert (without.code, ended.code) == (0, 0), ended.err

    told = bodies[0]["messages"][1]["content"]
    assert "create_issue" in told
    assert "list_label" in told
    assert 100 < tokens(bodies[0]) - tokens(plain[0]) <= 600


def test_a_model_that_sees_is_shown_the_pictures_behind_all_answers(work: Path) -> None:
    config = "vision = true\n" + servers(odd=strange("none", trust=True))
    ended, bodies = run(
        work,
        config,
        calls(("mcp__odd__picture", {"text": "a"}), ("mcp__odd__echo", {"text": "b"})),
        text("A dot."),
    )
    assert ended.code == 0, ended.err
    *_, first, second, shown = bodies[-1]["messages"]
    assert "[image/png, shown below]" in first["content"]
    assert second["content"].startswith("b and")
    assert shown["role"] == "user"
    assert [part["type"] for part in shown["content"]] == ["text", "image_url"]
    assert shown["content"][1]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")


def test_a_server_in_the_sandbox_writes_to_the_workspace_alone(work: Path) -> None:
    free, held = work.parent / "free", work.parent / "held"
    config = servers(
        open=strange("none", trust=True), shut=strange("none", trust=True, sandbox=True)
    )
    ended, bodies = run(
        work,
        config,
        call("mcp__open__write", text=str(free)),
        call("mcp__shut__write", text=str(held)),
        call("mcp__shut__write", text=str(work / "inside")),
        text("Done."),
    )
    assert ended.code == 0, ended.err
    one, _, three = results(bodies[-1])
    assert one == f"wrote {free}"
    assert three == f"wrote {work / 'inside'}"
    assert (free.exists(), held.exists(), (work / "inside").exists()) == (True, False, True)
