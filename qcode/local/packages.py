"""Download single packages with pip, whichever way pip can be had.

Nothing is installed. pip runs with the person's own configuration, so that their index,
proxy and certificates apply.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from qcode.errors import QcodeError
from qcode.network import guard, ledger

INDEX = "the package index"
"""In place of a host, which pip's own configuration names."""
PURPOSE = "download"
_FETCH_BEFORE = "run `qcode local up` once without offline; what it fetched is used then"

_CHECK_TIMEOUT_S = 120.0
"""For `pip --version`; generous, as `uvx pip` may first have to fetch it."""


def find_pip(scratch: Path) -> tuple[str, ...]:
    """Return the start of a command line that runs pip.

    Tried in this order: this Python's own, one on PATH, one by way of uv, and at last a
    virtual environment made in `scratch`.

    Raises:
        QcodeError: there is none.
        OfflineError: nothing may be fetched.
    """
    guard.check(INDEX, wanted=PURPOSE, hint=_FETCH_BEFORE)
    # Only looked for, not run: that alone takes half a second.
    if importlib.util.find_spec("pip"):
        return (sys.executable, "-m", "pip")
    for command in _ON_PATH:
        if shutil.which(command[0]) and _runs([*command, "--version"]):
            return command
    environment = scratch / "pip"
    if _runs([sys.executable, "-m", "venv", str(environment)]):
        return (str(environment / "bin" / "python"), "-m", "pip")
    raise QcodeError(
        "pip is needed for this download and there is none",
        hint="install pip or uv, or give a .gguf file instead: `qcode local up PATH`",
    )


_ON_PATH = (
    ("pip",),
    ("python3", "-m", "pip"),
    ("uvx", "pip"),
    ("uv", "tool", "run", "pip"),
)


def _runs(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_CHECK_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


class Download:
    """One wheel on its way into a folder of its own, which `close` removes."""

    def __init__(self, pip: Sequence[str], package: str, version: str, folder: Path) -> None:
        self.requirement = f"{package}=={version}"
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "tmp").mkdir(parents=True)
        self._log = folder / "pip.log"
        self._is_counted = False
        # A session of its own: Ctrl-C is for qcode, which then ends pip.
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*pip, *_OPTIONS, "-d", str(folder), self.requirement],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(folder / "tmp"),
                start_new_session=True,
            )

    def close(self) -> None:
        """End pip if it still runs, and remove the folder."""
        if not self._is_counted:
            self._is_counted = True
            ledger.add(INDEX, 0, PURPOSE, sent=None, received=self.arrived())
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def arrived(self) -> int:
        """Bytes on disk: the largest file, as pip copies the wheel once it is whole."""
        sizes = [0]
        with contextlib.suppress(OSError):
            sizes += [path.stat().st_size for path in self._folder.rglob("*") if path.is_file()]
        return max(sizes)

    def finished(self, wait_s: float) -> bool:
        """Wait up to `wait_s` for pip to end; say whether it has."""
        try:
            self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wheel(self) -> Path:
        """Return the downloaded wheel.

        Raises:
            QcodeError: pip failed.
        """
        wheels = list(self._folder.glob("*.whl"))
        if self._process.returncode == 0 and len(wheels) == 1:
            return wheels[0]
        raise _failure(self.requirement, self._log.read_text(errors="replace"))


# The stable tags of this very Python are asked for, as the pip found may be another's.
_OPTIONS = (
    *("download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-cache-dir"),
    *("--no-deps", "--only-binary", ":all:", "--progress-bar", "off"),
    *("--python-version", f"{sys.version_info.major}.{sys.version_info.minor}"),
)


def _environment(temporary: Path) -> dict[str, str]:
    # pip refuses to work outside a virtual environment if told so; that is about installing.
    return {**os.environ, "TMPDIR": str(temporary), "PIP_REQUIRE_VIRTUALENV": "0"}


def _failure(requirement: str, output: str) -> QcodeError:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    told = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    reason = (told or lines or ["no reason given"])[-1][:300]
    if "Retrying" in output or "NewConnectionError" in output:
        reason = "the package index cannot be reached"
    if "No space left" in output:
        reason = "no space left on the disk"
    return QcodeError(
        f"pip could not download {requirement}: {reason}",
        hint="check the network and pip's configuration, then run it again; "
        "what is already here is kept",
    )


def check_sha256(path: Path, expected: str) -> None:
    """Compare the checksum of a file.

    Raises:
        QcodeError: it is another file than the one that was pinned.
    """
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != expected:
        raise QcodeError(
            f"wrong checksum for `{path.name}`: {got[:16]}…, expected {expected[:16]}…",
            hint="run it again; if it stays, something between here and the index changes files",
        )


def free_space(folder: Path) -> int:
    """Return the bytes that are free where `folder` is or will be."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(existing).free


def require_space(folder: Path, needed: int) -> None:
    """Check that `needed` bytes are free where `folder` is or will be.

    Raises:
        QcodeError: they are not.
    """
    free = free_space(folder)
    if free < needed:
        raise QcodeError(
            f"not enough disk space in `{folder}`: "
            f"{needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free",
            hint="free some, or set XDG_DATA_HOME to a folder on a larger disk",
        )
