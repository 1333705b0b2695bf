"""The session of one attack case: what the scripted model calls is run by the real qcode.

Run as a script by `attack_case.py`, with the case as JSON on descriptor 0.
It leaves `output.txt`, `screen.txt`, `result.json` and `asks.jsonl`, says so on one
descriptor, and closes the session when the other one is closed.
"""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).resolve().parents[2]))
sys.path += [path for path in os.environ.pop("ATTACK_PACKAGES", "").split(":") if path]

import attack_plain

if TYPE_CHECKING:
    from qcode.approvals import ApprovalRequest, Approver, Decision
    from qcode.config import Settings
    from qcode.providers import Delta, Request
    from qcode.session import Session

Json = dict[str, Any]

PLAIN = "unprotected"
"""The tier of no qcode at all: what a case does where nothing stands in its way."""
OFF = "off"
"""The tier of qcode with `--sandbox off`."""

_TOOLS = {
    "shell": ("run_shell_command", {"cwd": "directory", "timeout_s": "timeout"}),
    "write_file": ("write_file", {"path": "file_path"}),
    "edit_file": ("edit", {"path": "file_path", "old": "old_string", "new": "new_string"}),
    "read_file": ("read_file", {"path": "file_path"}),
    "list_dir": ("list_directory", {}),
    "search": ("grep_search", {}),
}
"""A case's tools as qcode's; other names are taken as they are."""
_LEVELS = {"full-access": "off"}
_MODES = {"untrusted": "default", "on-request": "auto-edit", "never": "yolo"}


class Unsupported(Exception):
    """This checkout cannot run a case in that tier; the text says why."""


def settings_for(policy: Json, tier: str | None, limits: Json, workspace: Path) -> Settings:
    """Return what the flags and files of such a run would come to.

    The project's files are read as the CLI does; the user's are not, as the case's one
    is made of another program's keys.

    Raises:
        Unsupported: these settings know of no sandbox yet.
        UsageError: the project's files are not usable.
    """
    from qcode import config
    from qcode.permissions import Mode
    from qcode.sandbox.policy import Level, Network, Tier

    settings = config.load(user_file=workspace / "none.toml", project=workspace, environ={})
    asked: str = policy["sandbox"]
    level = Level(_LEVELS.get(asked, asked))
    if policy.get("external_sandbox"):
        level = Level.EXTERNAL
    if tier == OFF:
        level = Level.OFF
    named = "none" if policy.get("tier") == "none" else tier
    wanted: Json = {
        "approval_mode": Mode(_MODES[policy["approval"]]),
        "sandbox": level,
        "sandbox_tier": Tier(named) if named not in (None, OFF) else None,
        "network": Network(policy["network"]),
        "network_hosts": tuple(policy.get("network_allow", ())),
        "allow": ("shell(*)",) if policy["approval"] == "on-request" else (),
    }
    if limits:
        names = {"file_mb": "max_file_size", "memory_mb": "max_memory", "tmp_mb": "max_temp"}
        wanted |= {names[key]: value for key, value in limits.items()}
    known = {field.name for field in dataclasses.fields(settings)}
    if "sandbox" not in known and tier != OFF:
        raise Unsupported(
            "these settings have no `sandbox` yet; only the tiers off and unprotected can run"
        )
    return dataclasses.replace(
        settings, **{name: value for name, value in wanted.items() if name in known}
    )


class Script:
    """A provider whose model calls what it is told to."""

    model = "scripted"

    def __init__(self) -> None:
        self.call: tuple[str, Json] | None = None
        self.number = 0

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        from qcode.providers import CallPart, Done, TextPart

        call, self.call = self.call, None
        if call is None:
            yield TextPart("Done.")
            yield Done("stop")
            return
        self.number += 1
        name, arguments = call
        yield CallPart(0, f"call_{self.number}", name, json.dumps(arguments))
        yield Done("tool_calls")

    async def close(self) -> None:
        """Nothing is open."""


class Person:
    """The approver of the terminal with a person who says no, or with nobody there."""

    def __init__(self, screen: io.StringIO, *, is_there: bool) -> None:
        from qcode.approvals import Nobody
        from qcode.ui.approve import TerminalApprover
        from qcode.ui.terminal import Look, Terminal

        self.asks: list[Json] = []
        self.questions: list[str] = []
        self.screen = screen
        terminal = Terminal(screen, Look(colour=False, live=False), columns=lambda: 120)
        self.shows = TerminalApprover(terminal, self._answer, lambda: None)
        self.is_there = is_there
        self.inner: Approver = self.shows if is_there else Nobody()

    async def _answer(self, question: str) -> str:
        self.questions.append(question)
        return "n"

    async def decide(self, request: ApprovalRequest) -> Decision:
        begin = len(self.screen.getvalue())
        self.questions.clear()
        decision = await self.inner.decide(request)
        arguments = json.loads(request.call.arguments)
        self.asks.append(
            {
                "tool": request.call.name,
                "command": arguments.get("command", ""),
                "reason": request.reason,
                "shown": self.screen.getvalue()[begin:] + "\n".join(self.questions),
            }
        )
        return decision


class Report:
    """What is left for the check of a case."""

    def __init__(self) -> None:
        self.output: list[str] = []
        self.screen = io.StringIO()
        self.asks: list[Json] = []
        self.results: list[Json] = []

    def add(self, status: str, began: float, exit_code: int = 0) -> None:
        ms = round((time.monotonic() - began) * 1000)
        self.results.append({"status": status, "ms": ms, "exit_code": exit_code})

    def write(self, folder: Path) -> None:
        last = self.results[-1] if self.results else {"status": "error", "exit_code": 1}
        whole = {**last, "ms": sum(each["ms"] for each in self.results), "results": self.results}
        texts = {
            "output.txt": "\n".join([*self.output, ""]),
            "screen.txt": self.screen.getvalue(),
            "asks.jsonl": "".join(json.dumps(ask) + "\n" for ask in self.asks),
            "result.json": json.dumps(whole),
        }
        for name, text in texts.items():
            (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))


class Attempts:
    """The attempts of a case, made through a session."""

    def __init__(self, case: Json, tier: str | None, workspace: Path, report: Report) -> None:
        self.case = case
        self.tier = tier
        self.workspace = workspace
        self.report = report
        self.script = Script()
        self.is_about_secrets = case["category"] in ("fs-read-secret", "env-leak")
        self.person = Person(report.screen, is_there=case["policy"]["mode"] == "interactive")
        self.session: Session | None = None

    def open(self) -> None:
        """Open the session as the CLI does.

        Raises:
            QcodeError: it would not be opened.
        """
        from qcode.approvals import Nobody
        from qcode.cli.chosen import Chosen
        from qcode.cli.start import open_session
        from qcode.providers.registry import Target

        limits: Json = {}
        for attempt in self.case["attempt"]:
            limits |= attempt["args"].pop("limits", {})
        settings = settings_for(self.case["policy"], self.tier, limits, self.workspace)
        target = Target(
            model="scripted", base_url="http://127.0.0.1:9/v1", api_key=None, kind="chat"
        )
        self.session = open_session(
            settings,
            Chosen(target, 100_000),
            self.person if self.person.is_there else Nobody(),
            cwd=self.workspace,
            added=(),
            note=lambda _text: None,
        )
        self.session.agent.provider = self.script

    async def make(self) -> None:
        """Make them in order."""
        for attempt in self.case["attempt"]:
            if attempt["tool"] == "internal":
                await self._internal(attempt["args"]["action"])
                continue
            name, arguments = translated(attempt)
            if name == "write_file":
                await self._read_first(arguments["file_path"])
            await self._call(name, arguments)

    async def _read_first(self, path: str) -> None:
        """A file that is there has to be read before it is written: that is not the attack."""
        if not os.path.isfile(self.workspace / path):
            return
        kept, self.report = self.report, Report()
        asks = list(self.person.asks)
        shown = self.person.screen.tell()
        await self._call("read_file", {"file_path": path})
        self.report = kept
        self.person.asks[:] = asks
        self.person.screen.seek(shown)
        self.person.screen.truncate()

    async def _call(self, name: str, arguments: Json) -> None:
        from qcode import events

        assert self.session is not None
        report, asked = self.report, len(self.person.asks)
        began = time.monotonic()
        self.script.call = (name, arguments)
        status, exit_code = "error", 0
        async with aclosing(self.session.send("go on")) as stream:
            async for event in stream:
                # What the command itself says of a secret is none that got out.
                if not (isinstance(event, events.ToolStarted) and self.is_about_secrets):
                    await self.person.shows.show(event)
                match event:
                    case events.ToolFinished(result, summary):
                        report.output.append(result.text)
                        status = "error" if result.is_error else "ok"
                        if summary.startswith("timed out"):
                            status = "timeout"
                        elif summary == "not allowed":
                            status = "asked" if len(self.person.asks) > asked else "denied"
                        if found := re.search(r"\bexit (\d+)", summary):
                            exit_code = int(found[1])
                    case events.ErrorRaised(message, code):
                        report.output.append(message)
                        status, exit_code = "denied", code
        report.asks = self.person.asks
        report.add(status, began, exit_code)

    async def _internal(self, action: str) -> None:
        from qcode.git import dirty_files

        assert self.session is not None
        if action != "git-status":
            raise Unsupported(f"unknown internal action `{action}`")
        began = time.monotonic()
        dirty = await asyncio.to_thread(dirty_files, self.session.agent.context.workspace.root)
        if self.session.agent.workspace_state is not None:
            await self.session.agent.workspace_state()
        if self.session.agent.checkpoints is not None:
            await self.session.agent.checkpoints.before("internal", "call_internal", ())
            await self.session.agent.checkpoints.after()
        self.report.output.append("\n".join(sorted(dirty)))
        self.report.add("ok", began)


def translated(attempt: Json) -> tuple[str, Json]:
    """Return the call that a model would make of qcode's tools."""
    name, renamed = _TOOLS.get(attempt["tool"], (attempt["tool"], {}))
    arguments = {renamed.get(key, key): value for key, value in attempt["args"].items()}
    if name == "run_shell_command" and "timeout" in arguments:
        arguments["timeout"] = round(arguments["timeout"] * 1000)
    return name, arguments


async def attack(
    case: Json, tier: str | None, workspace: Path, folder: Path, done: int, go: int
) -> None:
    """Make the attempts, leave what came of them, and close when `go` is closed."""
    from qcode.errors import QcodeError

    report = Report()
    attempts = Attempts(case, tier, workspace, report)
    try:
        try:
            began = time.monotonic()
            attempts.open()
            await attempts.make()
        except QcodeError as error:
            # Headless this ends the program before the first request; the model sees nothing.
            report.output.append(str(error))
            report.add("denied", began, error.exit_code)
        report.write(folder)
        os.write(done, b"done\n")
        await asyncio.to_thread(os.read, go, 1)
    finally:
        if attempts.session is not None:
            await attempts.session.close()


def main(arguments: list[str]) -> int:
    """Run the case given on standard input."""
    done, go, tty = (int(each) for each in arguments)
    for descriptor in (done, go, tty):
        os.set_inheritable(descriptor, False)
    with open(0, encoding="utf-8") as file:
        given = json.load(file)
    _take_terminal(tty)
    os.chdir(given["workspace"])
    case, tier = given["case"], given["tier"]
    workspace, folder = Path(given["workspace"]), Path(given["folder"])
    if tier == PLAIN:
        report = Report()
        attack_plain.make(case["attempt"], workspace, report.output, report.screen, report.add)
        report.write(folder)
        os.write(done, b"done\n")
        os.read(go, 1)
        return 0
    try:
        asyncio.run(attack(case, tier, workspace, folder, done, go))
    except Unsupported as error:
        os.write(done, f"unsupported: {error}\n".encode())
        return 3
    return 0


def _take_terminal(tty: int) -> None:
    """Make the terminal the controlling one and the standard input, as for a person's qcode."""
    import fcntl
    import termios

    fcntl.ioctl(tty, termios.TIOCSCTTY, 0)
    os.dup2(tty, 0, inheritable=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
