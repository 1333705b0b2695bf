"""Laying out a project at the state of an issue: its source, and an environment to run it in."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcode.evals.harness.placing import Placed, PlacingError, command, write_files
from qcode.evals.harness.surroundings import environment
from qcode.evals.harness.task import Task

CLONES = "QCODE_EVAL_CLONES"
"""The variable that names a folder of git clones (`owner__name`); else the source comes as the
package index has it."""
_BUILD = ("setuptools<70", "wheel")


async def place_swe(task: Task, placed: Placed, environ: Mapping[str, str]) -> Placed:
    """Lay out a task with `more["base"]` and `more["env"]`.

    Raises:
        PlacingError: the Python, the source or a package it names cannot be had.
    """
    base: Mapping[str, Any] = task.more["base"]
    wanted: Mapping[str, Any] = task.more.get("env") or {}
    venv = placed.top / "venv"
    variables = {str(name): str(value) for name, value in (wanted.get("vars") or {}).items()}
    # pip is the person's own here: it finds packages as they have set it up.
    mine = {name: value for name, value in environ.items() if name == "HOME" or "XDG_" in name}
    env = environment(environ, placed.home, {**mine, **variables}, venv=venv)
    version = str(wanted.get("python", ""))

    async def run(*argv: str, cwd: Path = placed.top) -> None:
        await command(list(argv), cwd, env, f"`{Path(argv[0]).name} {' '.join(argv[1:4])} …`")

    await run(_python(version, environ), "-m", "venv", str(venv))
    pip = (str(venv / "bin/python"), "-m", "pip")
    isolated = () if not wanted.get("no_isolation", True) else ("--no-build-isolation",)
    await run(*pip, "install", "-q", *wanted.get("build", _BUILD))
    clone = _clone(task, environ)
    if clone is not None:
        placed.repo.mkdir()
        archive = placed.top / "source.tar"
        commit = str(base["git"]["commit"])
        await run("git", "-C", str(clone), "archive", "-o", str(archive), commit)
        await run("tar", "xf", str(archive), "--no-same-owner", "-C", str(placed.repo))
        archive.unlink()
    else:
        await _from_index(task, base, placed, env, pip, isolated)
    await asyncio.to_thread(write_files, placed.repo, task.files)
    if packages := wanted.get("pip"):
        await run(*pip, "install", "-q", *packages)
    if wanted.get("editable"):
        await run(*pip, "install", "-q", "--no-deps", *isolated, "-e", str(placed.repo))
    return Placed(placed.top, venv=venv, variables=variables)


async def _from_index(
    task: Task,
    base: Mapping[str, Any],
    placed: Placed,
    env: Mapping[str, str],
    pip: tuple[str, ...],
    isolated: tuple[str, ...],
) -> None:
    source: Mapping[str, Any] | None = base.get("sdist")
    if not source:
        url = (base.get("git") or {}).get("url", "its repository")
        raise PlacingError(
            f"{task.id} has no source package", hint=f"clone {url}, and set {CLONES} to the folder"
        )
    fetched = placed.top / "fetched"
    what = f"{source['package']}=={source['version']}"
    await command(
        [*pip, "download", "-q", "--no-deps", "--no-binary", ":all:", *isolated, "-d",
         str(fetched), what],
        placed.top, env, f"fetching {what}",
    )  # fmt: skip
    (archive,) = fetched.iterdir()
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != source.get("sha256", found):
        raise PlacingError(
            f"{archive.name} has SHA-256 {found}, and the task says {source['sha256']}"
        )
    unpacked = fetched / "x"
    unpacked.mkdir()
    await command(
        ["tar", "xf", str(archive), "--no-same-owner", "-C", str(unpacked)],
        placed.top, env, f"unpacking {archive.name}",
    )  # fmt: skip
    (top,) = unpacked.iterdir()
    top.rename(placed.repo)
    shutil.rmtree(fetched)
    for left in (*placed.repo.glob("*.egg-info"), *(placed.repo / "src").glob("*.egg-info")):
        shutil.rmtree(left)


def _clone(task: Task, environ: Mapping[str, str]) -> Path | None:
    folder, name = environ.get(CLONES), str(task.more.get("repo", ""))
    if not folder or not name:
        return None
    places = (Path(folder) / name.replace("/", "__"), Path(folder) / name.rpartition("/")[2])
    return next((place for place in places if place.exists()), None)


def _python(version: str, environ: Mapping[str, str]) -> str:
    """Return an interpreter of a version such as `3.9`.

    Raises:
        PlacingError: there is none.
    """
    if not version or version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    if found := shutil.which(f"python{version}", path=environ.get("PATH")):
        return found
    root = Path(environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"))
    for folder in sorted(root.glob(f"versions/{version}.*"), reverse=True):
        if (folder / "bin/python").exists():
            return str(folder / "bin/python")
    raise PlacingError(
        f"it needs Python {version}, and none was found",
        hint=f"install it, as `python{version}` on PATH or in pyenv",
    )
