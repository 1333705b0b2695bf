"""Installs other agents' programs below a folder, each apart: `make eval-peers`.

The versions are those that were tried with the adapters; `--newest` takes whatever is newest.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from qcode.errors import QcodeError, UsageError
from qcode.evals.agents import installed, known
from qcode.evals.agents.installed import Package

NODE = 22
"""The major version that the newest of them ask for; npm takes older releases of them silently
where there is an older one."""

_LIMIT_S = 1800.0


def main(arguments: list[str] | None = None) -> int:
    """Install what was asked for; exit code 1 if one of them could not be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("root", type=Path, help="the folder; what PEERS_ROOT is to name then")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(known.OUTSIDE)}; all, if none")
    parser.add_argument("--newest", action="store_true", help="not the versions that were tried")
    args = parser.parse_args(arguments)
    packages = known.packages()
    failed = 0
    for name in args.names or packages:
        if name not in packages:
            known.make(name, {})  # says which names there are
            continue  # qcode itself, and what is a part of it
        try:
            print(f"{name}: ", end="", flush=True)
            print(install(packages[name], args.root.absolute(), newest=args.newest), flush=True)
        except QcodeError as error:
            print(error, flush=True)
            failed += 1
    return 1 if failed else 0


def install(package: Package, root: Path, *, newest: bool = False) -> str:
    """Install a program, unless the version is there; return the version.

    Raises:
        QcodeError: it could not be installed.
    """
    environ = {**os.environ, installed.ROOT: str(root)}
    program = root / package.place / package.program
    if program.exists() and not newest:
        there = installed.version(package, environ)
        if there == package.tried:
            return there
    version = "" if newest else package.tried
    if package.manager == "npm":
        _npm(package, root, version)
    else:
        _pip(package, root, version)
    if not program.exists():
        raise QcodeError(f"`{package.name}` brought no `{package.program}`")
    return installed.version(package, environ)


def _npm(package: Package, root: Path, version: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise UsageError("npm is not installed", hint="install Node with npm")
    node = root / "npm-node/node_modules/.bin"
    if not node.is_dir() and _node() < NODE:
        _run([npm, "install", *_quiet(root / "npm-node"), "node"])
    path = f"{node}{os.pathsep}{os.environ.get('PATH', '')}"
    wanted = f"{package.name}@{version or 'latest'}"
    _run([npm, "install", *_quiet(root / f"npm-{package.folder}"), wanted], PATH=path)


def _quiet(folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    return ["--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error"]


def _node() -> int:
    """Return the major version of the Node on the path; 0: there is none."""
    try:
        said = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    except OSError:
        return 0
    found = re.match(r"v(\d+)", said)
    return int(found[1]) if found else 0


def _pip(package: Package, root: Path, version: str) -> None:
    folder = root / f"venv-{package.folder}"
    python = folder / "bin/python"
    if not python.exists():
        _run([_python(package.python), "-m", "venv", str(folder)])
    wanted = f"{package.name}=={version}" if version else package.name
    options = ["--quiet", "--disable-pip-version-check", "--upgrade"]
    _run([str(python), "-m", "pip", "install", *options, wanted, *package.beside])


def _python(version: str) -> str:
    """Return the interpreter that a program works with.

    Raises:
        UsageError: it is not there.
    """
    if not version or sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    for found in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")):
        return str(found)
    named = shutil.which(f"python{version}")
    if named is None:
        raise UsageError(f"Python {version} is not installed", hint="it works with no other")
    return named


def _run(command: list[str], **more: str) -> None:
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise QcodeError(f"`{command[0]}` failed: {error}") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "it does not say why").splitlines()
        raise QcodeError(f"`{' '.join(command[:3])} …` failed: {said[-1]}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except QcodeError as error:
        sys.exit(f"{error}")
