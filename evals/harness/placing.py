"""Laying a task out: its files, its first commit, and the state that it is later compared with.

```
TOP/repo      what the agent works in
TOP/start     a git directory of the harness's own, which holds how repo was at the start
TOP/state.json, TOP/home, and what a task's own code puts beside the repository
```

The same task is the same to the byte on every machine and day, its commit's id included.
"""

from __future__ import annotations

import asyncio
import base64
import fnmatch
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from qcode.errors import QcodeError
from qcode.evals.harness import processes
from qcode.evals.harness.surroundings import GIT, environment
from qcode.evals.harness.task import Content, Task
from qcode.evals.loaders import swe_judge
from qcode.record import Record, replace

SETUP_LIMIT_S = 300.0
ORIGINALS = "originals"
"""The folder, beside the repository, of the files that hidden tests are patched into."""
EXCLUDED = "__pycache__/\n*.pyc\n.pytest_cache/\n*.egg-info/\n.qcode/\n"
"""For git's own list of what is not looked at, so that a run's traces are no untracked files."""

MOST_INNER = 2_000
"""Files in repositories that an agent made within the folder, which a patch has."""
_NOISE_FOLDERS = frozenset({".git", "__pycache__", ".pytest_cache", ".qcode"})
_NOISE = ("*.pyc", "*.egg-info")
"""What tools leave behind by themselves; never counted as a change of the agent's."""
_BYTE_FOR_BYTE = "* -text -filter -ident -working-tree-encoding diff=plain\n"


class PlacingError(QcodeError):
    """A task could not be laid out: the task's fault or this machine's, never the agent's."""


class Placed(Record):
    """A task laid out."""

    top: Path
    head: str = ""
    """The id of the first commit; empty: the folder is no repository."""
    venv: Path | None = None
    """The environment of the project itself, where the task brings one."""
    variables: Mapping[str, str] = MappingProxyType({})
    """What the task's own programs are to have in their environment."""
    state_digest: str = ""
    """Of the file of `state`, which an agent without a sandbox could write."""

    @property
    def repo(self) -> Path:
        """What the agent works in."""
        return self.top / "repo"

    @property
    def home(self) -> Path:
        """The home that the agent has to itself."""
        return self.top / "home"

    @property
    def state(self) -> Path:
        """The file that tells each file's hash at the start."""
        return self.top / "state.json"


def content(value: Content) -> bytes | None:
    """Return a file's bytes; None: it is not to be there.

    Raises:
        PlacingError: the task says it in no known way.
    """
    match value:
        case None:
            return None
        case str():
            return value.encode()
        case {"b64": str(text)}:
            return base64.b64decode(text)
        case {"text": str(text)}:
            return text.encode()
    raise PlacingError(f"a file's content is text or has `b64` or `text`, not `{str(value)[:60]}`")


def write_files(root: Path, files: Mapping[str, Content]) -> None:
    """Write files below a folder; what is None is removed.

    Raises:
        PlacingError: a name leads out of the folder, or a content is none.
    """
    top = root.resolve()
    for name, value in files.items():
        path = root / name
        if not path.parent.resolve().is_relative_to(top) or path.is_symlink():
            raise PlacingError(f"the task's file `{name}` would be written outside of its folder")
        data = content(value)
        if data is None:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if isinstance(value, Mapping) and value.get("exec"):
            path.chmod(0o755)


def hashes(root: Path) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder, of a link that of where it points."""
    found = {path.relative_to(root).as_posix(): _hash(path) for path in _files(root)}
    return dict(sorted(found.items()))


def _files(root: Path) -> Iterator[Path]:
    """Yield what lies below a folder and is no folder, but what tools leave by themselves."""
    for folder, folders, files in os.walk(root):
        at = Path(folder)
        links = [name for name in folders if (at / name).is_symlink()]
        folders[:] = [name for name in folders if name not in links and not _is_noise(name)]
        yield from (at / name for name in (*files, *links) if not _is_noise(name))


def inner_repositories(root: Path) -> list[Path]:
    """Return the repositories within a folder, but those within another of them."""
    found: list[Path] = []
    for folder, folders, files in os.walk(root):
        at = Path(folder)
        if at != root and ".git" in (*folders, *files):
            found.append(at)
            folders.clear()
        folders[:] = [name for name in folders if name != ".git"]
    return sorted(found)


def _is_noise(name: str) -> bool:
    return name in _NOISE_FOLDERS or any(fnmatch.fnmatchcase(name, each) for each in _NOISE)


def _hash(path: Path) -> str:
    try:
        if path.is_symlink():
            return hashlib.sha256(os.fsencode(path.readlink())).hexdigest()
        if not path.is_file():
            return "no file"  # a pipe would be waited for
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "unreadable"


def changed(placed: Placed) -> list[str]:
    """Return the files that are not as they were at the start, by name."""
    before: dict[str, str] = json.loads(placed.state.read_text(encoding="utf-8"))["files"]
    now = hashes(placed.repo)
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


async def place(task: Task, top: Path, environ: Mapping[str, str]) -> Placed:
    """Lay a task out in an empty folder.

    Raises:
        PlacingError: it cannot be.
        OSError: the disk is full, or the like.
    """
    top.mkdir(parents=True, exist_ok=True)
    placed = Placed(top.resolve())
    placed.home.mkdir()
    if task.more.get("base"):
        from qcode.evals.harness.placing_swe import place_swe

        placed = await place_swe(task, placed, environ)
    else:
        placed.repo.mkdir()
        wanted = task.more.get("environ") or {}
        placed = Placed(placed.top, variables={str(key): str(each) for key, each in wanted.items()})
        await asyncio.to_thread(write_files, placed.repo, task.files)
    env = environment(environ, placed.home, {**GIT, **placed.variables}, venv=placed.venv)
    if task.setup:
        await _python(task.setup, "setup", task, placed, env)
    # What a project ignores was in its commit all the same where it was taken from one.
    force = ("-f",) if task.more.get("base") else ()
    head = await _first_commit(placed, env, force) if task.git else ""
    if "fail_to_pass" in task.check.more:
        await asyncio.to_thread(
            swe_judge.keep_originals, task.check, placed.repo, placed.top / ORIGINALS
        )
    if task.post_git:
        await _python(task.post_git, "post_git", task, placed, env)
    placed = Placed(placed.top, head, placed.venv, placed.variables)
    await _keep_start(placed, env)
    files = await asyncio.to_thread(hashes, placed.repo)
    state = {"id": task.id, "files": files, "head": head or None}
    told = json.dumps(state).encode()
    placed.state.write_bytes(told)
    return replace(placed, state_digest=hashlib.sha256(told).hexdigest())


async def _python(code: str, what: str, task: Task, placed: Placed, env: dict[str, str]) -> None:
    """Run a task's own code in the folder; a file it would be run from could be seen there."""
    await command([sys.executable, "-c", code], placed.repo, env, f"`{what}` of {task.id}")


async def command(argv: list[str], cwd: Path, env: Mapping[str, str], what: str) -> str:
    """Run a program and return what it printed.

    Raises:
        PlacingError: it failed or took too long; `what` names it.
    """
    said = cwd.parent / f"{processes.RECORD}.out"
    ran = await processes.run(
        argv, cwd=cwd, env=env, limit_s=SETUP_LIMIT_S, out=said,
        record=cwd.parent / processes.RECORD,
    )  # fmt: skip
    # Byte for byte: reading text would make other line ends of a patch's.
    printed = said.read_bytes().decode("utf-8", "surrogateescape")
    said.unlink()
    if ran.code != 0:
        how = f"exit {ran.code}" if ran.code is not None else f"over {SETUP_LIMIT_S:.0f} s"
        raise PlacingError(f"{what} failed ({how}): {_readable(printed)}")
    return printed


def _readable(printed: str) -> str:
    text = printed.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return " ".join(text.split())[-300:] or "it said nothing"


async def _first_commit(placed: Placed, env: Mapping[str, str], force: tuple[str, ...]) -> str:
    async def git(*arguments: str) -> str:
        return await command(["git", *arguments], placed.repo, env, f"git {arguments[0]}")

    if not (placed.repo / ".git").exists():
        await git("-c", "init.defaultBranch=main", "-c", "init.templateDir=", "init", "-q")
        config = (
            "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tautocrlf = false\n"
            "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
            f"[user]\n\tname = {GIT['GIT_AUTHOR_NAME']}\n\temail = {GIT['GIT_AUTHOR_EMAIL']}\n"
        )
        (placed.repo / ".git/config").write_text(config, encoding="utf-8")
        (placed.repo / ".git/info").mkdir(exist_ok=True)
        (placed.repo / ".git/info/exclude").write_text(EXCLUDED, encoding="utf-8")
        await git("add", "-A", *force)
        await git("commit", "-q", "--no-verify", "--allow-empty", "-m", "start")
    return (await git("rev-parse", "HEAD")).strip()


# ------------------------------------------------------------------ what was changed


def _start_git(placed: Placed) -> list[str]:
    return [
        "git", f"--git-dir={placed.top / 'start'}", f"--work-tree={placed.repo}",
        "-c", "core.autocrlf=false", "-c", "core.safecrlf=false", "-c", "gc.auto=0",
        "-c", "core.quotePath=false", "-c", "core.fsmonitor=false",
    ]  # fmt: skip


async def _keep_start(placed: Placed, env: Mapping[str, str]) -> None:
    """Keep how the folder is now where no agent's git sees it: not in its index or objects."""
    start = placed.top / "start"
    await command(
        ["git", "-c", "init.templateDir=", "init", "-q", "--bare", str(start)],
        placed.repo, env, "git init",
    )  # fmt: skip
    (start / "info").mkdir(exist_ok=True)
    (start / "info/exclude").write_text(EXCLUDED, encoding="utf-8")
    (start / "info/attributes").write_text(_BYTE_FOR_BYTE, encoding="utf-8")
    git = _start_git(placed)
    await _add_all(placed, env)
    tree = await command([*git, "write-tree"], placed.repo, env, "git write-tree")
    (start / "tree").write_text(tree, encoding="utf-8")


async def _add_all(placed: Placed, env: Mapping[str, str]) -> None:
    """Put the folder as it is now into the harness's own index.

    Of a repository that an agent made within it, git would take the commit's id alone, and
    without a commit nothing of the whole folder at all: its files are put there one by one,
    unless they are so many that it was fetched from somewhere.
    """
    git, inner = _start_git(placed), await asyncio.to_thread(inner_repositories, placed.repo)
    names = [path.relative_to(placed.repo).as_posix() for path in inner]
    others = ["--", ".", *(f":(exclude,literal){name}" for name in names)] if names else []
    await command([*git, "add", "-A", *others], placed.repo, env, "git add")
    if not names:
        return
    held = await command(
        [*git, "--literal-pathspecs", "ls-files", "-z", "--", *names],
        placed.repo,
        env,
        "git ls-files",
    )
    there = {
        str(path.relative_to(placed.repo))
        for folder in inner
        for path in _files(folder)
        if path.is_symlink() or path.is_file()
    }
    if len(there) > MOST_INNER:
        there = set()
    listed = placed.top / "listed"
    listed.write_bytes(b"\0".join(map(os.fsencode, sorted({*there, *held.split("\0")} - {""}))))
    update = [*git, "update-index", "-z", "--add", "--remove", "--stdin"]
    given = ["/bin/sh", "-c", 'exec "$@" <"$0"', str(listed), *update]
    await command(given, placed.repo, env, "git update-index")
    listed.unlink()


async def diff(placed: Placed, environ: Mapping[str, str]) -> bytes:
    """Return what was changed since the start as a patch that git applies, new files included.

    What git ignores there is left out: caches, and files with secrets.

    Raises:
        PlacingError: git fails.
    """
    env = environment(environ, placed.home, GIT)
    git = _start_git(placed)
    await _add_all(placed, env)
    tree = (placed.top / "start/tree").read_text(encoding="utf-8").strip()
    arguments = [
        "diff",
        "--cached",
        "--binary",
        "--no-color",
        "--no-ext-diff",
        "--no-renames",
        tree,
    ]
    patch = await command([*git, *arguments], placed.repo, env, "git diff")
    return patch.encode("utf-8", "surrogateescape")
