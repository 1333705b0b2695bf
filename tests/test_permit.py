"""Calls through the whole permission: mode, rules, sandbox and a person's word."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from qcode.agent import Agent
from qcode.approvals import ApprovalRequest, Approver, Decision, Nobody, Scope
from qcode.boundary import Boundary, Unconfined
from qcode.editing.effects import FileEffect
from qcode.errors import ToolError
from qcode.messages import ToolCall
from qcode.permissions import Mode
from qcode.permit import Gate, Permitted
from qcode.record import Record, replace
from qcode.rules import rules_of
from qcode.sandbox.plain import Plain
from qcode.sandbox.policy import Grant
from qcode.tools import all_tools
from qcode.tools.base import Context
from qcode.tools.jobs import Jobs
from qcode.tools.schema import parse
from qcode.workspace import Workspace


class Held(Record):
    """A sandbox that holds, with `.env` hidden and no network."""

    workspace: Workspace
    label: str = "bubblewrap, no network"
    refusal: str = ""
    confines: bool = True
    read_only: bool = False
    asks_each: bool = False
    network: str = "off"

    def contacts(self) -> list[tuple[str, bool]]:
        return []

    async def ready(self) -> None:
        """It is."""

    def inside(self, real: Path) -> bool:
        return self.workspace.contains(real)

    def hidden(self, real: Path) -> str:
        return "it holds secrets" if real.name == ".env" else ""

    def protected(self, written: str) -> str:
        return "it is obeyed" if self.workspace.guards(written) else ""

    def writable(self, real: Path) -> bool:
        return self.workspace.contains(real) and not self.read_only

    def beyond(self, grant: Grant) -> Grant:
        return replace(grant, write=tuple(p for p in grant.write if not self.writable(Path(p))))


@dataclass
class Person:
    answer: Decision = field(default_factory=lambda: Decision(allowed=True))
    asked: list[ApprovalRequest] = field(default_factory=list)

    async def decide(self, request: ApprovalRequest) -> Decision:
        self.asked.append(request)
        return replace(self.answer, rules=request.rules)


class Desk:
    """A session's permissions with nothing else of it."""

    def __init__(
        self,
        root: Path,
        mode: Mode = Mode.DEFAULT,
        *,
        approver: Approver | None = None,
        boundary: Boundary | None = None,
        allow: tuple[str, ...] = (),
        deny: tuple[str, ...] = (),
        ask: tuple[str, ...] = (),
    ) -> None:
        root.mkdir(exist_ok=True)
        (root / "src").mkdir(exist_ok=True)
        (root / ".env").write_text("KEY=1")
        self.person = Person()
        self.kept: list[tuple[str, ...]] = []
        workspace = Workspace.at(root)
        context = Context(
            workspace, {}, root.parent / "spill", Jobs(), Plain({"PATH": "/usr/bin:/bin"})
        )
        self.tools = {tool.name: tool for tool in all_tools()}
        self.agent = Agent(
            provider=None,  # type: ignore[arg-type]  # nothing is sent
            system="",
            tools=self.tools,
            specs=(),
            context=context,
            approver=approver or self.person,
            mode=mode,
            max_output_tokens=1,
            new_call_id=lambda: "c",
            rules=rules_of(allow, ask, deny)[0],
            remember=self.kept.append,
        )
        self.boundary = boundary or Held(workspace)

    def call(self, name: str, **arguments: Any) -> Permitted:
        tool = self.tools[name]
        text = json.dumps(arguments)
        params = parse(tool, text)
        gate = Gate(self.agent, self.boundary, lambda *_: None)
        return asyncio.run(
            gate.permit(ToolCall("c", name, text), tool, params, tool.summary(params))
        )

    def shell(self, command: str, **more: Any) -> Permitted:
        return self.call("run_shell_command", command=command, **more)

    @property
    def asked(self) -> int:
        return len(self.person.asked)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "w"


READING = ("ls -la src", "cat a | head -5 | wc -l", "grep -rn 'def ' src || true", "cd src && ls")


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("mode", list(Mode))
def test_reading_is_not_asked_about_in_a_sandbox(root: Path, mode: Mode, command: str) -> None:
    desk = Desk(root, mode)

    assert desk.shell(command) == Permitted()
    assert desk.asked == 0


@pytest.mark.parametrize("command", READING)
def test_without_a_sandbox_reading_is_asked_about_too(root: Path, command: str) -> None:
    desk = Desk(root, boundary=Unconfined(Workspace.at(root.parent / "w")))

    desk.shell(command)

    assert desk.asked == 1
    assert desk.person.asked[0].sandbox == "no sandbox"


@pytest.mark.parametrize("command", ["cat /etc/passwd", "cat .env", "touch x", "ls; touch x"])
def test_all_else_is_asked_about_where_the_mode_says_so(root: Path, command: str) -> None:
    for mode, asked in ((Mode.DEFAULT, 1), (Mode.AUTO_EDIT, 1), (Mode.YOLO, 0)):
        desk = Desk(root, mode)
        assert desk.shell(command).refusal == ""
        assert desk.asked == asked
    assert "plan mode" in Desk(root, Mode.PLAN).shell(command).refusal


def test_where_nobody_is_there_a_question_is_a_refusal_that_says_what_would_help(
    root: Path,
) -> None:
    desk = Desk(root, approver=Nobody())

    said = desk.shell("pytest -q").refusal

    assert said.startswith("Not allowed: it runs a command, and nobody is there to ask; ")
    assert "-y or with --allow 'shell(pytest *)'" in said


def test_a_command_that_no_sandbox_may_hold_is_not_run(root: Path) -> None:
    none = Held(Workspace.at(root), refusal="no sandbox can be had here", confines=False)

    for mode in (Mode.DEFAULT, Mode.YOLO):
        desk = Desk(root, mode, boundary=none)
        assert desk.shell("touch x").refusal == "Not run: no sandbox can be had here."
        assert desk.asked == 0


@pytest.mark.parametrize("mode", [Mode.DEFAULT, Mode.AUTO_EDIT, Mode.YOLO])
@pytest.mark.parametrize(
    "command", ["git reset --hard", "ls; git clean -fdx", "bash -c 'rm -rf .'"]
)
def test_what_loses_work_is_asked_about_each_time(root: Path, mode: Mode, command: str) -> None:
    desk = Desk(root, mode, allow=("shell(*)", "shell(ls *)"))
    desk.person.answer = Decision(allowed=True, scope=Scope.ALWAYS)

    desk.shell(command)
    desk.shell(command)

    assert desk.asked == 2
    assert desk.person.asked[0].scopes == (Scope.ONCE,)
    assert "no checkpoint is kept" in desk.person.asked[0].reason
    assert desk.kept == []
    assert "nobody is there" in Desk(root, mode, approver=Nobody()).shell(command).refusal


def test_a_rule_that_says_so_allows_what_loses_work(root: Path) -> None:
    desk = Desk(root, Mode.YOLO, allow=("shell(git reset --hard *)",))

    assert desk.shell("git reset --hard HEAD~1") == Permitted()
    assert desk.asked == 0
    desk.shell("git reset --hard; git clean -fdx")
    assert desk.asked == 1


def test_rules_decide_by_part_and_deny_wins(root: Path) -> None:
    desk = Desk(
        root,
        allow=("shell(pytest *)", "shell(git commit *)"),
        deny=("shell(git commit --amend *)",),
    )

    assert desk.shell("cd src && pytest -q | tail -5") == Permitted()
    assert desk.asked == 0
    desk.shell("pytest -q && make")
    assert desk.asked == 1
    assert desk.person.asked[0].rules == ("shell(make)",)
    assert "shell(git commit --amend *) denies" in desk.shell("pytest; git commit --amend").refusal
    assert "denies" in Desk(root, Mode.YOLO, deny=("shell(curl *)",)).shell("curl x").refusal


def test_an_asking_rule_asks_in_every_mode(root: Path) -> None:
    desk = Desk(root, Mode.YOLO, ask=("shell(npm publish *)",), allow=("shell(npm *)",))

    desk.shell("npm publish")
    desk.shell("npm test")

    assert desk.asked == 1


def test_for_the_session_and_always_are_remembered_as_the_rules_that_were_shown(
    root: Path,
) -> None:
    desk = Desk(root)
    desk.person.answer = Decision(allowed=True, scope=Scope.SESSION)
    desk.shell("pytest -q")
    desk.shell("pytest tests -k x")
    assert desk.asked == 1
    assert desk.kept == []

    desk.person.answer = Decision(allowed=True, scope=Scope.ALWAYS)
    desk.shell("npm run build")
    desk.shell("npm run build")
    desk.shell("npm run other")

    assert desk.asked == 3
    assert desk.kept == [("shell(npm run build)",), ("shell(npm run other)",)]


def test_a_command_that_no_rule_can_say_is_remembered_as_it_is_written(root: Path) -> None:
    desk = Desk(root)
    desk.person.answer = Decision(allowed=True, scope=Scope.SESSION)

    desk.shell("make $(cat x)")
    desk.shell("make $(cat x)")
    desk.shell("make $(cat y)")

    assert desk.asked == 2
    assert desk.person.asked[0].scopes == (Scope.ONCE, Scope.SESSION)


def test_more_than_the_sandbox_gives_is_a_question_in_every_mode(root: Path) -> None:
    for mode in (Mode.DEFAULT, Mode.AUTO_EDIT, Mode.YOLO):
        desk = Desk(root, mode, allow=("shell(*)",))

        permitted = desk.shell("pip download x", access="network, write:/opt/x")

        assert permitted.grant == Grant(network=True, write=("/opt/x",))
        assert desk.person.asked[0].grant == "the network, writing to /opt/x"
        assert "beyond" not in desk.person.asked[0].rules
    said = Desk(root, Mode.YOLO, approver=Nobody()).shell("x", access="network").refusal
    assert "--allow-network" in said
    assert "plan mode" in Desk(root, Mode.PLAN).shell("ls", access="network").refusal


def test_a_grant_for_the_session_is_for_that_command_and_that_alone(root: Path) -> None:
    desk = Desk(root, Mode.YOLO)
    desk.person.answer = Decision(allowed=True, scope=Scope.SESSION)

    for access in ("network", "network", "network,write:/opt"):
        desk.shell("pip download x", access=access)
    desk.shell("pip download y", access="network")

    assert desk.asked == 3


def test_what_the_policy_gives_already_is_no_question(root: Path) -> None:
    desk = Desk(root, Mode.YOLO)

    assert desk.shell("make", access="write:src") == Permitted()
    assert desk.asked == 0


@pytest.mark.parametrize("access", ["off", "everything", "write:", "network:x", "sandbox=off"])
def test_a_wish_that_is_none_is_told(root: Path, access: str) -> None:
    with pytest.raises(ToolError, match="network, write:PATH, read:PATH"):
        Desk(root, Mode.YOLO).shell("ls", access=access)


def test_hidden_files_are_asked_about_and_then_open(root: Path) -> None:
    desk = Desk(root, Mode.YOLO)

    desk.call("read_file", file_path=".env")
    desk.call("read_file", file_path=".env")

    assert desk.asked == 1
    assert desk.person.asked[0].reason == ".env: it holds secrets"
    assert desk.agent.context.allowed_hidden >= {root.resolve() / ".env"}


def test_protected_files_are_asked_about_each_time_whatever_the_rules(root: Path) -> None:
    desk = Desk(root, Mode.YOLO, allow=("edit(**)",))

    desk.call("write_file", file_path=".git/config", content="x")
    desk.call("write_file", file_path=".git/config", content="x")
    desk.call("write_file", file_path="a", content="x")

    assert desk.asked == 2


def test_a_read_only_sandbox_is_no_question(root: Path) -> None:
    desk = Desk(root, boundary=Held(Workspace.at(root), read_only=True))

    said = desk.call("write_file", file_path="a", content="x").refusal

    assert said == "Not allowed: a cannot be written to, the sandbox is read-only."
    assert desk.asked == 0


def test_file_rules_hold_for_tools_and_links(root: Path) -> None:
    desk = Desk(root, Mode.YOLO, deny=("edit(src/**)", "read(secret)"))
    (root / "link").symlink_to("src")

    for path in ("src/a", "./src/../src/a", "link/a", str(root / "src" / "a")):
        assert "denies" in desk.call("write_file", file_path=path, content="x").refusal
    assert "denies" in desk.call("read_file", file_path="secret").refusal
    assert "denies" in desk.shell("echo x > link/a").refusal
    assert desk.call("write_file", file_path="b", content="x") == Permitted()


def test_edits_are_asked_about_once_a_directory(root: Path) -> None:
    desk = Desk(root)
    desk.person.answer = Decision(allowed=True, scope=Scope.SESSION)

    for path in ("src/a", "src/deep/b", "c", "d", "other/e"):
        desk.call("write_file", file_path=path, content="x")

    assert [request.rules for request in desk.person.asked] == [
        ("edit(src/**)",), ("edit(./*)",), ("edit(other/**)",),
    ]  # fmt: skip


def test_a_rule_with_a_whole_path_opens_it_outside(root: Path, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    desk = Desk(root, Mode.YOLO, allow=(f"read({tmp_path}/lib/**)",))

    assert desk.call("read_file", file_path="../lib/a.h") == Permitted()
    assert desk.asked == 0
    assert desk.agent.context.path("../lib/a.h") == (tmp_path / "lib" / "a.h").resolve()
    desk.call("read_file", file_path="../other")
    assert desk.asked == 1


def test_a_tool_rule_holds_in_every_mode(root: Path) -> None:
    assert "denies" in Desk(root, Mode.YOLO, deny=("run_shell_command",)).shell("ls").refusal
    assert (
        "denies"
        in Desk(root, deny=("write_file",)).call("write_file", file_path="a", content="").refusal
    )


def test_a_no_with_words_is_the_answer(root: Path) -> None:
    desk = Desk(root)
    desk.person.answer = Decision(allowed=False, words="use make")

    assert desk.shell("pytest").refusal == "use make"


def test_a_variable_that_makes_programs_run_others_is_named(root: Path) -> None:
    desk = Desk(root)

    desk.shell("FOO=1 LD_PRELOAD=./x.so GIT_PAGER='sh -c x' git log")

    assert desk.person.asked[0].reason == "it runs a command, with another LD_PRELOAD, GIT_PAGER"


def test_what_a_denying_rule_cannot_tell_is_asked_about(root: Path) -> None:
    desk = Desk(root, Mode.YOLO, deny=("shell(git push *)",))

    desk.shell("git $(cat x)")

    assert desk.person.asked[0].reason == (
        "not all of it can be told before it runs, and shell(git push *) may deny it"
    )


def test_an_edit_is_asked_about_with_what_it_would_make_of_files(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "work")
    outside = tmp_path / "outside.txt"
    outside.write_text("a\n")

    desk.call("write_file", file_path="new.txt", content="n\n")
    desk.call("edit", file_path=str(outside), old_string="a", new_string="b")
    desk.call("edit", file_path=".env", old_string="KEY=1", new_string="KEY=2")
    desk.call("edit", file_path="none.txt", old_string="a", new_string="b")

    asked = [(request.files, request.trouble) for request in desk.person.asked]
    assert asked[:3] == [
        ((FileEffect("new.txt", None, "n\n"),), ""),
        ((FileEffect(str(outside), "a\n", "b\n"),), ""),
        ((FileEffect(".env", "KEY=1", "KEY=2"),), ""),
    ]
    assert asked[3] == (
        (),
        "none.txt does not exist. The workspace has src/.",
    )
    assert not (tmp_path / "work" / "new.txt").exists()


def test_a_changed_command_may_not_read_what_is_hidden_either(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "work", deny=("read(.env)",))
    first = Decision(allowed=False, arguments='{"command": "cat .env"}')
    answers = [first, Decision(allowed=False)]

    async def decide(request: ApprovalRequest) -> Decision:
        desk.person.asked.append(request)
        return answers.pop(0)

    desk.person.decide = decide  # type: ignore[method-assign]

    assert "said no" in desk.shell("make").refusal
    assert [(one.command, one.note) for one in desk.person.asked] == [
        ("make", ""),
        ("make", "Not allowed: the rule read(.env) denies it."),
    ]


def test_a_list_of_commands_is_asked_about_with_what_each_does(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "work", allow=("shell(make *)",))

    desk.shell("cat src/a && make x && touch b && cat .env")
    desk.shell("touch b")

    first, second = desk.person.asked
    assert [(part.text, part.findings) for part in first.parts] == [
        ("cat src/a", ("only reads",)),
        ("make x", ("a rule allows it",)),
        ("touch b", ("writes b",)),
        ("cat .env", (f"{tmp_path}/work/.env: it holds secrets",)),
    ]
    assert second.parts == ()
