"""Hooks from end to end: real programs, real runs, a scripted model."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from held import held, said
from program import Ended, Program, repository
from scripted_server import call, text

EDIT = call("edit", file_path="a.py", old_string="return 1", new_string="return 2")
SEEN = (
    "import json,sys,os; told=json.load(sys.stdin); "
    'open(os.environ["OUT"],"a").write(json.dumps(told)+"\\n")'
)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.setenv("OUT", str(tmp_path / "seen.jsonl"))
    return repository(folder, {"a.py": "def f():\n    return 1\n"})


def configure(**events: Any) -> None:
    """Write hooks to the person's configuration: event to (matcher, command, more)."""
    lines = []
    for event, rules in events.items():
        for matcher, command, *more in rules:
            lines += [f"[[hooks.{event}]]", f"matcher = {json.dumps(matcher)}"]
            lines += [f"command = {json.dumps(command)}", *more]
    file = Path.home() / ".config/qcode/config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines))


def python(code: str, file: Path) -> str:
    """Return the command of a hook in Python, which has what it is told as `told`."""
    head = "import json, os, sys, time\ntold = json.load(sys.stdin)\n"
    file.write_text(head + code)
    return f"{sys.executable} {file}"


def run(work: Path, *replies: Any, arguments: tuple[str, ...] = ("-y",)) -> tuple[Ended, Any]:
    with scripted.ScriptedServer([*replies]) as server:
        ended = Program(work, server.base_url).run("run", *arguments, "mend f")
    bodies = [seen.json for seen in server.requests if "chat" in seen.path]
    return ended, [body["messages"] for body in bodies]


def seen() -> list[dict[str, Any]]:
    file = Path(os.environ["OUT"])
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_hooks_are_told_of_calls_and_their_results(work: Path, tmp_path: Path) -> None:
    watch = f"{sys.executable} -c '{SEEN}'"
    configure(
        PreToolUse=[("Bash|Edit", watch)],
        PostToolUse=[("edit", watch)],
        SessionStart=[("", watch)],
        UserPromptSubmit=[("", watch)],
        Stop=[("", watch)],
        SessionEnd=[("", watch)],
    )
    ended, _ = run(work, call("read_file", file_path="a.py"), EDIT, text("Done."))
    assert ended.code == 0, ended.err
    told = seen()
    events = ["SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop", "SessionEnd"]
    assert [one["hook_event_name"] for one in told] == events
    start, prompt, before, after, stop, _ = told
    assert start["source"] == "startup"
    assert prompt["prompt"] == "mend f"
    assert before["tool_name"] == "edit"
    assert before["tool_input"]["file_path"] == str(work / "a.py")
    assert before["permission_mode"] == "yolo"
    assert "Edited a.py" in after["tool_response"]["content"]
    assert stop["stop_hook_active"] is False
    assert stop["last_assistant_message"] == "Done."
    assert before["cwd"] == str(work)
    assert Path(before["transcript_path"]).exists()


@pytest.mark.parametrize(
    "code, why",
    [
        ("print('not this file', file=sys.stderr); sys.exit(2)", "not this file"),
        (
            """print(json.dumps({'hookSpecificOutput': {'permissionDecision': 'deny',
            'permissionDecisionReason': 'not on Fridays'}}))""",
            "not on Fridays",
        ),
        ("print(json.dumps({'decision': 'block', 'reason': 'old form'}))", "old form"),
    ],
)
def test_a_hook_refuses_a_call_and_the_model_is_told_why(
    work: Path, tmp_path: Path, code: str, why: str
) -> None:
    configure(PreToolUse=[("Edit|Write", python(code, tmp_path / "hook.py"))])
    ended, messages = run(work, EDIT, text("Then not."))
    assert ended.code == 0, ended.err
    assert why in messages[-1][-1]["content"]
    assert "return 1" in (work / "a.py").read_text()


def test_a_patch_is_told_of_by_each_file_to_hooks_of_claude(work: Path) -> None:
    patch = (
        "*** Begin Patch\n*** Update File: a.py\n@@\n-    return 1\n+    return 2\n"
        "*** Add File: b.py\n+x = 1\n*** End Patch\n"
    )
    (work / ".claude").mkdir()
    guard = (
        'grep -q \'"file_path": "[^"]*/b.py"\' && { echo \'b.py is mine\' >&2; exit 2; } || true'
    )
    hooks = {"PreToolUse": [{"matcher": "Edit", "hooks": [{"type": "command", "command": guard}]}]}
    (work / ".claude/settings.json").write_text(json.dumps({"hooks": hooks}))
    reply = call("apply_patch", patch=patch)
    untrusted, messages = run(work, reply, text("Done."))
    assert "1 hook in this folder" in untrusted.err
    assert (work / "b.py").exists()
    Program(work, None).run("undo", "-y")
    assert Program(work, None).run("trust", "-y").code == 0
    trusted, messages = run(work, reply, text("Then not."))
    assert trusted.code == 0, trusted.err
    assert "b.py is mine" in messages[-1][-1]["content"]
    assert not (work / "b.py").exists()


def test_hooks_of_a_project_are_run_in_the_sandbox(work: Path, tmp_path: Path) -> None:
    (work / ".qcode").mkdir()
    outside = tmp_path / "outside.txt"
    (work / ".qcode/config.toml").write_text(
        f"[[hooks.PreToolUse]]\ncommand = \"echo x > '{outside}'; echo x > inside.txt\"\n"
    )
    assert Program(work, None).run("trust", "-y").code == 0
    ended, _ = run(work, EDIT, text("Done."))
    assert ended.code == 0, ended.err
    assert (work / "inside.txt").exists()
    assert not outside.exists()


def test_a_hook_allows_changes_and_adds(work: Path, tmp_path: Path) -> None:
    code = """
changed = {**told["tool_input"], "new_string": "return 3"}
print(json.dumps({"hookSpecificOutput": {"permissionDecision": "allow", "updatedInput": changed,
                                         "additionalContext": "three is better"}}))
"""
    configure(PreToolUse=[("Edit", python(code, tmp_path / "hook.py"))])
    ended, messages = run(work, EDIT, text("Done."), arguments=())
    assert ended.code == 0, ended.err
    assert "return 3" in (work / "a.py").read_text()
    told = messages[-1][-1]["content"]
    assert "A hook changed this call" in told
    assert "three is better" in told
    # What a rule denies stays denied.
    _, messages = run(work, EDIT, text("Done."), arguments=("--deny", "edit(a.py)"))
    assert "denies it" in messages[-1][-1]["content"]


def test_messages_are_added_to_and_held_back(work: Path, tmp_path: Path) -> None:
    code = """
if "secret" in told["prompt"]:
    print("no secrets", file=sys.stderr)
    sys.exit(2)
print("it is raining")
"""
    configure(
        UserPromptSubmit=[("", python(code, tmp_path / "hook.py"))],
        SessionStart=[("startup", "echo branch: main")],
    )
    ended, messages = run(work, text("Hi."))
    assert ended.code == 0, ended.err
    said = messages[0][-1]["content"]
    assert said.index("branch: main") < said.index("mend f") < said.index("it is raining")
    with scripted.ScriptedServer([text("Hi.")]) as server:
        refused = Program(work, server.base_url).run("run", "tell the secret")
    assert refused.code != 0
    assert "no secrets" in refused.err
    assert not [one for one in server.requests if "chat" in one.path]


def test_a_hook_has_the_model_go_on_until_it_is_content(work: Path, tmp_path: Path) -> None:
    code = """
if "return 2" not in open("a.py").read():
    print("f still returns 1", file=sys.stderr)
    sys.exit(2)
"""
    configure(Stop=[("", python(code, tmp_path / "hook.py"))])
    ended, messages = run(work, text("Done?"), EDIT, text("Done."))
    assert ended.code == 0, ended.err
    assert messages[1][-1]["content"] == "f still returns 1"
    assert ended.out.strip() == "Done."


def test_a_hook_that_never_lets_go_is_let_go(work: Path) -> None:
    configure(Stop=[("", "echo more >&2; exit 2")])
    ended, messages = run(work, *[text(f"Done {n}.") for n in range(15)])
    assert ended.code == 0, ended.err
    assert len(messages) == 11


def test_a_hook_ends_the_turn(work: Path, tmp_path: Path) -> None:
    code = "print(json.dumps({'continue': False, 'stopReason': 'the budget of Ada'}))"
    configure(PostToolUse=[("", python(code, tmp_path / "hook.py"))])
    ended, messages = run(work, EDIT, text("Never."))
    assert ended.code != 0
    assert "the budget of Ada" in ended.err
    assert len(messages) == 1


@pytest.mark.parametrize(
    "command, why",
    [
        ("sleep 60", "took longer than 0.5 s"),
        ("/no/such/program", "it failed (exit 127"),
        ("kill -9 $$", "it failed (signal 9"),
        ("yes", "took longer than 0.5 s"),
        ("echo '{broken'", "JSON that cannot be read"),
        ("printf '\\033]0;x\\007{' ; exit 1", "it failed (exit 1"),
    ],
)
def test_a_hook_that_fails_is_told_of_and_blocks_nothing(
    work: Path, command: str, why: str
) -> None:
    configure(PreToolUse=[("Edit", command, "timeout = 0.5")])
    ended, _ = run(work, EDIT, text("Done."))
    assert ended.code == 0, ended.err
    assert why in ended.err
    assert "\x1b" not in ended.err
    assert "return 2" in (work / "a.py").read_text()


def test_what_a_hook_leaves_running_is_not_waited_for(work: Path) -> None:
    configure(PreToolUse=[("Edit", "sleep 50 & echo ok", "timeout = 20")])
    ended, _ = run(work, EDIT, text("Done."))
    assert ended.code == 0, ended.err
    assert "took longer" not in ended.err


def test_hooks_that_cannot_be_read_are_told_of(work: Path) -> None:
    configure(PreToolUse=[("(", "true")], Nope=[("", "true")], Stop=[("", "")])
    ended, _ = run(work, text("Hi."))
    assert ended.code == 0
    assert "no regular expression" in ended.err
    assert "no hook event `Nope`" in ended.err
    assert "it has no `command`" in ended.err


def test_a_hook_answers_for_the_person_only_what_a_rule_could_allow(
    work: Path, tmp_path: Path
) -> None:
    allow = json.dumps({"hookSpecificOutput": {"decision": {"behavior": "allow"}}})
    configure(PermissionRequest=[("", f"echo '{allow}'")])
    outside = tmp_path / "outside.txt"
    away = call("write_file", file_path=str(outside), content="x")
    ended, messages = run(work, EDIT, away, text("Done."), arguments=())
    assert ended.code == 0, ended.err
    assert "return 2" in (work / "a.py").read_text()
    assert not outside.exists()
    assert "outside the workspace" in messages[-1][-1]["content"]


def test_what_a_hook_makes_of_files_is_taken_back_with_the_call(work: Path) -> None:
    configure(PostToolUse=[("Edit", "echo '# formatted' >> a.py")])
    ended, _ = run(work, EDIT, text("Done."))
    assert ended.code == 0, ended.err
    assert (work / "a.py").read_text() == "def f():\n    return 2\n# formatted\n"
    undone = Program(work, None).run("undo", "-y")
    assert undone.code == 0, undone.err
    assert (work / "a.py").read_text() == "def f():\n    return 1\n"


def test_a_hook_that_ends_a_turn_at_its_end_changes_nothing_of_it(work: Path) -> None:
    halt = json.dumps({"continue": False, "stopReason": "enough", "decision": "block"})
    configure(Stop=[("", f"echo '{halt}'")], SessionEnd=[("", f"echo '{halt}'")])
    ended, messages = run(work, text("Done."))
    assert ended.code == 0, ended.err
    assert ended.out == "Done.\n"
    assert "enough" in ended.err
    assert len(messages) == 1


def test_what_hooks_say_and_hear_is_masked(work: Path, tmp_path: Path) -> None:
    token = "ghp_" + "a1B2" * 8
    (work / "b.txt").write_text(f"{token}\n")
    watch = f"{sys.executable} -c '{SEEN}'"
    configure(PostToolUse=[("Read", watch)], SessionStart=[("", f"echo {token} >&2; exit 2")])
    ended, _ = run(work, call("read_file", file_path="b.txt"), text("Done."))
    assert ended.code == 0, ended.err
    assert "the SessionStart hook" in ended.err
    assert token not in ended.err
    assert token not in json.dumps(seen()[0]["tool_response"])


def test_messages_said_meanwhile_and_after_a_refused_one_go_through_hooks(
    work: Path, tmp_path: Path
) -> None:
    code = "if 'secret' in told['prompt']: print('no secrets', file=sys.stderr); sys.exit(2)\n"
    guard = {"command": python(code, tmp_path / "hook.py")}
    notes: list[str] = []
    hooks = {"UserPromptSubmit": [guard], "SessionStart": [{"command": "echo it is spring"}]}
    replies = [call("read_file", file_path="a.py"), text("Done.")]
    with (
        scripted.ScriptedServer(replies) as server,
        asyncio.Runner() as runner,
        held(
            work, base_url=server.base_url, runner=runner, note=notes.append, hooks=hooks
        ) as session,
    ):
        runner.run(said(session, "a secret"))
        assert not server.requests
        session.steer("another secret")
        session.steer("and this")
        runner.run(said(session, "begin"))
        requests = [json.dumps(seen.json["messages"]) for seen in server.requests]
    assert "it is spring" in requests[0]
    assert "and this" in requests[0]
    assert "secret" not in requests[-1]
    assert notes == ["a hook does not let this be sent: no secrets"]
