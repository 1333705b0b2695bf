"""An environment for Harbor that is a folder of this machine, where there is no Docker.

Paths of the container become paths below the folder, in commands and in shell scripts. What would
install something is noted and not done: `qcode` is the program that QCODE_PROGRAM names.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from pathlib import Path

from harbor.environments.base import BaseEnvironment, ExecResult

_PLACES = re.compile(r"(?<![\w./-])/(?=(?:logs|tests|app|solution)\b|tmp/qcode-)")
_INSTALLS = re.compile(r"\b(?:apt-get|apk|dnf|yum) |\buv tool install\b")


class Nearby(BaseEnvironment):
    """One folder a trial, beside what the trial keeps."""

    @staticmethod
    def type() -> str:
        return "nearby"

    def _validate_definition(self) -> None:
        pass

    @property
    def root(self) -> Path:
        return Path(self.trial_paths.trial_dir).absolute() / "container"

    async def start(self, force_build: bool) -> None:
        for name in ("logs/agent", "logs/verifier", "logs/artifacts", "tests", "app", "tmp"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        programs = self.root / "home/.local/bin"
        programs.mkdir(parents=True)
        (programs / "qcode").symlink_to(os.environ["QCODE_PROGRAM"])
        source = self.environment_dir / "app"
        shutil.copytree(source, self.root / "app", dirs_exist_ok=True)

    async def stop(self, delete: bool) -> None:
        pass

    async def upload_file(self, source_path: Path | str, target_path: str) -> None:
        target = self._near(target_path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source_path, target)
        self._rewrite(target)

    async def upload_dir(self, source_dir: Path | str, target_dir: str) -> None:
        shutil.copytree(source_dir, self._near(target_dir), dirs_exist_ok=True)
        for script in self._near(target_dir).rglob("*.sh"):
            self._rewrite(script)

    async def download_file(self, source_path: str, target_path: Path | str) -> None:
        Path(target_path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self._near(source_path), target_path)

    async def download_dir(self, source_dir: str, target_dir: Path | str) -> None:
        shutil.copytree(self._near(source_dir), target_dir, dirs_exist_ok=True)

    async def exec(
        self,
        command: str,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        timeout_sec: int | None = None,
        user: str | int | None = None,
    ) -> ExecResult:
        with (self.root / "commands.txt").open("a") as notes:
            notes.write(f"{command}\n---\n")
        if _INSTALLS.search(command):
            return ExecResult(stdout="", stderr="", return_code=0)
        merged = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root / "home"),
            "QCODE_SURROUNDINGS": "0",
            **(self._merge_env(env) or {}),
        }
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            self._text(command),
            cwd=self._near(cwd) if cwd else self.root / "app",
            env=merged,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(timeout_sec):
            out, err = await process.communicate()
        return ExecResult(
            stdout=out.decode(errors="replace"),
            stderr=err.decode(errors="replace"),
            return_code=process.returncode or 0,
        )

    def _near(self, path: str) -> Path:
        return Path(self._text(path))

    def _text(self, text: str) -> str:
        return _PLACES.sub(lambda _: f"{self.root}/", text)

    def _rewrite(self, path: Path) -> None:
        if path.suffix == ".sh":
            path.write_text(self._text(path.read_text()))
