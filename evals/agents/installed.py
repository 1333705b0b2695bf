"""Where other agents' programs are, and how they get there (`make eval-peers`)."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from qcode.errors import UsageError
from qcode.record import Record

ROOT = "PEERS_ROOT"
"""The variable that names the folder with one folder for each of them."""

_VERSION_S = 60.0
_NUMBER = re.compile(r"\d+\.\d+(?:\.\d+)?[\w.+-]*")


class Package(Record):
    """A program as its publisher offers it."""

    manager: Literal["pip", "npm"]
    name: str
    """Of the package."""
    folder: str
    """Its own below the root, without `venv-` or `npm-`."""
    program: str
    tried: str
    """The version that its adapter was tried with."""
    version_option: str = "--version"
    """Empty: it has none, and the package's own record is read."""
    beside: tuple[str, ...] = ()
    """Packages that it needs and does not ask for."""
    python: str = ""
    """The version of Python that it works with; empty: any that qcode works with."""

    @property
    def place(self) -> str:
        """The folder of its programs below the root."""
        if self.manager == "pip":
            return f"venv-{self.folder}/bin"
        return f"npm-{self.folder}/node_modules/.bin"

    @property
    def command(self) -> str:
        """How a person installs it by themselves."""
        if self.manager == "npm":
            return f"npm install -g {self.name}"
        return " ".join(["pipx install", self.name, *(f"--preinstall {x}" for x in self.beside)])


def find(package: Package, environ: Mapping[str, str]) -> Path:
    """Return the program: below `PEERS_ROOT`, else on the path.

    Raises:
        UsageError: it is not installed.
    """
    if root := environ.get(ROOT):
        own = Path(root).absolute() / package.place / package.program
        if own.exists():
            return own
    found = shutil.which(package.program, path=environ.get("PATH"))
    if found is None:
        where = f"not below {ROOT} and not on the path" if root else "not on the path"
        raise UsageError(
            f"`{package.program}` is not installed: {where}",
            hint=f"`make eval-peers` and {ROOT}=.eval-peers, or `{package.command}`",
        )
    return Path(found)


def path_for(package: Package, environ: Mapping[str, str]) -> str:
    """Return the search path for it: with the Node installed beside it, if any."""
    path = environ.get("PATH", "")
    root = environ.get(ROOT)
    if root and package.manager == "npm":
        node = Path(root).absolute() / "npm-node/node_modules/.bin"
        if node.is_dir():
            return f"{node}:{path}"
    return path


def version(package: Package, environ: Mapping[str, str]) -> str:
    """Return its version.

    Raises:
        UsageError: it is not installed, or does not run.
    """
    program = find(package, environ)
    if not package.version_option:
        return _recorded(program, package)
    plain = {
        "PATH": path_for(package, environ),
        "HOME": environ.get("HOME", "/"),
        "LC_ALL": "C.UTF-8",
    }
    try:
        done = subprocess.run(
            [program, package.version_option],
            env=plain,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(
            f"`{program}` does not run: {error}", hint=f"install it anew: `{package.command}`"
        ) from error
    number = _NUMBER.search(done.stdout + done.stderr)
    if number is None:
        raise UsageError(
            f"`{program} {package.version_option}` names no version (exit code {done.returncode})",
            hint=f"install it anew: `{package.command}`",
        )
    return number.group()


def _recorded(program: Path, package: Package) -> str:
    """Return the version by the folder that pip keeps a package's record in."""
    name = package.name.replace("-", "_")
    # The program may be linked to from elsewhere, as pipx does.
    for record in program.resolve().parent.parent.glob(
        f"lib/python*/site-packages/{name}-*.dist-info"
    ):
        return record.name.removeprefix(f"{name}-").removesuffix(".dist-info")
    return "unknown"
