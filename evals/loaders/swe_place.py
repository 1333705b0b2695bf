"""Repositories of SWE-bench's kind laid out: one commit without a history, and an environment.

A task says in `more["base"]` where its files come from, tried in this order: a person's clone
(`Loading.clones`), a source distribution with its SHA-256, a git URL. Whatever it was,
the agent gets files and, of git, one fresh commit: no object, ref, reflog or pack of the
repository it was taken from, so that the fix cannot be looked up.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcode.errors import QcodeError
from qcode.evals.harness.task import Task
from qcode.evals.loaders import source
from qcode.evals.loaders.base import Loading
from qcode.network import guard
from qcode.sandbox import plain
from qcode.sandbox.communicate import communicate

BUILD_S = 1800.0
"""For each step of making an environment."""

_MOST_PRINTED = 1 << 20
"""Bytes of what pip says that are kept."""
_WHO = {
    "GIT_AUTHOR_NAME": "evals", "GIT_AUTHOR_EMAIL": "evals@example.invalid",
    "GIT_COMMITTER_NAME": "evals", "GIT_COMMITTER_EMAIL": "evals@example.invalid",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}  # fmt: skip
_UNTRACKED = "__pycache__/\n*.pyc\n.pytest_cache/\n*.egg-info/\n.qcode/\n"
_ERROR = re.compile(r"\s*(?:\w*Error|ERROR|error)\b.*:")
_USELESS = re.compile(r"exited-with-error|generation-failed")
"""What pip says besides the reason."""
_KEPT_FROM = re.compile(
    r"PYTHONPATH|PYTHONHOME|VIRTUAL_ENV|PYTEST_ADDOPTS|\w*(?:_KEY|_TOKEN|_SECRET|_PASSWORD)"
)
"""What would change a build, and what code of packages that are built is not to see."""


def is_for(task: Task) -> bool:
    """Whether a task's files are to be laid out by this module."""
    return isinstance(task.more.get("base"), Mapping)


def lay_out(
    task: Task, folder: Path, loading: Loading, *, stop: threading.Event | None = None
) -> str:
    """Put a task's repository into an empty folder, without any `.git`; say where it came from.

    Once `stop` is set, programs of it are ended.

    Raises:
        QcodeError: it can be had from nowhere, or is not what the task says.
    """
    base = task.more["base"]
    folder.mkdir(parents=True, exist_ok=True)
    wanted = base.get("git") or {}
    clone = _clone(task, wanted, loading)
    if clone is not None:
        check_out(clone, wanted["commit"], folder)
        return f"git {wanted['commit']}"
    if sdist := base.get("sdist"):
        return _sdist(task, sdist, folder, loading, stop)
    if wanted.get("url") and wanted.get("commit"):
        kept = loading.cache / f"commit-{wanted['commit']}"
        if not kept.is_dir():
            source.fetch_commit(wanted["url"], wanted["commit"], kept)
        check_out(kept, wanted["commit"], folder)
        return f"git {wanted['commit']}"
    raise QcodeError(
        f"{task.id} names no source that can be had here", hint="give a folder of clones"
    )


def commit(folder: Path) -> str:
    """Make the folder a repository with one commit of all that is in it; return that commit."""
    source.git("-c", "init.defaultBranch=main", "init", "-q", "--template=", folder)
    for key, value in (
        ("core.autocrlf", "false"), ("gc.auto", "0"), ("maintenance.auto", "false"),
        ("user.name", "evals"), ("user.email", "evals@example.invalid"),
    ):  # fmt: skip
        source.git("config", key, value, folder=folder)
    (folder / ".git/info").mkdir(exist_ok=True)
    (folder / ".git/info/exclude").write_text(_UNTRACKED, encoding="utf-8")
    # What the repository itself ignores was in its commit all the same.
    source.git("add", "-A", "-f", folder=folder)
    source.git("commit", "-q", "--no-verify", "-m", "start", folder=folder, extra=_WHO)
    return source.git("rev-parse", "HEAD", folder=folder).decode().strip()


def check_out(repository: Path, revision: str, folder: Path) -> None:
    """Write the files of a commit into a folder; the repository is left as it is.

    Not by `git archive`, which leaves out what `.gitattributes` says and fills in what it says.

    Raises:
        QcodeError: there is no such commit.
    """
    with tempfile.TemporaryDirectory(prefix="qcode-index-") as top:
        index = {"GIT_INDEX_FILE": str(Path(top) / "index")}
        plain = ("-c", "core.autocrlf=false", "-c", "core.symlinks=true")
        safe = ("-c", f"safe.directory={repository}")
        try:
            source.git(*safe, "read-tree", f"{revision}^{{tree}}", folder=repository, extra=index)
        except QcodeError as error:
            raise QcodeError(f"{repository} has no commit {revision}") from error
        # A clone is checked out below the folder whatever its own work tree is.
        source.git(
            *safe, *plain, "--work-tree", folder.resolve(), "checkout-index", "-a", "-f",
            f"--prefix={folder.resolve()}/", folder=repository, extra=index,
        )  # fmt: skip


def environment(
    task: Task, venv: Path, environ: Mapping[str, str], *, home: Path | None = None
) -> dict[str, str]:
    """Return the variables with which the agent and the check find a task's Python."""
    kept = {name: value for name, value in environ.items() if not _KEPT_FROM.fullmatch(name)}
    own = {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }
    if venv.is_dir():
        own["VIRTUAL_ENV"] = str(venv)
        own["PATH"] = f"{venv / 'bin'}{os.pathsep}{kept.get('PATH', '')}"
    if home is not None:
        own["HOME"] = str(home)
    wanted = (task.more.get("env") or {}).get("vars") or {}
    return {**kept, **own, **{str(name): str(value) for name, value in wanted.items()}}


def build(
    task: Task,
    folder: Path,
    venv: Path,
    environ: Mapping[str, str],
    *,
    stop: threading.Event | None = None,
) -> None:
    """Make the virtual environment that a task's `env` describes, its repository installed.

    Packages come from wherever pip is set to take them. Once `stop` is set, pip is ended.

    Raises:
        QcodeError: the Python is not here, or pip failed; its last lines say why.
    """
    wanted: Mapping[str, Any] = task.more.get("env") or {}
    if not wanted:
        return
    python = find_python(str(wanted.get("python") or ""), environ)
    _must([python, "-m", "venv", str(venv)], folder, environ, stop)
    inside = environment(task, venv, environ)
    pip = [str(venv / "bin/python"), "-m", "pip", "install", "-q"]
    isolated = [] if not wanted.get("no_isolation", True) else ["--no-build-isolation"]
    packages = [str(each) for each in wanted.get("pip", ())]
    _refuse_offline(task)
    if build := [str(each) for each in wanted.get("build", ["setuptools<70", "wheel"])]:
        _must([*pip, *build], folder, inside, stop)
    if packages:
        _must([*pip, *packages], folder, inside, stop)
    if wanted.get("editable"):
        _must([*pip, "--no-deps", *isolated, "-e", str(folder)], folder, inside, stop)


def find_python(version: str, environ: Mapping[str, str]) -> str:
    """Return an interpreter of that version (`3.9`): on the path, of pyenv, of uv, or our own.

    Raises:
        QcodeError: there is none.
    """
    if not version or version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable
    found = shutil.which(f"python{version}", path=environ.get("PATH", ""))
    if found and _is_version(found, version):
        return found
    root = Path(environ.get("PYENV_ROOT") or Path(environ.get("HOME", "/"), ".pyenv"))
    for each in sorted((root / "versions").glob(f"{version}.*/bin/python"), reverse=True):
        if _is_version(str(each), version):
            return str(each)
    if uv := shutil.which("uv", path=environ.get("PATH", "")):
        done = subprocess.run([uv, "python", "find", version], capture_output=True, text=True)
        if done.returncode == 0 and (line := done.stdout.strip().splitlines()):
            return line[-1]
    raise QcodeError(
        f"there is no Python {version} here", hint="install it on the path, by pyenv or by uv"
    )


def _is_version(python: str, version: str) -> bool:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() == version


def _clone(task: Task, wanted: Mapping[str, Any], loading: Loading) -> Path | None:
    """Return the person's clone that has the commit, if there is one."""
    repo = str(task.more.get("repo") or "")
    if loading.clones is None or not repo or not wanted.get("commit"):
        return None
    for name in (repo.replace("/", "__"), repo.rpartition("/")[2]):
        place = loading.clones / name
        if not place.is_dir():
            continue
        safe = ("-c", f"safe.directory={place}")
        try:
            source.git(*safe, "cat-file", "-e", f"{wanted['commit']}^{{commit}}", folder=place)
        except QcodeError:
            loading.note(f"{place} has no commit {wanted['commit']}, so it is not used")
            continue
        return place.resolve()
    return None


def _sdist(
    task: Task,
    sdist: Mapping[str, Any],
    folder: Path,
    loading: Loading,
    stop: threading.Event | None,
) -> str:
    """Unpack a source distribution that is the one the task means, fetched if it is not kept."""
    wanted = str(sdist.get("sha256") or "")
    kept = loading.cache / f"sdist-{wanted}"
    if wanted and kept.is_file() and _digest(kept) == wanted:
        unpack_sdist(kept, folder)
        return f"sdist {wanted}"
    _refuse_offline(task)
    with tempfile.TemporaryDirectory(prefix="qcode-sdist-") as top:
        archive = _fetched(task, sdist, Path(top), stop)
        digest = _digest(archive)
        if wanted and digest != wanted:
            raise QcodeError(f"{archive.name} has the SHA-256 {digest}, the task says {wanted}")
        unpack_sdist(archive, folder)
        if wanted:
            loading.cache.mkdir(parents=True, exist_ok=True)
            # Side by side with other trials: each puts a whole file in place.
            fresh = loading.cache / f".sdist-{wanted}-{os.getpid()}-{id(folder)}"
            shutil.copyfile(archive, fresh)
            fresh.replace(kept)
    return f"sdist {digest}"


def _fetched(task: Task, sdist: Mapping[str, Any], top: Path, stop: threading.Event | None) -> Path:
    """Have pip download a source distribution.

    It asks the package for its metadata, for which it wants what builds it in an environment.
    """
    env: Mapping[str, Any] = task.more.get("env") or {}
    venv = top / "venv"
    _must(
        [find_python(str(env.get("python") or ""), os.environ), "-m", "venv", str(venv)],
        top,
        os.environ,
        stop,
    )
    inside = environment(task, venv, os.environ)
    pip = [str(venv / "bin/python"), "-m", "pip"]
    if build := [str(each) for each in env.get("build", ["setuptools<70", "wheel"])]:
        _must([*pip, "install", "-q", *build], top, inside, stop)
    isolated = ["--no-build-isolation"] if env.get("no_isolation", True) else []
    words = ["download", "-q", "--no-deps", "--no-binary", ":all:", *isolated]
    what = f"{sdist['package']}=={sdist['version']}"
    _must([*pip, *words, "-d", str(top / "came"), what], top, inside, stop)
    (archive,) = (top / "came").iterdir()
    return archive


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def unpack_sdist(archive: Path, folder: Path) -> None:
    """Put what a source distribution holds into an empty folder, without what was built.

    Raises:
        QcodeError: it is damaged, or would write elsewhere.
    """
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=folder.parent) as top:
        try:
            with tarfile.open(archive) as packed:
                packed.extractall(top, filter="data")
        except (tarfile.TarError, EOFError, OSError) as error:
            raise QcodeError(f"{archive.name} cannot be unpacked: {error}") from error
        inside = [each for each in Path(top).iterdir() if each.is_dir()]
        if len(inside) != 1:
            raise QcodeError(f"{archive.name} is no source distribution")
        for each in (*inside[0].glob("*.egg-info"), *inside[0].glob("src/*.egg-info")):
            shutil.rmtree(each)
        for each in inside[0].iterdir():
            shutil.move(each, folder / each.name)


def _refuse_offline(task: Task) -> None:
    if guard.is_offline():
        raise QcodeError(
            f"offline: {task.id} takes packages from a registry", hint="leave out --offline"
        )


def _must(
    words: list[str], folder: Path, environ: Mapping[str, str], stop: threading.Event | None
) -> None:
    try:
        child = plain.start(words, cwd=folder, env=environ)
        done = communicate(child, words, b"", BUILD_S, most=_MOST_PRINTED, stop=stop)
    except subprocess.TimeoutExpired as error:
        raise QcodeError(f"{' '.join(words[:5])} … took over {BUILD_S:.0f} s") from error
    except OSError as error:
        why = error.strerror or error
        raise QcodeError(f"{words[0]} cannot be started: {why}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        named = [line.strip() for line in said if _ERROR.match(line) and not _USELESS.search(line)]
        why = (named[-1:] or said[-1:] or ["it said nothing"])[0]
        raise QcodeError(f"{' '.join(words[1:5])} … failed: {why}")
