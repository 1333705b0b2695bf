"""Runs in which the model hands tasks to other agents, from end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from program import Ended, Program, repository
from scripted_server import Seen, call, calls, text


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return repository(folder, {"a.py": "def f():\n    return 1\n", "b.py": "x = 1\n"})


def define(name: str, body: str = "You do it.", folder: Path | None = None, **fields: str) -> None:
    folder = folder or Path.home() / ".claude"
    file = folder / "agents" / f"{name}.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    head = "\n".join(f"{key}: {value}" for key, value in fields.items())
    file.write_text(f"---\nname: {name}\ndescription: does {name}\n{head}\n---\n{body}\n")


def run(work: Path, script: Any, *arguments: str) -> tuple[Ended, list[Any]]:
    with scripted.ScriptedServer(script) as server:
        ended = Program(work, server.base_url).run("run", *arguments, "go on")
    return ended, [seen.json for seen in server.requests if "chat" in seen.path]


def task(kind: str, prompt: str) -> Any:
    return call("agent", subagent_type=kind, prompt=prompt, description="a part")


def of(bodies: list[Any], words: str) -> list[Any]:
    """The requests whose first message of a person has these words."""
    return [b for b in bodies if words in json.dumps(b["messages"][1])]


def test_only_the_answer_comes_back_and_its_cost_counts(work: Path) -> None:
    define("finder", "You find things.", tools="Read, Grep")

    def reply(seen: Seen) -> Any:
        said = json.dumps(seen.json["messages"])
        if "look into a.py" in json.dumps(seen.json["messages"][1]):
            return text("f returns 1, a.py:2.") if "return 1" in said else call(
                "read_file", file_path="a.py")  # fmt: skip
        return text("Known.") if "f returns 1" in said else task("finder", "look into a.py")

    ended, bodies = run(work, reply, "-o", "json")
    assert ended.code == 0, ended.err
    first, *_ = bodies
    agent = next(t["function"] for t in first["tools"] if t["function"]["name"] == "agent")
    assert "- finder: does finder" in agent["description"]
    inner = of(bodies, "look into a.py")
    assert [t["function"]["name"] for t in inner[0]["tools"]] == ["read_file", "grep_search"]
    assert "You find things." in inner[0]["messages"][0]["content"]
    assert "go on" not in json.dumps(inner[0]["messages"])
    last = bodies[-1]["messages"]
    assert last[-1]["content"] == "f returns 1, a.py:2."
    assert "return 1\n" not in json.dumps(last[2:])
    result = ended.json()
    assert result["usage"]["input_tokens"] == 4000  # four requests of 1,000
    journals = list(Path.home().glob(".local/state/qcode/sessions/*.agents/*.jsonl"))
    assert len(journals) == 1
    assert "look into a.py" in journals[0].read_text()
    listed = Program(work, None).run("sessions")
    assert listed.out.count("go on") == 1
    assert "look into" not in listed.out
    assert Program(work, None).run("sessions", "rm", result["session_id"]).code == 0
    assert not journals[0].exists()


def test_agents_work_side_by_side_and_their_edits_are_steps(work: Path) -> None:
    define("hand")

    def reply(seen: Seen) -> Any:
        told, said = json.dumps(seen.json["messages"][1]), json.dumps(seen.json["messages"])
        for name, old in (("a.py", "return 1"), ("b.py", "x = 1")):
            if f"change {name}" in told:
                new = old.replace("1", "2")
                edit = call("edit", file_path=name, old_string=old, new_string=new)
                return text(f"Changed {name}.") if "Edited" in said else edit
        both = [
            ("agent", {"subagent_type": "hand", "prompt": f"change {name}"})
            for name in ("a.py", "b.py")
        ]
        return text("Done.") if "Changed b.py" in said else calls(*both)

    ended, bodies = run(work, reply, "-y")
    assert ended.code == 0, ended.err
    assert "return 2" in (work / "a.py").read_text()
    assert (work / "b.py").read_text() == "x = 2\n"
    answers = [m["content"] for m in bodies[-1]["messages"] if m["role"] == "tool"]
    assert answers == ["Changed a.py.", "Changed b.py."]
    # The second agent was asked before the first one was done.
    order = ["a" if of([b], "change a.py") else "b" for b in bodies if of([b], "change ")]
    assert {*order[:2]} == {"a", "b"}
    points = Program(work, None).run("checkpoints")
    assert points.out.count("edit ") == 2
    assert Program(work, None).run("undo", "1", "-y").code == 0
    assert "return 1" in (work / "a.py").read_text()
    assert (work / "b.py").read_text() == "x = 1\n"


def test_an_isolated_agent_brings_back_one_step_or_a_patch(work: Path) -> None:
    define("apart", isolation="worktree")
    state = {"n": 0}

    def reply(seen: Seen) -> Any:
        told, said = json.dumps(seen.json["messages"][1]), json.dumps(seen.json["messages"])
        if "do both" in told:
            if "exit" in said or "Edited b.py" in said:
                return text("Both done.")
            if "Edited a.py" in said:
                return call("edit", file_path="b.py", old_string="x = 1", new_string="x = 5")
            assert (work / "a.py").read_text() == "def f():\n    return 1\n" or state["n"]
            return call("edit", file_path="a.py", old_string="f()", new_string="g()")
        if "clash" in told:
            (work / "b.py").write_text("x = 7\n")
            if "Edited" in said:
                return text("Changed.")
            return call("edit", file_path="b.py", old_string="x = 5", new_string="x = 6")
        if "Both done" not in said:
            return task("apart", "do both")
        state["n"] = 1
        return text("End.") if "Changed." in said else task("apart", "clash")

    ended, bodies = run(work, reply, "-y")
    assert ended.code == 0, ended.err
    first, second = [m["content"] for m in bodies[-1]["messages"] if m["role"] == "tool"]
    assert first == "Both done.\n[What it changed is in the files now: a.py, b.py.]"
    assert "def g()" in (work / "a.py").read_text()
    assert "not in the files: changed meanwhile in the same lines: b.py" in second
    assert (work / "b.py").read_text() == "x = 7\n"
    assert list(Path.home().glob(".cache/qcode/worktrees/*")) == []
    points = Program(work, None).run("checkpoints")
    assert "agent apart-1" in points.out


def test_an_agent_is_held_to_what_the_session_may_do(work: Path) -> None:
    define("planner", permissionMode="plan")
    define("loose", permissionMode="bypassPermissions")
    edit = call("edit", file_path="a.py", old_string="return 1", new_string="return 2")

    def reply(seen: Seen) -> Any:
        told, said = json.dumps(seen.json["messages"][1]), json.dumps(seen.json["messages"])
        if "try it" in told:
            return text("Not allowed.") if '"tool"' in said else edit
        return text("Done.") if said.count('"role": "tool"') == 2 else (
            task("planner", "try it") if '"role": "tool"' not in said else task("loose", "try it")
        )  # fmt: skip

    ended, bodies = run(work, reply)
    assert ended.code == 0, ended.err
    inner = [b["messages"][-1]["content"] for b in of(bodies, "try it") if len(b["messages"]) > 2]
    assert "plan mode only reads" in inner[0]
    assert "nobody is there to ask" in inner[1]
    assert "return 1" in (work / "a.py").read_text()


def test_an_agent_that_comes_to_no_end_is_ended_and_told_of(work: Path) -> None:
    define("endless", maxTurns="3")
    define("dead", model="nowhere/at-all")

    def reply(seen: Seen) -> Any:
        told, said = json.dumps(seen.json["messages"][1]), json.dumps(seen.json["messages"])
        if "for ever" in told:
            return call("read_file", file_path="a.py", offset=len(seen.json["messages"]) % 2)
        if "does not serve" in said:
            return text("Done.")
        return task("dead", "be dead") if "did not come to an end" in said else task(
            "endless", "for ever")  # fmt: skip

    ended, bodies = run(work, reply)
    assert ended.code == 0, ended.err
    assert len(of(bodies, "for ever")) == 3
    first, second = [m["content"] for m in bodies[-1]["messages"] if m["role"] == "tool"]
    assert "3 steps is used up" in first
    assert "Do the rest yourself" in first
    assert "The agent dead was not started: " in second
    assert "does not serve `nowhere/at-all`" in second
    assert not of(bodies, "be dead")
    # The budget of the run is for all together.
    ended, bodies = run(work, reply, "--max-steps", "1")
    assert ended.code == 4
    limited, bodies = run(work, reply, "--max-tokens", "2500")
    assert limited.code == 4
    assert len(bodies) <= 4


def test_bad_definitions_are_told_of_and_a_project_needs_trust(work: Path) -> None:
    define("good")
    agents = Path.home() / ".claude/agents"
    (agents / "none.md").write_text("no front matter\n")
    (agents / "bad.md").write_text("---\nname: ../x\ndescription: y\n---\nbody\n")
    (agents / "mode.md").write_text("---\ndescription: y\npermissionMode: wild\n---\nbody\n")
    (agents / "binary.md").write_bytes(b"\x00\xff\xfe")
    (agents / "link.md").symlink_to("/dev/zero")
    define("theirs", folder=work / ".qwen")
    ended, bodies = run(work, [text("Hi.")])
    assert ended.code == 0
    for name in ("none", "bad", "mode", "binary", "link"):
        assert f"{name}.md` is left out: " in ended.err
    told = json.dumps(bodies[0]["tools"])
    assert "does good" in told
    assert "does theirs" not in told
    assert Program(work, None).run("trust", "-y").code == 0
    _, bodies = run(work, [text("Hi.")])
    assert "does theirs" in json.dumps(bodies[0]["tools"])


def test_without_definitions_nothing_is_told(work: Path) -> None:
    _, bodies = run(work, [text("Hi.")])
    assert "agent" not in [t["function"]["name"] for t in bodies[0]["tools"]]
    config = Path.home() / ".config/qcode/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("subagents = true\n")
    _, bodies = run(work, [text("Hi.")])
    told = json.dumps(bodies[0]["tools"][-1])
    assert "explore" in told
    assert "general" in told
