"""The completion scripts, run by the shells that they are for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qcode.cli import COMMANDS
from qcode.cli.arguments_tree import Node, Option, tree
from qcode.cli.completion_scripts import SCRIPTS, bash, fish, zsh

ASK = """
eval "$1"; shift
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_qcode
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script() -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "qcode", "completion", "bash"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def completed(script: str, *words: str, cwd: Path = Path("/")) -> list[str]:
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK, "ask", script, "qcode", *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=cwd,
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


@pytest.mark.parametrize(
    "words, found",
    [
        (["ru"], ["run"]),
        (["conf"], ["config"]),
        (["config", ""], ["get", "set", "path", "import"]),
        (["-C", "/", "-y", "sess"], ["sessions"]),
        (["-m", "run", "loc"], ["local"]),  # a model of that name
        (["run", "--appro"], ["--approval-mode"]),
        (["run", "--approval-mode", ""], ["plan", "default", "auto-edit", "yolo"]),
        (["run", "-o", "str"], ["stream-json"]),
        (["run", "--max-steps", ""], [""]),
        (["facts", "add", ""], ["test", "lint", "build"]),
        (["sessions", "export", "--format", "h"], ["html"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["--vers"], ["--version"]),
        (["run", "--", "ru"], [""]),
    ],
)
def test_bash_completes(script: str, words: list[str], found: list[str]) -> None:
    assert completed(script, *words) == found


def test_bash_completes_files_and_folders(script: str, tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a file").write_text("")

    assert completed(script, "-C", "a", cwd=tmp_path) == ["a folder"]
    assert sorted(completed(script, "run", "--patch", "a", cwd=tmp_path)) == ["a file", "a folder"]


def test_every_command_and_option_is_in_every_script() -> None:
    nodes = tree()
    assert [name for name, _ in nodes[0].commands] == list(COMMANDS)
    for make in SCRIPTS.values():
        made = make(nodes)
        for node in nodes:
            for option in node.options:
                assert all(name.lstrip("-") in made for name in option.names)
            assert all(name in made for name, _ in node.commands)


def test_help_texts_are_no_code() -> None:
    evil = 'it\'s $(touch x) `y` \\ "z":\n%'
    option = Option(("--evil",), evil)
    nodes = [
        Node((), "", (option,), (("go", evil),), (), takes_files=False),
        Node(("go",), evil, (option,), (), (), takes_files=True),
    ]
    quoted = """'--evil:it'\\''s $(touch x) `y` \\ "z": %'"""

    assert quoted in zsh(nodes)
    shown = subprocess.run(["sh", "-c", f"printf %s {quoted}"], capture_output=True, text=True)
    assert shown.stdout == '--evil:it\'s $(touch x) `y` \\ "z": %'
    assert """ -l evil -d 'it\\'s $(touch x) `y` \\\\ "z": %'""" in fish(nodes)
    assert completed(bash(nodes), "--e") == ["--evil"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_takes_the_script(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    file = tmp_path / "script"
    file.write_text(SCRIPTS[shell](tree()))

    done = subprocess.run([shell, "-n", str(file)], capture_output=True, text=True, env=os.environ)

    assert (done.returncode, done.stderr) == (0, "")
