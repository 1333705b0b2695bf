from __future__ import annotations

import errno
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from whoever import whoever

from qcode.record import Record
from qcode.sandbox.bubblewrap import Bubblewrap, find
from qcode.sandbox.bubblewrap_arguments import MovedError
from qcode.sandbox.bubblewrap_child import BubblewrapChild
from qcode.sandbox.policy import MIB, Confinement, Limits, Network
from qcode.sandbox.unavailable import Unavailable

PROGRAM = find((), "/usr/bin")
PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
BASH = ("/bin/bash", "--noprofile", "--norc", "-c")
DEFAULT = Limits()
LONG = 30
"""Longer than anything here takes, in seconds."""

pytestmark = pytest.mark.skipif(not PROGRAM, reason="bubblewrap is not installed")


class Ran(Record):
    code: int
    out: str
    err: str
    left: int
    exceeded: str


class Sandbox:
    """A workspace, a home and what is beside them, and commands in the workspace."""

    def __init__(self, place: Path, bubblewrap: Bubblewrap) -> None:
        self.place = place
        self.bubblewrap = bubblewrap
        self.workspace = place / "workspace"
        for name in ("workspace/.git/hooks", "home/.ssh", "temp"):
            (place / name).mkdir(parents=True, mode=0o700)
        for name in ("workspace/.git/config", "workspace/a.txt", "beside.txt"):
            (place / name).write_text("original\n")
        for name in ("home/.ssh/key", "home/.netrc", "workspace/.env"):
            (place / name).write_text("SECRET\n")

    def confinement(
        self,
        *,
        writable: tuple[str, ...] | None = None,
        network: Network = Network.OFF,
        limits: Limits = DEFAULT,
        temp: bool = True,
    ) -> Confinement:
        workspace = str(self.workspace)
        return Confinement(
            writable=(workspace,) if writable is None else writable,
            pinned=(f"{workspace}/.git",),
            protected=(f"{workspace}/.git/config", f"{workspace}/.git/hooks"),
            hidden=(
                f"{self.place}/home/.ssh",
                f"{self.place}/home/.netrc",
                f"{workspace}/.env",
                f"{self.place}/home/.removed",
            ),
            temp=f"{self.place}/temp" if temp else "",
            network=network,
            limits=limits,
        )

    def start(
        self,
        command: str | tuple[str, ...],
        confinement: Confinement | None = None,
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> BubblewrapChild:
        return self.bubblewrap.start(
            (*BASH, command) if isinstance(command, str) else command,
            cwd=str(cwd or self.workspace),
            env={"PATH": PATH} if env is None else env,
            confinement=confinement or self.confinement(),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )

    def run(
        self,
        command: str | tuple[str, ...],
        confinement: Confinement | None = None,
        *,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Ran:
        with closing(self.start(command, confinement, env=env, cwd=cwd)) as child:
            assert child.stdout
            assert child.stderr
            code = child.wait(LONG)
            out, err = child.stdout.read().decode(), child.stderr.read().decode()
            return Ran(code, out, err, child.left, child.exceeded)


@contextmanager
def sandbox(place: Path, *, seen: tuple[str, ...] = ()) -> Iterator[Sandbox]:
    with closing(Bubblewrap(PROGRAM, seen=seen)) as bubblewrap:
        yield Sandbox(place, bubblewrap)


def lines(text: str) -> list[str]:
    return text.splitlines()


@whoever
def test_a_command_writes_only_where_it_may(place: Path) -> None:
    with sandbox(place) as inside:
        ran = inside.run(
            "echo changed >a.txt; echo changed >../beside.txt; echo changed >../new.txt;"
            "touch /dev/new /proc/sys/kernel/core_pattern; echo x >/proc/sys/kernel/core_pattern"
        )
        assert (inside.workspace / "a.txt").read_text() == "changed\n"
        assert (place / "beside.txt").read_text() == "original\n"
        assert not (place / "new.txt").exists()
        assert len(lines(ran.err)) == 5
        assert "Read-only file system" in ran.err


@whoever
def test_without_anything_writable_nothing_of_the_workspace_changes(place: Path) -> None:
    with sandbox(place) as inside:
        command = "cat a.txt; echo changed >a.txt; touch .git/new; touch .git/hooks/new"
        ran = inside.run(command, inside.confinement(writable=()))
        assert ran.out == "original\n"
        assert (inside.workspace / "a.txt").read_text() == "original\n"
        assert not (inside.workspace / ".git/new").exists()


@whoever
def test_what_is_hidden_looks_empty(place: Path) -> None:
    with sandbox(place) as inside:
        ran = inside.run("cat .env ../home/.netrc && ls -A ../home/.ssh && test -f .env")
        assert (ran.code, ran.out, ran.err) == (0, "", "")


@whoever
def test_what_is_hidden_cannot_be_replaced_or_put_aside(place: Path) -> None:
    with sandbox(place) as inside:
        ran = inside.run("rm -f .env; mv .env .other; cp a.txt .env; rm -rf ../home/.ssh")
        assert ran.code
        assert (inside.workspace / ".env").read_text() == "SECRET\n"
        assert (place / "home/.ssh/key").exists()


@whoever
def test_what_is_protected_stays_as_it_is_and_where_it_is(place: Path) -> None:
    with sandbox(place) as inside:
        inside.run(
            "echo x >>.git/config; rm -f .git/config; touch .git/hooks/pre-commit; mv .git .away;"
            "rm -rf .git; ln -sfT /tmp .git; mv .git/hooks .git/others; touch .git/index"
        )
        git = inside.workspace / ".git"
        assert (git / "config").read_text() == "original\n"
        assert sorted(path.name for path in git.iterdir()) == ["config", "hooks", "index"]
        assert not list((git / "hooks").iterdir())


@whoever
def test_a_hidden_file_in_a_pinned_or_protected_directory_stays_hidden(place: Path) -> None:
    with sandbox(place) as inside:
        workspace = str(inside.workspace)
        for name in ("pinned", "protected"):
            (inside.workspace / name).mkdir()
            (inside.workspace / name / ".env").write_text("SECRET\n")
        ran = inside.run(
            "cat */.env",
            Confinement(
                writable=(workspace,),
                pinned=(f"{workspace}/pinned", f"{workspace}/protected"),
                protected=(f"{workspace}/protected",),
                hidden=(f"{workspace}/pinned/.env", f"{workspace}/protected/.env"),
            ),
        )
        assert (ran.code, ran.out) == (0, "")


@whoever
def test_a_pin_does_not_make_a_protected_directory_writable(place: Path) -> None:
    with sandbox(place) as inside:
        workspace = str(inside.workspace)
        inside.run(
            "touch .git/hooks/new .git/new",
            Confinement(
                writable=(workspace,),
                pinned=(f"{workspace}/.git", f"{workspace}/.git/hooks"),
                protected=(f"{workspace}/.git",),
            ),
        )
        assert not (inside.workspace / ".git/new").exists()
        assert not (inside.workspace / ".git/hooks/new").exists()


@whoever
def test_where_a_path_has_become_a_link_nothing_is_started(place: Path) -> None:
    with sandbox(place) as inside:
        workspace = str(inside.workspace)
        (inside.workspace / "sub").symlink_to("../home")
        (place / "home/repo").mkdir()
        (place / "home/.env").write_text("SECRET\n")
        pinned = Confinement(
            writable=(workspace,), pinned=(f"{workspace}/sub", f"{workspace}/sub/repo")
        )
        hidden = Confinement(writable=(workspace,), hidden=(f"{workspace}/sub/.env",))
        for confinement in (pinned, hidden):
            with pytest.raises(MovedError):
                inside.run("true", confinement)
        with pytest.raises(OSError, match="symbolic link"):
            inside.run("true", Confinement(writable=(workspace, f"{workspace}/sub")))


SWAPPING = """
import os, random, shutil, sys, time
inside, away, target = sys.argv[1:]
print("up", flush=True)
def tried(what, *paths):
    try:
        what(*paths)
    except OSError:  # whoever found it missing has made it anew
        pass
for turn in range(10_000_000):
    tried(os.rename, inside, away)
    tried(os.symlink, target, inside)
    tried(os.unlink, inside)
    if os.path.exists(away):
        tried(shutil.rmtree, inside)
        tried(os.rename, away, inside)
    if turn % 100 == 0:
        time.sleep(random.random() / 50)  # longer than a start takes, so that some get through
"""


@whoever
def test_a_job_that_swaps_directories_for_links_gets_nothing_mounted(place: Path) -> None:
    with sandbox(place) as inside:
        home, sub, away = (str(place / name) for name in ("home", "workspace/sub", "workspace/x"))
        confinement = Confinement(
            writable=(str(inside.workspace),),
            pinned=(sub, f"{sub}/repo"),
            protected=(f"{sub}/repo/config",),
        )
        for parent in (home, sub):
            Path(parent, "repo").mkdir(parents=True)
            Path(parent, "repo/config").write_text("")
        job = inside.start(("/usr/bin/env", "python3", "-c", SWAPPING, sub, away, "../home"))
        with closing(job):
            assert job.stdout
            job.stdout.readline()
            tried = refused = 0
            while tried < 60 or (tried == refused and tried < 1000):  # some are to get through
                tried += 1
                try:
                    inside.run("touch ../home/new ../home/repo/new", confinement)
                except (Unavailable, OSError):
                    refused += 1
            assert job.poll() is None
        assert refused < tried
        assert not Path(home, "new").exists()
        assert not Path(home, "repo/new").exists()


@whoever
def test_a_job_that_leads_mounts_astray_does_not_get_at_what_is_hidden(place: Path) -> None:
    with sandbox(place) as inside:
        sub, away = (str(place / name) for name in ("workspace/sub", "workspace/x"))
        Path(sub).mkdir()
        Path(sub, ".env").write_text("SECRET\n")
        (place / "home/.env").write_text("")
        confinement = Confinement(writable=(str(inside.workspace),), hidden=(f"{sub}/.env",))
        astray = f"/oldroot{place}/home"  # where bubblewrap has what will be out of reach
        job = inside.start(("/usr/bin/env", "python3", "-c", SWAPPING, sub, away, astray))
        with closing(job):
            assert job.stdout
            job.stdout.readline()
            read: list[str] = []
            tried = 0
            while tried < 60 or (not read and tried < 1000):
                tried += 1
                try:
                    read.append(inside.run("cat sub/.env x/.env", confinement).out)
                except (Unavailable, OSError):
                    continue
            assert job.poll() is None
        assert read
        assert "SECRET" not in "".join(read)


def test_all_of_the_file_system_is_never_writable(tmp_path: Path) -> None:
    with sandbox(tmp_path) as inside, pytest.raises(ValueError, match="root directory"):
        inside.run("true", Confinement(writable=("/",)))


@whoever
def test_a_workspace_in_tmp_is_seen_and_what_is_beside_it_is_not(place: Path) -> None:
    with sandbox(place) as inside:
        outer = Path(inside.run("mktemp -d").out)  # a name that is free in the machine's /tmp too
        outer.mkdir()
        try:
            (outer / "workspace").mkdir()
            (outer / "other").mkdir()
            confinement = Confinement(writable=(f"{outer}/workspace",))
            ran = inside.run("touch new; ls ..", confinement, cwd=outer / "workspace")
            assert (ran.code, ran.out) == (0, "workspace\n")
            assert (outer / "workspace/new").exists()
            with closing(Bubblewrap(PROGRAM, seen=(str(outer),))) as seeing:
                inside.bubblewrap = seeing
                ran = inside.run("ls; touch new", Confinement(), cwd=outer)
            assert ran.out == "other\nworkspace\n"
            assert not (outer / "new").exists()
        finally:
            for name in ("workspace/new", "workspace", "other", ""):
                path = outer / name
                path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)


@whoever
def test_tmp_is_shared_by_commands_and_private(place: Path) -> None:
    with sandbox(place) as inside:
        inside.run("echo kept >/tmp/mine; echo gone >/var/tmp/mine; echo gone >/run/mine")
        ran = inside.run("cat /tmp/mine; ls /var/tmp /run; df --output=size /dev/shm | tail -1")
        assert lines(ran.out)[0] == "kept"
        assert "mine" not in "".join(lines(ran.out)[1:-1])
        assert int(lines(ran.out)[-1]) * 1024 == Limits().temp_bytes
        assert (place / "temp/mine").read_text() == "kept\n"
        assert not Path("/tmp/mine").exists()


@whoever
def test_paths_may_have_any_name(place: Path) -> None:
    with sandbox(place) as inside:
        odd = inside.workspace / "a b\tc\nd\\e\udcff'\"$x;#"
        (odd / "sub").mkdir(parents=True)
        (odd / "sub/.env").write_text("SECRET")
        confinement = Confinement(
            writable=(str(odd),), pinned=(f"{odd}/sub",), hidden=(f"{odd}/sub/.env",)
        )
        ran = inside.run("cat sub/.env; touch new; mv sub other", confinement, cwd=odd)
        assert ran.out == ""
        assert (odd / "new").exists()
        assert (odd / "sub").exists()


@whoever
def test_a_command_has_no_privileges_and_sees_no_other_processes(place: Path) -> None:
    with sandbox(place) as inside:
        ran = inside.run(
            "grep -E '^(Cap(Eff|Prm|Bnd|Inh|Amb)|NoNewPrivs|Seccomp):' /proc/self/status;"
            "echo /proc/[0-9]*; cat /proc/1/environ; tty; (: </dev/tty) 2>/dev/null && echo tty"
        )
        values = [line.split()[1] for line in lines(ran.out)[:7]]
        assert sorted(values) == sorted(["0" * 16] * 5 + ["1", "2"])
        assert len(lines(ran.out)[7].split()) == 3  # bubblewrap, the shell around it, itself
        assert lines(ran.out)[8:] == ["not a tty"]


@whoever
def test_a_command_gets_its_three_descriptors_and_no_other(place: Path) -> None:
    with sandbox(place) as inside:
        plain = "echo /proc/self/fd/* /proc/1/fd/*; readlink /proc/1/fd/* /proc/2/fd/*"
        inside.bubblewrap.hold()
        ran = inside.run(plain)
        assert lines(ran.out)[0].split()[:3] == [f"/proc/self/fd/{number}" for number in (0, 1, 2)]
        for number in (1, 2):
            ran = inside.run(f"for fd in /proc/{number}/fd/*; do readlink $fd; done")
            kinds = {line.partition(":")[0] for line in lines(ran.out)}
            assert kinds <= {"/dev/null", "pipe", "socket", "anon_inode"}


@whoever
def test_the_environment_is_what_was_given_and_bubblewrap_gets_none(place: Path) -> None:
    with sandbox(place) as inside:
        env = {"PATH": PATH, "A": "b\nc=d", "BASH_FUNC_x%%": "() { id; }", "odd.name": "é\udcff"}
        with closing(inside.start("read; env -0", env=env, stdin=subprocess.PIPE)) as child:
            own = Path(f"/proc/{child.pid}/environ").read_bytes()
            assert child.stdin
            assert child.stdout
            child.stdin.close()
            out = child.stdout.read()
            assert child.wait(LONG) == 0
        found = dict(entry.split(b"=", 1) for entry in out.split(b"\0") if entry)
        assert found[b"A"] == b"b\nc=d"
        assert found[b"odd.name"] == os.fsencode("é\udcff")
        assert set(found) - {os.fsencode(name) for name in env} <= {b"PWD", b"SHLVL", b"_"}
        assert own == b""


@whoever
def test_nothing_handed_over_becomes_an_option_of_bubblewrap(place: Path) -> None:
    with sandbox(place) as inside:
        with pytest.raises(ValueError, match="null"):
            inside.run("true", env={"A": f"b\0--bind\0{place}\0{place}"})
        ran = inside.run(("printf", "%s|", "--bind", "/", "", "two words", "'$x"))
        assert ran.out == "--bind|/||two words|'$x|"


@whoever
def test_the_exit_code_is_handed_on(place: Path) -> None:
    with sandbox(place) as inside:
        assert [inside.run(f"exit {code}").code for code in (0, 1, 127, 255)] == [0, 1, 127, 255]
        assert inside.run("kill -KILL $$").code == 128 + signal.SIGKILL
        assert inside.run("kill -TERM -- -$$").code == 128 + signal.SIGTERM
        assert inside.run("echo done").err == ""


@whoever
def test_what_cannot_be_started_is_told_as_an_os_error(place: Path) -> None:
    with sandbox(place) as inside:
        (inside.workspace / "plain.txt").write_text("")
        (place / "temp/tool").write_text("#!/bin/sh\n")
        (place / "temp/tool").chmod(0o700)
        with pytest.raises(FileNotFoundError):
            inside.start(("no-such-program",))
        with pytest.raises(PermissionError):
            inside.start(("./plain.txt",))
        with pytest.raises(FileNotFoundError) as missing:
            inside.start("true", cwd=place / "missing")
        assert missing.value.filename == str(place / "missing")
        with pytest.raises(NotADirectoryError):
            inside.start("true", cwd=place / "beside.txt")
        with pytest.raises(OSError, match=os.strerror(errno.E2BIG)):
            inside.start(("true", "x" * 200_000))
        with pytest.raises(OSError, match=os.strerror(errno.E2BIG)):
            inside.start("true", env={"PATH": PATH, "BIG": "x" * 200_000})
        with pytest.raises(FileNotFoundError):
            inside.run("true", Confinement(writable=(f"{place}/missing",)))


def test_a_program_that_is_out_of_sight_is_told_as_missing(tmp_path: Path) -> None:
    with sandbox(tmp_path) as inside:
        tool = tmp_path / "tool"
        if not str(tool).startswith("/tmp/"):
            pytest.skip("temporary files of tests are not in /tmp")
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)
        with pytest.raises(FileNotFoundError):
            inside.start((str(tool),))


@whoever
def test_what_a_command_leaves_behind_is_ended_and_counted(place: Path) -> None:
    with sandbox(place) as inside:
        ran = inside.run("(trap '' TERM; sleep 60) & setsid sleep 60 & exit 3")
        assert (ran.code, ran.left) == (3, 2)
        assert inside.run("true").left == 0


@whoever
def test_what_a_command_leaves_behind_gets_a_moment_to_end_by_itself(place: Path) -> None:
    with sandbox(place) as inside:
        ran = inside.run("echo text > >(cat >late.txt); exit 4")
        assert (ran.code, ran.left) == (4, 0)
        assert (inside.workspace / "late.txt").read_text() == "text\n"


@whoever
def test_output_and_input_go_where_they_are_sent(place: Path) -> None:
    with sandbox(place) as inside:
        both = "read line; echo out $line; echo err $line >&2"
        child = inside.start(both, stdin=subprocess.PIPE, stderr=subprocess.STDOUT)
        with closing(child):
            assert child.stdin
            assert child.stdout
            child.stdin.write(b"x\n")
            child.stdin.close()
            assert child.stdout.read() == b"out x\nerr x\n"
            assert child.stderr is None
        with (place / "log").open("wb") as log, (place / "beside.txt").open("rb") as given:
            child = inside.start(
                both, stdin=given.fileno(), stdout=log.fileno(), stderr=log.fileno()
            )
            with closing(child):
                assert child.wait(LONG) == 0
        assert (place / "log").read_text() == "out original\nerr original\n"
        with closing(inside.start(both, stderr=subprocess.DEVNULL)) as child:
            assert child.stdout
            assert child.stdout.read() == b"out\n"


@whoever
def test_asking_to_end_lets_traps_run(place: Path) -> None:
    with sandbox(place) as inside:
        child = inside.start("trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.1; done")
        with closing(child):
            assert child.stdout
            assert child.stdout.readline() == b"up\n"
            child.terminate()
            assert child.wait(LONG) == 9
            assert child.stdout.read() == b"bye\n"
            child.terminate()


@whoever
def test_killing_ends_all_of_it_at_once(place: Path) -> None:
    with sandbox(place) as inside, open(os.devnull) as null:
        reading, writing = os.pipe()
        child = inside.start(
            "trap '' TERM; sleep 60 & sleep 60", stdin=null.fileno(), stdout=writing
        )
        os.close(writing)
        with closing(child):
            assert child.poll() is None
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(0.01)
            child.kill()
            child.kill()
            assert select.select([child], [], [], LONG)[0]
            assert child.poll() == -signal.SIGKILL
            child.kill()
        child.close()
        with open(reading, "rb") as file:
            assert file.read() == b""  # nobody has it open


@whoever
def test_closing_ends_what_still_runs(place: Path) -> None:
    with sandbox(place) as inside:
        child = inside.start("echo up; sleep 60")
        child.close()
        assert child.returncode == -signal.SIGKILL
        with pytest.raises(ValueError, match="closed"):
            child.fileno()


@whoever
def test_a_command_ends_with_whoever_started_it(place: Path) -> None:
    with sandbox(place) as inside:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            inside.start("echo up; sleep 60", stdout=writing)
            os.kill(os.getpid(), signal.SIGKILL)
        os.close(writing)
        os.waitpid(pid, 0)
        with open(reading, "rb") as file:
            file.read()  # comes to an end once nobody has the other end


@whoever
def test_a_command_does_not_end_with_the_thread_that_started_it(place: Path) -> None:
    with sandbox(place) as inside:
        started: list[BubblewrapChild] = []
        thread = threading.Thread(
            target=lambda: started.append(inside.start("read; echo $?", stdin=subprocess.PIPE))
        )
        thread.start()
        thread.join()
        with closing(started[0]) as child:
            assert child.stdin
            assert child.stdout
            child.stdin.write(b"\n")
            child.stdin.close()
            assert child.stdout.read() == b"0\n"
            assert child.wait(LONG) == 0


@whoever
def test_many_run_at_once(place: Path) -> None:
    with sandbox(place) as inside:
        children = [inside.start(f"exit {number}") for number in range(40)]
        assert [child.wait(LONG) for child in children] == list(range(40))
        for child in children:
            child.close()


@whoever
def test_a_file_does_not_grow_beyond_its_limit(place: Path) -> None:
    with sandbox(place) as inside:
        ran = inside.run(
            "head -c 9000000 /dev/zero >big; stat -c %s big; ulimit -n; ulimit -c",
            inside.confinement(limits=Limits(file_bytes=5 * MIB, open_files=100)),
        )
        assert lines(ran.out) == [str(5 * MIB), "100", "0"]


FORKING = (
    "import os, time\n"
    "for i in range(400):\n"
    "    if os.fork() == 0: time.sleep(60)\n"
    "    time.sleep(0.003)\n"
    "print('all', flush=True); time.sleep(60)"
)


@whoever
def test_too_many_processes_are_not_had(place: Path) -> None:
    with sandbox(place) as inside:
        few = inside.confinement(limits=Limits(processes=50))
        ran = inside.run(("/usr/bin/env", "python3", "-c", FORKING), few, env={"PATH": PATH})
        assert "all" not in ran.out
        if os.getuid() == 0:
            assert (ran.code, ran.exceeded) == (-signal.SIGKILL, "50 processes")
        else:
            assert "Resource temporarily unavailable" in ran.err


@whoever
def test_too_much_memory_ends_a_command(place: Path) -> None:
    with sandbox(place) as inside:
        limited = inside.confinement(limits=Limits(memory_bytes=100 * MIB))
        hog = "import time; kept = b'x' * 200_000_000; time.sleep(60)"
        ran = inside.run(("/usr/bin/env", "python3", "-c", hog), limited)
        assert (ran.code, ran.exceeded) == (-signal.SIGKILL, "100 MiB of memory")


@whoever
def test_too_large_temporary_files_end_the_command_that_made_them(place: Path) -> None:
    with sandbox(place) as inside:
        ran = inside.run("head -c 600M /dev/zero >/tmp/big; sleep 60")
        assert (ran.code, ran.exceeded) == (-signal.SIGKILL, "512 MiB of temporary files")
        ran = inside.run("sleep 0.3; rm /tmp/big; echo removed")
        assert (ran.code, ran.out) == (0, "removed\n")


@whoever
def test_a_limit_of_its_own_on_temporary_files_is_held_by_the_kernel(place: Path) -> None:
    with sandbox(place) as inside:
        small = inside.confinement(limits=Limits(temp_bytes=2 * MIB))
        ran = inside.run("head -c 5M /dev/zero >/tmp/big; stat -c %s /tmp/big", small)
        assert lines(ran.out) == [str(2 * MIB)]
        assert "No space left" in ran.err
        assert not list((place / "temp").iterdir())


def connecting(port: int) -> str:
    return f"exec 3<>/dev/tcp/127.0.0.1/{port} && cat <&3"


@contextmanager
def greeting(listener: socket.socket) -> Iterator[int]:
    """Answer one connection; yields the port."""

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"hello\n")

    thread = threading.Thread(target=answer, daemon=True)
    with listener:
        thread.start()
        yield listener.getsockname()[1]


@whoever
def test_the_machine_is_reached_only_where_the_network_is_on(place: Path) -> None:
    with sandbox(place) as inside, greeting(socket.create_server(("127.0.0.1", 0))) as port:
        assert inside.run(connecting(port)).code
        inside.bubblewrap.hold()
        assert inside.run(connecting(port)).code
        on = inside.confinement(network=Network.ON)
        assert inside.run(connecting(port), on).out == "hello\n"


@whoever
def test_a_socket_that_listens_for_commands_is_reached_by_them(place: Path) -> None:
    with sandbox(place) as inside:
        proxied = inside.confinement(network=Network.PROXY)
        with greeting(inside.bubblewrap.listen(0)) as port:
            assert inside.run(connecting(port), proxied).out == "hello\n"
            with pytest.raises(OSError, match=os.strerror(errno.EADDRINUSE)):
                inside.bubblewrap.listen(port)


def test_where_no_proxy_listens_nothing_is_started_for_one(tmp_path: Path) -> None:
    with sandbox(tmp_path) as inside, pytest.raises(Unavailable, match="proxy"):
        inside.run("true", inside.confinement(network=Network.PROXY))


SERVER = (
    "import socket\n"
    "s = socket.create_server(('127.0.0.1', 0))\n"
    "print(s.getsockname()[1], flush=True)\n"
    "c, _ = s.accept(); c.sendall(b'from the job\\n'); c.close()"
)


@whoever
def test_commands_share_a_loopback_once_it_is_held(place: Path) -> None:
    with sandbox(place) as inside:
        with closing(inside.start(("/usr/bin/env", "python3", "-c", SERVER))) as alone:
            assert alone.stdout
            assert inside.run(connecting(int(alone.stdout.readline()))).code
        inside.bubblewrap.hold()
        with closing(inside.start(("/usr/bin/env", "python3", "-c", SERVER))) as job:
            assert job.stdout
            ran = inside.run(connecting(int(job.stdout.readline())))
            assert ran.out == "from the job\n"


@whoever
def test_sharing_a_loopback_gives_no_power_over_it(place: Path) -> None:
    with sandbox(place) as inside:
        plain = "grep -E '^(Cap|NoNew|Seccomp|Groups)' /proc/self/status; cat /proc/self/uid_map"
        alone = inside.run(plain)
        inside.bubblewrap.hold()
        shared = inside.run(plain)
        assert shared == alone
        code = (
            "import socket, fcntl, struct, os\n"
            "def tried(what):\n"
            "    try: what(); print('done')\n"
            "    except OSError as error: print(error.errno)\n"
            "s = socket.socket(); down = struct.pack('16sh', b'lo', 0)\n"
            "tried(lambda: fcntl.ioctl(s, 0x8914, down))\n"
            "tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))\n"
        )
        ran = inside.run(("/usr/bin/env", "python3", "-c", code))
        assert lines(ran.out) == [str(errno.EPERM)] * 2


def test_only_a_bubblewrap_that_commands_cannot_write_is_taken(tmp_path: Path) -> None:
    own = tmp_path / "bin/bwrap"
    own.parent.mkdir()
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    here = os.path.relpath(own.parent)
    assert find((str(tmp_path),), f"{own.parent}:{here}::.") in ("", os.path.realpath(PROGRAM))
    if not Path("/usr/bin/bwrap").exists():
        assert find((), str(own.parent)) == str(own)


def test_what_is_no_bubblewrap_is_unavailable(tmp_path: Path) -> None:
    false = tmp_path / "bwrap"
    for text, said in (("#!/bin/sh\n", "--bind-fd"), ("", "does not run")):
        false.write_text(text)
        false.chmod(0o755)
        with pytest.raises(Unavailable, match=said):
            Bubblewrap(str(false))
    with pytest.raises(Unavailable, match="not installed"):
        Bubblewrap("")


def test_importing_it_needs_no_module_of_the_network(tmp_path: Path) -> None:
    del tmp_path
    code = (
        "import sys, qcode.sandbox.bubblewrap, qcode.sandbox.choose\n"
        "print(sorted({'asyncio', 'ssl', 'http', 'ctypes', 'concurrent'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
