"""`qcode sandbox`: try the boundary out on this machine, or run a command inside it."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from qcode.cli.boundary import none_works, problem, sandbox_from
from qcode.cli.options import (
    add_confinement,
    add_place,
    added_directories,
    enter_directory,
    settings_from,
)
from qcode.cli.process import require_stdout
from qcode.errors import SandboxError, UsageError
from qcode.rules import rules_of
from qcode.sandbox.policy import Tier
from qcode.ui.printable import printable
from qcode.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from qcode.sandbox.choose import Choice
    from qcode.sandbox.sandbox import Sandbox


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_place(parser)
    add_confinement(parser)
    commands = parser.add_subparsers(dest="what", metavar="verify|run", required=True)
    verify = commands.add_parser("verify", help="try what the sandbox has to hold")
    verify.add_argument("--json", action="store_true", help="print the findings as JSON")
    run = commands.add_parser("run", help="run a command inside; its exit code is ours")
    run.add_argument("command", nargs="+", metavar="CMD", help="after `--`")


def main(args: argparse.Namespace) -> int:
    """Verify the boundary, or run a command inside it; return the exit code."""
    require_stdout("the findings")
    cwd = enter_directory(args)
    settings = settings_from(args, cwd)
    workspace = Workspace.at(cwd, added_directories(args))
    rules, _ = rules_of(settings.allow, settings.ask, settings.deny)
    sandbox = sandbox_from(settings, workspace, rules)
    if not sandbox.policy.level.confines:
        raise UsageError(
            f"--sandbox {sandbox.policy.level} confines nothing", hint="leave it out here"
        )
    try:
        if args.what == "verify":
            return _verify(sandbox, as_json=args.json)
        return _run(sandbox, args.command, cwd)
    finally:
        sandbox.close()


def _run(sandbox: Sandbox, command: list[str], cwd: Path) -> int:
    if sandbox.tier is Tier.NONE:
        raise none_works(sandbox.choice)
    program = shutil.which(command[0], path=sandbox.environment.get("PATH"))
    if program is None:
        raise UsageError(f"there is no program `{command[0]}`")
    child = sandbox.start(
        [program, *command[1:]],
        cwd=cwd,
        stdin=subprocess.DEVNULL if sys.stdin is None else sys.stdin.fileno(),
        stdout=sys.stdout.fileno(),
        stderr=subprocess.DEVNULL if sys.stderr is None else sys.stderr.fileno(),
    )
    try:
        code = child.wait()
    except KeyboardInterrupt:
        child.terminate()
        try:
            child.wait(2.0)
        except subprocess.TimeoutExpired:
            pass
        raise
    finally:
        child.close()
    for block in sandbox.blocked(child, ""):
        print(f"qcode: blocked by the sandbox: {printable(block.what)}", file=sys.stderr)
    return code if code >= 0 else 128 - code


def _verify(sandbox: Sandbox, *, as_json: bool) -> int:
    choice = sandbox.choice
    if as_json:
        print(json.dumps(_findings(sandbox, choice), ensure_ascii=True))
        return 0 if choice.tier is not Tier.NONE else SandboxError.exit_code
    for attempt in choice.attempts:
        print(printable(f"✗ {attempt.tier}: {attempt.why}"))
        if attempt.advice:
            print(printable(f"  {attempt.advice}"))
    if choice.tier is Tier.NONE:
        raise none_works(choice)
    print(f"✓ {choice.tier}, tried just now in a workspace of its own:")
    for probe in choice.probes:
        print(printable(f"  {'✓' if probe.ok else '✗'} {probe.what}"))
    policy = sandbox.policy
    print(f"{policy.level}, network {policy.network}; commands here may write to")
    where = sandbox.confining.now()
    for path in where.writable:
        print(printable(f"  {path}"))
    print(f"and not to {len(where.protected)} protected paths; {len(where.hidden)} are hidden")
    return 0


def _findings(sandbox: Sandbox, choice: Choice) -> dict[str, object]:
    works = choice.tier is not Tier.NONE
    where = sandbox.confining.now()
    return {
        "ok": works,
        "tier": choice.tier,
        "probes": [{"what": p.what, "ok": p.ok, "why": p.why} for p in choice.probes],
        "not_available": [
            {"tier": a.tier, "why": a.why, "advice": a.advice} for a in choice.attempts
        ],
        "problem": "" if works else problem(choice),
        "level": sandbox.policy.level,
        "network": sandbox.policy.network,
        "writable": list(where.writable),
        "protected": list(where.protected),
        "hidden": list(where.hidden),
    }
