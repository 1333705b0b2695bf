"""Commands in a container of a real engine, with an image made of this machine's programs."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from qcode.record import Record
from qcode.sandbox.container import Container, find
from qcode.sandbox.container_child import ContainerChild
from qcode.sandbox.policy import MIB, Confinement, Limits, Network, Tier
from qcode.sandbox.unavailable import Unavailable

GUARD_S = 60.0
DEFAULT = Limits()
IMAGE = "localhost/qcode-test:1"
PROGRAM = find(Tier.PODMAN, (), "/usr/bin:/usr/local/bin")
_ULIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
_PROGRAMS = ("bash", "cat", "id", "setsid", "sleep", "touch", "mv", "rm", "true")

pytestmark = pytest.mark.skipif(not PROGRAM, reason="podman is not installed")


class Ran(Record):
    code: int
    out: str
    left: int


class Engine(Record):
    environ: Mapping[str, str]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """A podman with a place of its own and one image."""
    # Under a long path its sockets' names do not fit, and each end of a container takes 20 s.
    with tempfile.TemporaryDirectory(prefix="q", dir="/tmp", ignore_cleanup_errors=True) as place:
        yield from _engine(Path(place))


def _engine(place: Path) -> Iterator[Engine]:
    runtime = next((name for name in ("runc", "crun") if shutil.which(name)), "")
    (place / "containers.conf").write_text(
        f'[engine]\nruntime = "{runtime}"\nevents_logger = "file"\n'
    )
    (place / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{place}/graph"\nrunroot = "{place}/run"\n'
    )
    environ = {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": str(place),
        "CONTAINERS_CONF": str(place / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(place / "storage.conf"),
    }
    root = place / "root.tar"
    _pack(root)
    for told in (
        ["import", str(root), IMAGE],
        ["run", "--rm", "--network", "none", *_ULIMITS, IMAGE, "true"],
    ):
        done = subprocess.run([PROGRAM, *told], env=environ, capture_output=True, check=False)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            pytest.skip(f"podman cannot run containers here: {said}")
    yield Engine(environ)
    subprocess.run([PROGRAM, "rmi", "-f", IMAGE], env=environ, capture_output=True, check=False)


def _pack(target: Path) -> None:
    """Write an image's content: some programs, and what they are linked with."""
    files: set[str] = set()
    for name in _PROGRAMS:
        path = shutil.which(name, path="/usr/bin:/bin")
        assert path
        files.add(path)
        linked = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        files.update(re.findall(r"(/\S+)", linked))
    with tarfile.open(target, "w") as archive:
        for folder in ("proc", "dev", "sys", "tmp", "run", "var/tmp", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for path in sorted(files):
            # Where directories are links here, they are none there.
            archive.add(os.path.realpath(path), arcname=path.lstrip("/"), recursive=False)
            if path.startswith("/usr/bin/"):
                archive.add(os.path.realpath(path), arcname=path.removeprefix("/usr/"))


class Place:
    """A workspace and what is beside it."""

    def __init__(self, top: Path, container: Container) -> None:
        self.top = top
        self.workspace = top / "work space"
        self.container = container

    def confinement(
        self,
        *,
        limits: Limits = DEFAULT,
        read_only: bool = False,
    ) -> Confinement:
        work = str(self.workspace)
        return Confinement(
            writable=() if read_only else (work,),
            pinned=() if read_only else (f"{work}/.git",),
            protected=() if read_only else (f"{work}/.git/config",),
            hidden=(f"{work}/.env", f"{work}/secrets"),
            limits=limits,
        )

    def start(self, script: str, confinement: Confinement | None = None) -> ContainerChild:
        return self.container.start(
            ["/bin/bash", "-c", script, "name", "a b", "$(c)"],
            cwd=str(self.workspace),
            env={"PATH": "/nowhere", "KEPT": "x\ny"},
            confinement=confinement or self.confinement(),
            stderr=subprocess.STDOUT,
        )

    def run(self, script: str, confinement: Confinement | None = None) -> Ran:
        with closing(self.start(script, confinement)) as child:
            assert child.stdout is not None
            out = child.stdout.read().decode()
            return Ran(child.wait(GUARD_S), out, child.left)


@pytest.fixture(scope="module")
def place(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    top = tmp_path_factory.mktemp("place")
    work = top / "work space"
    (work / ".git").mkdir(parents=True)
    (work / "secrets").mkdir()
    (work / ".git/config").write_text("original\n")
    (work / ".env").write_text("SECRET\n")
    (work / "secrets/key").write_text("SECRET\n")
    (top / "beside").write_text("original\n")
    container = Container(Tier.PODMAN, PROGRAM, IMAGE, roots=[str(work)], environ=engine.environ)
    with closing(container):
        yield Place(top, container)


def test_a_command_gets_its_words_and_its_exit_code(place: Place) -> None:
    ran = place.run('echo "$1|$2|$KEPT|$PWD|$HOME"; exit 7')
    assert ran == Ran(7, f"a b|$(c)|x\ny|{place.workspace}|/tmp\n", 0)
    assert place.run("kill -KILL $$").code == 128 + 9
    assert place.run("no-such-program").code == 127


def test_a_command_writes_in_the_workspace_and_nowhere_else(place: Place) -> None:
    ran = place.run(
        f"echo x >within; echo x >'{place.top}/beside'; echo x >>.git/config; mv .git g;"
        " echo x >/etc/passwd; echo t >/tmp/t && cat /tmp/t; echo end"
    )
    # The two streams meet in no order, and a line of the one may be cut by the other.
    assert "t\n" in ran.out
    assert "end\n" in ran.out
    assert (place.workspace / "within").read_text() == "x\n"
    assert (place.top / "beside").read_text() == "original\n"
    assert (place.workspace / ".git/config").read_text() == "original\n"


def test_hidden_files_are_empty(place: Place) -> None:
    assert "SECRET" not in place.run("cat .env secrets/key").out
    assert "original" in place.run("cat .git/config").out


def test_a_read_only_policy_writes_nothing(place: Place) -> None:
    ran = place.run("cat .git/config; echo x >new", place.confinement(read_only=True))
    assert ran.code == 1
    assert ran.out.startswith("original\n")
    assert not (place.workspace / "new").exists()


def test_there_are_no_privileges_and_no_network(place: Place) -> None:
    out = place.run("cat /proc/self/status /proc/net/dev").out
    assert re.search(r"CapEff:\s0+$", out, re.MULTILINE)
    assert re.search(r"NoNewPrivs:\s1$", out, re.MULTILINE)
    assert re.search(r"Seccomp:\s2$", out, re.MULTILINE)
    assert re.findall(r"^ *(\w+):.*\d$", out, re.MULTILINE)[-1:] == ["lo"]


def test_commands_one_after_the_other_share_a_container(place: Place) -> None:
    place.run("echo kept >/tmp/kept")
    assert place.run("cat /tmp/kept").out == "kept\n"


def test_what_a_command_leaves_behind_is_ended(place: Place) -> None:
    ran = place.run("setsid sleep 1000 & (setsid sleep 1000 &) ; sleep 0.2; echo end")
    assert ran.out == "end\n"
    assert ran.left == 2
    assert place.run("for p in /proc/[0-9]*; do echo $p; done").out.count("/proc/") == 2


def test_what_ends_by_itself_at_once_is_not_killed(place: Place) -> None:
    assert place.run("sleep 0.01 & echo end").left == 0


def test_ended_processes_do_not_pile_up(place: Place) -> None:
    place.run("for i in 1 2 3 4 5 6 7 8 9; do (setsid true &); done")
    assert place.run("cat /proc/[0-9]*/stat").out.count(" Z ") == 0


def test_killing_ends_the_whole_tree_and_not_the_container(place: Place) -> None:
    place.run("echo kept >/tmp/kept")
    script = "trap '' TERM INT HUP; (setsid sleep 1000 &); echo up; while :; do sleep 1000; done"
    with closing(place.start(script)) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.01)
        assert child.poll() is None
        child.kill()
        assert select.select([child], [], [], GUARD_S)[0]
        assert child.poll() == -9
        child.kill()
    ran = place.run("cat /tmp/kept; for p in /proc/[0-9]*; do echo $p; done")
    assert ran.out.startswith("kept\n")
    assert ran.out.count("/proc/") == 2


def test_terminating_asks(place: Place) -> None:
    script = "trap 'echo asked; exit 5' TERM; echo up; while :; do sleep 0.05; done"
    with closing(place.start(script)) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        child.terminate()
        assert child.wait(GUARD_S) == 5
        assert b"asked\n" in child.stdout.read()


def test_killing_at_once_ends_what_has_hardly_begun(place: Place) -> None:
    for _ in range(3):
        with closing(place.start("sleep 1000")) as child:
            child.kill()
            assert child.wait(GUARD_S) == -9


def test_commands_at_once_do_not_end_each_other_and_share_the_loopback(place: Place) -> None:
    with closing(place.start("echo up; read -r x </dev/tcp/127.0.0.1/1; sleep 1000")) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"up\n"
        second = place.run("cat /proc/self/net/dev >/dev/null; exec 3</proc/self/ns/net; echo end")
        assert second.out == "end\n"
        assert first.poll() is None
        pids = [_first_pid(box) for box in place.container._boxes[-2:]]
        assert len(set(pids)) == 2
        assert len({os.stat(f"/proc/{pid}/ns/net").st_ino for pid in pids}) == 1


def _first_pid(box: object) -> int:
    pid: int = box._first  # type: ignore[attr-defined]
    return pid


def test_limits_hold(place: Place) -> None:
    limits = Limits(processes=20, file_bytes=MIB, open_files=64, temp_bytes=MIB)
    confinement = place.confinement(limits=limits)
    ran = place.run("ulimit -n; ulimit -f; ulimit -c", confinement)
    assert ran.out == "64\n1024\n0\n"
    with closing(place.start("for i in {1..40}; do sleep 1000 & done", confinement)) as child:
        assert child.stdout is not None
        assert b"fork" in child.stdout.readline()
    ran = place.run("while echo 0123456789abcdef; do :; done >/tmp/big", confinement)
    assert ran.code != 0
    assert place.run("echo fine", confinement).out == "fine\n"


def test_bytes_reach_a_command(place: Place) -> None:
    child = place.container.start(
        ["cat"],
        cwd=str(place.workspace),
        env={},
        confinement=place.confinement(),
        stdin=subprocess.PIPE,
    )
    with closing(child):
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"\0\xff" * 100_000)
        child.stdin.close()
        assert child.stdout.read() == b"\0\xff" * 100_000
        assert child.wait(GUARD_S) == 0


def test_commands_from_many_threads_get_their_own_output(place: Place) -> None:
    said: dict[int, str] = {}

    def run(number: int) -> None:
        said[number] = place.run(f"echo {number}").out

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GUARD_S)
    assert said == {number: f"{number}\n" for number in range(4)}


def test_closing_leaves_no_container(place: Place, engine: Engine) -> None:
    work = str(place.workspace)
    container = Container(Tier.PODMAN, PROGRAM, IMAGE, roots=[work], environ=engine.environ)
    with closing(container):
        for confinement in (place.confinement(), place.confinement(read_only=True)):
            child = container.start(["true"], cwd=work, env={}, confinement=confinement)
            assert child.wait(GUARD_S) == 0
            child.close()
        names = [box.name for box in container._boxes]
        assert len(names) == 2
    listed = subprocess.run(
        [PROGRAM, "ps", "-a", "--format", "{{.Names}}"],
        env=engine.environ,
        capture_output=True,
        check=True,
    )
    assert not set(listed.stdout.decode().split()).intersection(names)
    with pytest.raises(Unavailable, match="closed"):
        container.start(["true"], cwd=work, env={}, confinement=Confinement())


def test_a_missing_directory_image_or_engine_is_said(place: Place, engine: Engine) -> None:
    with pytest.raises(FileNotFoundError):
        place.container.start(
            ["true"], cwd=str(place.top / "none"), env={}, confinement=place.confinement()
        )
    with pytest.raises(Unavailable, match=r"no image.*pull"):
        Container(Tier.PODMAN, PROGRAM, "localhost/none:1", roots=[], environ=engine.environ)
    with pytest.raises(Unavailable, match="not installed"):
        Container(Tier.DOCKER, "", IMAGE, roots=[], environ=engine.environ)
    with pytest.raises(Unavailable, match="proxy"):
        place.container.start(
            ["true"], cwd="/", env={}, confinement=Confinement(network=Network.PROXY)
        )


def test_an_engine_in_the_workspace_is_not_taken(tmp_path: Path) -> None:
    fake = tmp_path / "podman"
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o755)
    assert find(Tier.PODMAN, [], str(tmp_path)) == str(fake)
    assert find(Tier.PODMAN, [str(tmp_path)], str(tmp_path)) == ""
    assert find(Tier.PODMAN, [], ".:bin") == ""


_DYING = """
import json, os, sys
from qcode.sandbox.container import Container
from qcode.sandbox.policy import Confinement, Tier
program, image, environ = sys.argv[1:]
container = Container(Tier.PODMAN, program, image, roots=[], environ=json.loads(environ))
child = container.start(["sleep", "1000"], cwd="/tmp", env={}, confinement=Confinement())
print(container._network._first, flush=True)
sys.stdin.readline()
os.kill(os.getpid(), 9)
"""


def test_a_container_does_not_outlive_qcode(engine: Engine) -> None:
    import json

    told = [sys.executable, "-c", _DYING, PROGRAM, IMAGE, json.dumps(dict(engine.environ))]
    with subprocess.Popen(told, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as dying:
        assert dying.stdin is not None
        assert dying.stdout is not None
        ended = os.pidfd_open(int(dying.stdout.readline()))
        dying.stdin.write(b"\n")
        dying.stdin.flush()
        assert select.select([ended], [], [], GUARD_S)[0]
        os.close(ended)
