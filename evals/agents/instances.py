"""Instances as other harnesses list them: a JSON object a line, an issue and its repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcode.errors import QcodeError, UsageError
from qcode.evals.harness.placing import inner_repositories
from qcode.evals.loaders.kit import MOST_ID
from qcode.record import Record

_ID = re.compile(r"\w[\w.@+-]*")
_GIT_S = 600.0


class Instance(Record):
    """One of them."""

    id: str
    """Also the name of its folder."""
    prompt: str
    repo: Path | None = None
    """A folder on this machine; None: there is nothing to begin with."""
    base: str = ""
    """The commit to begin at; empty: the one that is checked out."""


def load(path: Path) -> list[Instance]:
    """Return the instances of a file, in order.

    The names are SWE-bench's and SWE-agent's: `instance_id`, `problem_statement` (`prompt` does as
    well), `repo` or `repo_path` (a folder; relative to the file), `base_commit`. Images of
    containers and all else are passed over.

    Raises:
        UsageError: it cannot be read, or a line is no instance.
    """
    try:
        # Not by `splitlines`: JSON may hold other separators of lines as they are.
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise UsageError(f"cannot read `{path}`: {cause}") from error
    found: dict[str, Instance] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            instance = _read(json.loads(line), path.parent)
            if instance.id in found:
                raise ValueError(f"`{instance.id}` is there twice")
        except ValueError as error:
            raise UsageError(
                f"{path}:{number} is no instance: {error}",
                hint='a line is {"instance_id": …, "problem_statement": …, "repo": FOLDER}',
            ) from None
        found[instance.id] = instance
    return list(found.values())


def _read(given: Any, beside: Path) -> Instance:
    if not isinstance(given, dict):
        raise ValueError("it is no object")
    name, prompt = given.get("instance_id"), given.get("problem_statement", given.get("prompt"))
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise ValueError("`instance_id` is missing, or no name for a folder")
    if len(name.encode("utf-8")) > MOST_ID:
        raise ValueError(f"`instance_id` is longer than {MOST_ID} bytes")
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError("`problem_statement` is missing")
    base = given.get("base_commit") or ""
    if not isinstance(base, str) or base.startswith("-"):
        raise ValueError("`base_commit` is no commit")
    repo = given.get("repo_path") or given.get("repo")
    if repo is None:
        return Instance(name, prompt, None, base)
    folder = beside / os.path.expanduser(str(repo))
    if not folder.is_dir():
        # SWE-bench says `owner/name` there, which is for whoever has the clones.
        raise ValueError(f"`{repo}` is no folder here")
    return Instance(name, prompt, folder.resolve(), base)


def lay_out(instance: Instance, folder: Path, environ: Mapping[str, str]) -> str:
    """Make the repository to work on, a copy; return the commit that it begins with.

    Raises:
        QcodeError: git could not do it.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    repo = instance.repo
    if repo is not None and (repo / ".git").exists():
        # Its own objects, so that nothing an agent does reaches the person's repository.
        git(repo.parent, environ, "clone", "--quiet", "--no-hardlinks", str(repo), str(folder))
        git(folder, environ, "remote", "remove", "origin")
        if instance.base:
            git(folder, environ, "checkout", "--quiet", "--detach", instance.base)
        return git(folder, environ, "rev-parse", "HEAD").strip()
    if repo is not None:
        shutil.copytree(repo, folder, symlinks=True)
    else:
        folder.mkdir()
    git(folder, environ, "init", "--quiet")
    git(folder, environ, "add", "--all")
    git(folder, environ, "commit", "--quiet", "--allow-empty", "-m", "start")
    return git(folder, environ, "rev-parse", "HEAD").strip()


def patch(folder: Path, base: str, environ: Mapping[str, str]) -> str:
    """Return all that differs from a commit, new files too; what git ignores is left out.

    So are repositories that an agent made within the folder, which no patch can hold.

    Raises:
        QcodeError: git could not do it.
    """
    inner = [path.relative_to(folder).as_posix() for path in inner_repositories(folder)]
    others = ["--", ".", *(f":(exclude,literal){name}" for name in inner)] if inner else []
    git(folder, environ, "add", "--all", "--intent-to-add", *others)
    return git(folder, environ, "diff", "--binary", "--no-ext-diff", "--no-textconv", base)


def git(folder: Path, environ: Mapping[str, str], *arguments: str) -> str:
    """Return what git prints, without anybody's own configuration and without hooks.

    Raises:
        QcodeError: it failed.
    """
    who = {"GIT_AUTHOR_NAME": "qcode", "GIT_AUTHOR_EMAIL": "qcode@localhost"}
    who |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in who.items()}
    plain = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            ["git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", *arguments],
            cwd=folder,
            env={"PATH": environ.get("PATH", os.defpath), **plain, **who},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise QcodeError(f"git {arguments[0]} failed: {error}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise QcodeError(f"git {arguments[0]} failed: {(said or ['it does not say why'])[-1]}")
    # Bytes of files that are no UTF-8 survive as they are in JSON.
    return done.stdout.decode(errors="surrogateescape")
