"""Running the program as a person or a script does: as a process, with its own home."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forking import Forked, can_fork

COMMAND = (sys.executable, "-P", "-m", "qcode")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run of the program went."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The last line of stderr, which says what happened."""
        return self.err.rstrip("\n").rpartition("\n")[2]

    def json(self) -> Any:
        """The JSON on stdout."""
        return json.loads(self.out)

    def lines(self) -> list[Any]:
        """The JSON lines on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(slots=True)
class Program:
    """Starts qcode in a folder, pointed at an endpoint."""

    folder: Path
    base_url: str | None = None
    model: str | None = "scripted"
    environ: dict[str, str] = field(default_factory=dict)
    kind: str = "run"
    """Which modules are there already when it is forked (`forking.LOADED`); empty: it is not."""

    def environment(self) -> dict[str, str]:
        env = {**os.environ, **self.environ}
        if self.base_url:
            env["QCODE_BASE_URL"] = self.base_url
        if self.model:
            env["QCODE_MODEL"] = self.model
        return env

    def start(self, *args: str, **options: Any) -> subprocess.Popen[bytes]:
        options = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "cwd": self.folder,
            "env": self.environment(),
            **options,
        }
        if self.kind and can_fork(options):
            return Forked([*COMMAND, *args], kind=self.kind, **options)
        return subprocess.Popen([*COMMAND, *args], **options)

    def run(self, *args: str, stdin: bytes | None = None, timeout_s: float = 60) -> Ended:
        process = self.start(*args, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE)
        return self.end(process, stdin, timeout_s)

    def end(
        self, process: subprocess.Popen[bytes], stdin: bytes | None = None, timeout_s: float = 60
    ) -> Ended:
        try:
            out, err = process.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            raise
        return Ended(process.returncode, (out or b"").decode(), (err or b"").decode())


def git(folder: Path, *args: str) -> str:
    """Run git; return what it printed."""
    return subprocess.run(
        ["git", *args], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def repository(folder: Path, files: Mapping[str, str]) -> Path:
    """Make a git repository with one commit of these files."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "start")
    return folder


def sessions(environ: Mapping[str, str] = os.environ) -> Sequence[Path]:
    """Return the journals under the present home."""
    folder = Path(environ["XDG_STATE_HOME"]) / "qcode" / "sessions"
    return sorted(folder.glob("*.jsonl"))
