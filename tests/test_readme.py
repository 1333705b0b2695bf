from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from qcode.cli import COMMANDS as SUBCOMMANDS
from qcode.cli import slash
from qcode.cli.eval import spelled_out
from qcode.config import KEYS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
COMMANDS = [
    shlex.split(line.split(" | ")[-1])
    for line in BLOCKS.splitlines()
    if re.search(r"\bqcode ", line)
]
OPTIONS = set(re.findall(r"`(--[a-z-]+)", README)) - {"--require-hashes", "--no-deps"}


def qcode(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "qcode", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def make(target: str) -> str:
    done = subprocess.run(
        ["make", "--no-print-directory", "-n", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_version() -> None:
    assert re.fullmatch(r"qcode \d+\.\d+\.\d+\n", qcode("--version"))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_options_of_shown_commands_exist(command: list[str]) -> None:
    arguments = command[1:]
    subcommand = [one for one in arguments[:1] if one in SUBCOMMANDS]
    if subcommand == ["eval"]:
        subcommand += spelled_out(arguments[1:])[:1]  # its subcommand may be left out

    usage = qcode(*subcommand, "--help")

    assert [
        one for one in arguments if re.match("--?[a-z]", one) and not re.search(f"{one}\\b", usage)
    ] == []


def test_every_option_named_is_in_the_help() -> None:
    commands = [
        (),
        ("run",),
        ("doctor",),
        ("undo",),
        ("cost",),
        ("models",),
        ("audit",),
        ("eval", "run"),
        ("eval", "report"),
    ]
    commands += [("sessions", one) for one in ("list", "export", "fork")]
    usage = "".join(qcode(*one, "--help") for one in commands)

    assert {one for one in OPTIONS if f"{one} " not in usage + " "} == set()


def test_every_option_of_run_is_named() -> None:
    known = set(re.findall(r"--[a-z-]+", qcode("run", "--help")))

    assert known - OPTIONS - {"--help", "--yes", "--yolo"} == set()


def test_every_command_is_named() -> None:
    commands = re.findall(r"^  ([a-z]+) ", qcode("--help").partition("commands:")[2], re.MULTILINE)

    assert {one for one in commands if f"qcode {one}" not in README} == set()


def test_every_slash_command_is_named() -> None:
    assert {name for name in slash.COMMANDS if f"`/{name}" not in README} - {"help"} == set()


def test_every_key_of_the_configuration_is_named() -> None:
    assert {key for key in KEYS if f"`{key}" not in README} == set()


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_two_commands_are_targets(target: str) -> None:
    assert target in README
    assert make(target)
