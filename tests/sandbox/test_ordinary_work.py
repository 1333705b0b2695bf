"""What people do all day still works in the sandbox, in every tier that this machine has."""

from __future__ import annotations

import os
import pwd
import shutil
import sqlite3
import stat
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from outside_temp import outside_temp
from thorough import many, parts

from qcode.errors import SandboxError
from qcode.sandbox.child import Child
from qcode.sandbox.communicate import communicate
from qcode.sandbox.launching import Purpose
from qcode.sandbox.policy import Level, Policy, Tier
from qcode.sandbox.sandbox import Places, Sandbox

HOME = Path(pwd.getpwuid(os.getuid()).pw_dir)
"""The real one: toolchains lie in it."""
TIERS = (Tier.BUBBLEWRAP, Tier.NAMESPACES, Tier.LANDLOCK)
PYTHON = sys.executable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these tiers are Linux's")


class Session:
    """A sandbox with a workspace in it."""

    def __init__(
        self, tier: Tier, place: Path, *, work: Path | None = None, path: str = ""
    ) -> None:
        self.work = work or place / "work"
        self.work.mkdir(exist_ok=True)
        self.tier = tier
        self.environ = {
            name: value for name, value in os.environ.items() if not name.startswith("XDG_")
        } | {"HOME": str(HOME), "PATH": f"{os.environ['PATH']}:{os.path.dirname(PYTHON)}:{path}"}
        self.sandbox = Sandbox(
            Policy(Level.WORKSPACE_WRITE, (self.work,), home=HOME),
            Places(place / "config", place / "state", place / "cache"),
            self.environ,
            wanted=tier,
        )

    @property
    def private_cache(self) -> Path:
        return Path(self.sandbox.confining.private_cache)

    def file(self, name: str, text: str, *, mode: int = 0o644) -> Path:
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def start(self, command: str, *, purpose: Purpose = Purpose.COMMAND) -> Child:
        argv = ["bash", "-c", f"set -e\n{command}"]
        return self.sandbox.start(argv, cwd=self.work, purpose=purpose, stderr=subprocess.STDOUT)

    def run(self, command: str, *, timeout_s: float = 100) -> str:
        """Return what a command prints, which has to go well."""
        done = communicate(self.start(command), [command], b"", timeout_s)
        printed = done.stdout.decode(errors="replace")
        assert done.returncode == 0, printed
        return printed


@cache
def why_not(tier: Tier) -> str:
    """Return why a tier cannot be had here; empty where it can."""
    with tempfile.TemporaryDirectory(dir=outside_temp()) as folder:
        session = Session(tier, Path(os.path.realpath(folder)))
        try:
            session.run("true")
        except SandboxError as error:
            return str(error)
        finally:
            session.sandbox.close()
    return ""


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(
        prefix="qcode-work-", dir=outside_temp(), ignore_cleanup_errors=True
    ) as folder:
        yield Path(os.path.realpath(folder))


@pytest.fixture(params=TIERS)
def tier(request: pytest.FixtureRequest) -> Tier:
    found = Tier(request.param)
    if why := why_not(found):
        pytest.skip(f"{found}: {why}")
    return found


@pytest.fixture
def session(tier: Tier, place: Path) -> Iterator[Session]:
    made = Session(tier, place)
    yield made
    made.sandbox.close()


@pytest.fixture
def repository(tier: Tier, place: Path) -> Iterator[Session]:
    """Return one whose workspace is a repository from the start."""
    work = place / "work"
    work.mkdir()
    made_repository(work)
    made = Session(tier, place)
    yield made
    made.sandbox.close()


def made_repository(work: Path) -> None:
    need("git")
    (work / "a.txt").write_text("a\n")
    for args in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run(["git", *args], cwd=work, check=True, capture_output=True)


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")


def loopback(session: Session) -> None:
    if session.tier is Tier.LANDLOCK:
        pytest.skip("landlock: no network at all, loopback among it")


def sockets(session: Session) -> None:
    if session.tier is Tier.LANDLOCK:
        pytest.skip("landlock: no sockets that lie in directories, since services have such")


# git


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("git status --short && git diff && git log --oneline -1", id="looking"),
        pytest.param("echo b > b && git add b && git commit -qm b && git show --stat", id="commit"),
        pytest.param(
            "echo b >> a.txt && git commit -qam b && git commit -q --amend -m c", id="amend"
        ),
        pytest.param(
            "echo b >> a.txt && git stash -q && git stash list && git stash pop -q && git diff",
            id="stash",
        ),
        pytest.param(
            "git branch one && git switch -q one && git switch -q main && git branch -f one && "
            "git branch -a && git update-ref -d refs/heads/one",
            id="branch",
        ),
        pytest.param(
            "git switch -qc x && echo x > x && git add x && git commit -qm x && git switch -q main "
            "&& echo y > y && git add y && git commit -qm y && git rebase -q x && git log",
            id="rebase",
        ),
        pytest.param(
            "git switch -qc x && echo x > x && git add x && git commit -qm x && git switch -q main "
            "&& git merge -q --no-ff -m merged x && git reset -q --hard HEAD~1 && "
            "git cherry-pick x && git revert --no-edit HEAD",
            id="merge",
        ),
        pytest.param("git gc -q && git fsck && git prune && git repack -adq", id="gc"),
        pytest.param("git tag v1 && git tag -a v2 -m two && git describe", id="tag"),
        pytest.param("git mv a.txt b.txt && git rm -q -f b.txt && git commit -qm gone", id="move"),
        pytest.param("git clean -fdq && git checkout -q -- . && git restore .", id="clean"),
        pytest.param("git format-patch -1 --root && git apply --check -R *.patch", id="patch"),
        pytest.param("git archive HEAD | tar t && git grep a && git blame a.txt", id="archive"),
    ],
)
def test_git(repository: Session, command: str) -> None:
    printed = repository.run(command)

    for word in ("error:", "fatal:", "warning:", "denied", "Read-only"):
        assert word not in printed


def test_a_branch_is_deleted(repository: Session) -> None:
    """Git also rewrites its configuration then, which is protected; it goes on without."""
    repository.run("git branch one && git branch -d one")

    assert repository.run("git branch --format='%(refname:short)'") == "main\n"


def test_what_git_cannot_configure_is_explained(repository: Session) -> None:
    if repository.tier is Tier.LANDLOCK:
        pytest.skip("landlock: the file is put back after the command")
    child = repository.start("git remote add other ../other")
    done = communicate(child, ["git"], b"", 60)

    assert done.returncode != 0
    (block,) = repository.sandbox.blocked(child, done.stdout.decode())
    assert block.access == f"write:{repository.work}/.git/config"


def test_a_worktree_of_git(repository: Session) -> None:
    repository.run("git worktree add -q tree -b other")
    repository.run(
        "cd tree && echo b > b && git add b && git commit -qm in-tree && git status --short"
    )
    assert "in-tree" in repository.run("git log --oneline other")

    repository.run("git worktree remove tree && git worktree prune")

    assert not (repository.work / "tree").exists()


def test_work_in_a_linked_worktree(tier: Tier, place: Path) -> None:
    main = place / "main"
    main.mkdir()
    made_repository(main)
    tree = place / "tree"
    subprocess.run(["git", "worktree", "add", "-q", tree], cwd=main, check=True)
    session = Session(tier, place, work=tree)
    try:
        session.run("echo b >> a.txt && git add -u && git commit -qm second && git stash list")
        assert "second" in session.run("git log --oneline")
    finally:
        session.sandbox.close()


def test_fetching_from_the_repository_beside(tier: Tier, place: Path) -> None:
    beside = place / "beside"
    beside.mkdir()
    made_repository(beside)
    subprocess.run(["git", "branch", "other"], cwd=beside, check=True)
    subprocess.run(["git", "clone", "-q", beside, place / "work"], check=True)
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "new"], cwd=beside, check=True)
    session = Session(tier, place)
    try:
        session.run("git fetch -q && git pull -q")
        assert "new" in session.run("git log --oneline -1")
        session.run("git switch other && git status")
    finally:
        session.sandbox.close()


def test_pushing_within_the_workspace(repository: Session) -> None:
    repository.run("git init -q --bare inner.git && git push -q ./inner.git main:main")

    assert "first" in repository.run("git --git-dir inner.git log --oneline main")


def test_a_repository_made_in_the_sandbox(session: Session) -> None:
    need("git")

    session.run("git init -q && echo a > a && git add a && git commit -qm first")

    assert "first" in session.run("git log --oneline && git status --short")


# Python


def test_pytest(session: Session) -> None:
    session.file("test_it.py", "def test_it(tmp_path):\n    (tmp_path / 'x').write_text('x')\n")

    assert "1 passed" in session.run(f"{PYTHON} -m pytest -q test_it.py")
    assert (session.work / ".pytest_cache").is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("tier", parts(TIERS, Tier.LANDLOCK), indirect=True)
def test_a_virtual_environment_with_a_wheel(session: Session) -> None:
    wheel(session.work / "tiny-1.0-py3-none-any.whl")
    session.run(f"{PYTHON} -m venv .venv")
    pip = ".venv/bin/python -m pip --disable-pip-version-check"
    session.run(f"{pip} install -q --no-index ./tiny-1.0-py3-none-any.whl")

    assert session.run(".venv/bin/python -c 'import tiny; print(tiny.ANSWER)'") == "42\n"
    assert session.run(".venv/bin/tiny") == "42\n"
    where = session.run(f"{pip} cache dir").strip()
    assert Path(where).is_relative_to(session.private_cache)


@pytest.mark.slow
@pytest.mark.parametrize("tier", parts(TIERS, Tier.NAMESPACES), indirect=True)
@pytest.mark.parametrize("editable", ["-e", ""][: many(2, 1)])
def test_a_virtual_environment_with_the_project_itself(session: Session, editable: str) -> None:
    if find_spec("setuptools") is None:  # not imported: it warns, which is an error here
        pytest.skip("there is no setuptools")
    session.file("tiny/__init__.py", "ANSWER = 42\n")
    session.file(
        "pyproject.toml",
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "tiny"\nversion = "1.0"\n'
        '[tool.setuptools]\npackages = ["tiny"]\n',
    )
    session.run(f"{PYTHON} -m venv .venv")
    found = sysconfig.get_path("purelib")

    session.run(
        f"PYTHONPATH={found} .venv/bin/python -m pip install -q --disable-pip-version-check "
        f"--no-index --no-build-isolation {editable} ."
    )

    assert session.run("cd / && $OLDPWD/.venv/bin/python -c 'import tiny; print(tiny.ANSWER)'") == (
        "42\n"
    )


def wheel(path: Path) -> None:
    info = "tiny-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("tiny.py", "ANSWER = 42\ndef main(): print(ANSWER)\n")
        made.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        made.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        made.writestr(f"{info}/entry_points.txt", "[console_scripts]\ntiny = tiny:main\n")
        made.writestr(f"{info}/RECORD", "")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_pool_of_processes(session: Session, method: str) -> None:
    if method == "forkserver":
        sockets(session)
    session.file(
        "pool.py",
        "import multiprocessing as mp\n"
        "from multiprocessing.shared_memory import SharedMemory\n"
        "def square(n): return n * n\n"
        "if __name__ == '__main__':\n"
        f"    with mp.get_context('{method}').Pool(3) as pool:\n"
        "        print(sum(pool.map(square, range(10))))\n"
        "    shared = SharedMemory(create=True, size=64)\n"
        "    shared.close(); shared.unlink()\n",
    )

    assert session.run(f"{PYTHON} pool.py") == "285\n"


def test_a_manager_of_processes(session: Session) -> None:
    """It talks over a socket that lies in a directory."""
    sockets(session)
    session.file(
        "manager.py",
        "import multiprocessing as mp\n"
        "if __name__ == '__main__':\n"
        "    with mp.Manager() as manager:\n"
        "        print(list(manager.list([1, 2])))\n",
    )

    assert session.run(f"{PYTHON} manager.py") == "[1, 2]\n"


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_database_of_sqlite(session: Session, mode: str) -> None:
    session.file(
        "data.py",
        "import sqlite3\n"
        "base = sqlite3.connect('data.db')\n"
        f"base.execute('pragma journal_mode={mode}')\n"
        "base.execute('create table if not exists t (n)')\n"
        "base.execute('insert into t values (1)')\n"
        "base.commit()\n"
        "print(base.execute('select count(*) from t').fetchone()[0])\n"
        "base.close()\n",
    )

    assert [session.run(f"{PYTHON} data.py") for _ in range(2)] == ["1\n", "2\n"]

    base = sqlite3.connect(session.work / "data.db")
    assert base.execute("select count(*) from t").fetchone() == (2,)
    base.close()


# Other languages


@pytest.mark.slow
def test_npm(session: Session) -> None:
    need("node", "npm")
    session.file(
        "package.json", '{"name": "it", "version": "1.0.0", "scripts": {"test": "node --test"}}\n'
    )
    session.file(
        "it.test.js",
        "const test = require('node:test'); const assert = require('node:assert');\n"
        "test('it', () => { assert.equal(1, 1); });\n",
    )
    session.file("part/package.json", '{"name": "part", "version": "1.0.0"}\n')
    session.file("part/index.js", "module.exports = 42;\n")

    assert "pass 1" in session.run("npm test")
    session.run("npm install --offline --no-audit --no-fund ./part")
    assert session.run("node -p 'require(\"part\")'").strip() == "42"
    assert session.run("npm config get cache").strip() == f"{session.private_cache}/npm"
    assert any((session.private_cache / "npm").iterdir())


def test_make_and_gcc(session: Session) -> None:
    need("make", "gcc")
    session.file("it.c", '#include <stdio.h>\nint main(void) { puts("it"); return 0; }\n')
    session.file("Makefile", "it: it.c\n\tgcc -O2 -pipe -o $@ $<\n.PHONY: test\ntest: it\n\t./it\n")

    assert session.run("make -s -j4 test") == "it\n"


@pytest.mark.parametrize("what", ["address", "undefined", "thread"])
def test_sanitizers(session: Session, what: str) -> None:
    """The search for leaks has to be off: it is done with ptrace, which no tier lets through."""
    need("gcc")
    session.file("it.c", "int main(void) { return 0; }\n")
    if "cannot find" in session.run(f"gcc -fsanitize={what} -o it it.c 2>&1 || true"):
        pytest.skip(f"there is no library for -fsanitize={what}")

    session.run("ASAN_OPTIONS=detect_leaks=0 ./it")


@pytest.mark.slow
def test_cargo(session: Session) -> None:
    need("cargo", "rustc", "cc")
    session.file("Cargo.toml", '[package]\nname = "it"\nversion = "0.1.0"\nedition = "2021"\n')
    session.file(
        "src/main.rs", 'fn main() { println!("it"); }\n#[test]\nfn it() { assert!(true); }\n'
    )

    session.run("cargo build --offline -q")
    assert session.run("target/debug/it") == "it\n"
    assert "1 passed" in session.run("cargo test --offline -q")


@pytest.mark.slow
def test_go(session: Session) -> None:
    need("go")
    session.file("go.mod", "module it\n\ngo 1.19\n")
    session.file("main.go", 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("it") }\n')
    session.file("it_test.go", 'package main\n\nimport "testing"\n\nfunc TestIt(t *testing.T) {}\n')

    session.run("go build -buildvcs=false -o it .")
    assert session.run("./it") == "it\n"
    assert "ok" in session.run("go test -vet=off ./...")
    assert session.run("go env GOCACHE").strip() == f"{session.private_cache}/go-build"


# Loopback

_SERVE = """
import http.server, threading, urllib.request
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
print(server.server_port, flush=True)
"""


def test_a_server_and_its_client_in_one_command(session: Session) -> None:
    loopback(session)
    session.file(
        "both.py",
        f"{_SERVE}threading.Thread(target=server.serve_forever, daemon=True).start()\n"
        "url = f'http://localhost:{server.server_port}/it.txt'\n"
        "print(urllib.request.urlopen(url).read().decode())\n",
    )
    session.file("it.txt", "it")

    assert session.run(f"{PYTHON} both.py").split()[-1] == "it"


def test_a_job_is_reached_by_the_next_command(session: Session) -> None:
    loopback(session)
    session.file("serve.py", f"{_SERVE}server.serve_forever()\n")
    session.file("it.txt", "it")
    session.run("true")
    job = session.start(f"exec {PYTHON} serve.py", purpose=Purpose.JOB)
    try:
        assert job.stdout is not None
        port = int(job.stdout.readline())
        ask = (
            f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:{port}/it.txt').read())"
        )

        assert "it" in session.run(f'{PYTHON} -c "{ask}"')
        assert job.poll() is None
    finally:
        job.close()


# Files


def test_temporary_files_are_kept_between_commands(session: Session) -> None:
    session.run('echo kept > "$TMPDIR/x"; mktemp -d; mktemp')
    assert session.run('cat "$TMPDIR/x"') == "kept\n"

    if session.tier is not Tier.LANDLOCK:
        session.run("echo kept > /tmp/y")
        assert session.run("cat /tmp/y") == "kept\n"
        assert not Path("/tmp/y").exists()


def test_modes_and_links(session: Session) -> None:
    session.file("run.sh", "#!/bin/sh\necho ran\n")

    session.run(
        "chmod +x run.sh && ./run.sh && ln -s run.sh link && ./link && ln run.sh hard && "
        "mkdir -m 750 inner && ln -s inner to && echo x > to/x && mv to/x y && mkfifo fifo && "
        "touch -d 2020-01-01 y && cp -a inner copy"
    )

    assert stat.S_IMODE((session.work / "run.sh").stat().st_mode) & 0o111
    assert os.readlink(session.work / "link") == "run.sh"
    assert (session.work / "hard").stat().st_nlink == 2
    assert stat.S_IMODE((session.work / "copy").stat().st_mode) == 0o750


def test_devices_and_standard_places(session: Session) -> None:
    session.run(
        "echo x > /dev/null && head -c 4 /dev/urandom | wc -c && cat <(echo x) < /dev/null && "
        "echo x > /dev/stdout && cat <<< here && ps >/dev/null && nproc && id -un && df . && date"
    )


def test_a_pseudo_terminal(session: Session) -> None:
    say = "import pty, sys; sys.exit(pty.spawn(['tty']))"

    assert "/dev/pts/" in session.run(f'{PYTHON} -c "{say}"')


def test_programs_in_tmp_that_the_path_names(tier: Tier, place: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        top = Path(os.path.realpath(folder))
        (top / "venv/bin").mkdir(parents=True)
        (top / "venv/word").write_text("hello\n")
        (top / "venv/bin/say-it").write_text('#!/bin/sh\ncat "${0%/*}/../word"\n')
        (top / "venv/bin/say-it").chmod(0o755)
        (top / "other").write_text("private\n")
        made = Session(tier, place, path=f"{top}/venv/bin")
        try:
            assert made.run("say-it") == "hello\n"
            told = made.run(
                f"cat {top}/other 2>/dev/null || echo no;"
                f" (echo x > {top}/venv/word) 2>/dev/null || echo no"
            )
        finally:
            made.sandbox.close()
        assert told.splitlines()[-1] == "no"
        assert (top / "venv/word").read_text() == "hello\n"
        if tier is not Tier.LANDLOCK:
            assert told == "no\nno\n"
