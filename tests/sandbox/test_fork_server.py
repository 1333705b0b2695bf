from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from thorough import many
from whoever import whoever

from qcode.record import Record
from qcode.sandbox import fork_server
from qcode.sandbox.fork_server import ForkedChild, ForkServer
from qcode.sandbox.policy import MIB, Confinement, Limits, Network, Tier
from qcode.sandbox.unavailable import Unavailable

PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
BASH = ("/bin/bash", "--noprofile", "--norc", "-c")
LONG = 30
"""Longer than anything here takes, in seconds."""
TIERS = (Tier.NAMESPACES, Tier.LANDLOCK, Tier.NONE)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the means are those of Linux")


class Ran(Record):
    code: int
    out: bytes
    err: bytes
    left: int
    exceeded: str


class Sandbox:
    """A workspace with something hidden and protected, and commands in it."""

    def __init__(self, place: Path, server: ForkServer) -> None:
        self.place = place
        self.server = server
        self.workspace = place / "workspace"
        for name in ("workspace/.git", "temp", "home/.ssh"):
            (place / name).mkdir(parents=True, mode=0o700, exist_ok=True)
        (self.workspace / ".git/config").write_text("original\n")
        (place / "home/.ssh/key").write_text("SECRET\n")
        (place / "beside.txt").write_text("original\n")

    def confinement(self, limits: Limits | None = None) -> Confinement:
        workspace = str(self.workspace)
        return Confinement(
            writable=(workspace,),
            pinned=(f"{workspace}/.git",),
            protected=(f"{workspace}/.git/config",),
            hidden=(f"{self.place}/home/.ssh",),
            temp=f"{self.place}/temp",
            limits=limits or Limits(),
        )

    def start(
        self,
        command: str | tuple[str, ...],
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
        env: dict[str, str] | None = None,
        cwd: str = "",
        limits: Limits | None = None,
    ) -> ForkedChild:
        return self.server.start(
            (*BASH, command) if isinstance(command, str) else command,
            cwd=cwd or str(self.workspace),
            env={"PATH": PATH} if env is None else env,
            confinement=self.confinement(limits),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )

    def run(
        self,
        command: str | tuple[str, ...],
        *,
        env: dict[str, str] | None = None,
        limits: Limits | None = None,
    ) -> Ran:
        with closing(self.start(command, env=env, limits=limits)) as child:
            assert child.stdout
            assert child.stderr
            out, err = child.stdout.read(), child.stderr.read()
            return Ran(child.wait(LONG), out, err, child.left, child.exceeded)


@contextmanager
def sandbox(place: Path, tier: Tier) -> Iterator[Sandbox]:
    fork_server._PYTHON = sys.executable  # another one for a user who cannot run ours
    try:
        server = ForkServer(tier, network=Network.OFF)
    except Unavailable as error:
        if tier is Tier.NONE:
            raise
        pytest.skip(str(error))
    with closing(server):
        yield Sandbox(place, server)


Body: TypeAlias = Callable[[Sandbox], None]


def each(body: Body, tiers: tuple[Tier, ...]) -> Callable[..., None]:
    """Make a test for whoever runs it, by each of the means."""
    tested = {}
    for tier in tiers:

        def within(place: Path, tier: Tier = tier) -> None:
            with sandbox(place, tier) as inside:
                body(inside)

        within.__module__ = body.__module__
        tested[tier] = whoever(within)

    @pytest.mark.parametrize("uid", sorted({os.getuid(), 65534}))
    @pytest.mark.parametrize("tier", tiers)
    def test(tier: Tier, uid: int) -> None:
        tested[tier](uid)

    test.__name__ = body.__name__
    test.__module__ = body.__module__
    return test


def everywhere(body: Body) -> Callable[..., None]:
    return each(body, TIERS)


def confined(body: Body) -> Callable[..., None]:
    return each(body, TIERS[:2])


def until(what: Callable[[], bool], seconds: float = LONG) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.01)
    return what()


def alive(mark: str) -> list[str]:
    """Return the processes, wherever they are, that have a word among their arguments."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                words = Path("/proc", name, "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark.encode() in words:
                found.append(name)
    return found


_number = iter(range(1_000_000))


def marked() -> str:
    """Return a duration that no other test's `sleep` has."""
    return f"9{os.getpid()}.{next(_number)}"


@everywhere
def test_exit_codes_and_what_is_printed_come_back(inside: Sandbox) -> None:
    ran = inside.run("echo out; echo err >&2; exit 7")
    assert (ran.code, ran.out, ran.err) == (7, b"out\n", b"err\n")
    assert inside.run("true").code == 0


@everywhere
def test_signals_come_back_as_from_subprocess(inside: Sandbox) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV):
        assert inside.run(f"kill -{int(number)} $$").code == -number


@everywhere
def test_no_signal_is_ignored_or_blocked_at_the_start(inside: Sandbox) -> None:
    ran = inside.run(("/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"))
    masks = [int(line.split()[1], 16) for line in ran.out.splitlines()]
    # What the C library keeps for itself cannot be set by programs: these tests' parents set it.
    usual = sum(1 << (number - 1) for number in signal.valid_signals())
    assert [mask & usual for mask in masks] == [0, 0], ran.out


@everywhere
def test_what_cannot_be_run_is_an_error_of_the_system(inside: Sandbox) -> None:
    (inside.workspace / "plain").write_text("text")
    (inside.workspace / "broken").write_text("#!/no/such/interpreter\n")
    (inside.workspace / "broken").chmod(0o755)
    for program, number in (("none", errno.ENOENT), ("plain", errno.EACCES)):
        with pytest.raises(OSError, match=r".") as caught:
            inside.start((str(inside.workspace / program),))
        assert caught.value.errno == number
        assert not isinstance(caught.value, Unavailable)
    with pytest.raises(FileNotFoundError):
        inside.start((str(inside.workspace / "broken"),))
    with pytest.raises(FileNotFoundError):
        inside.start("true", cwd=str(inside.workspace / "nowhere"))
    with pytest.raises(NotADirectoryError):
        inside.start("true", cwd=str(inside.workspace / "plain"))
    with pytest.raises(OSError, match="(?i)too long"):
        inside.start(("/bin/true", "x" * (256 << 10)))
    with pytest.raises(ValueError, match="null"):
        inside.start(("/bin/true", "a\0b"))
    assert inside.run("true").code == 0


@everywhere
def test_streams_are_pipes_descriptors_or_one_for_both(inside: Sandbox) -> None:
    with closing(inside.start("cat; echo done", stdin=subprocess.PIPE)) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(b"given\n")
        child.stdin.close()
        assert child.stdout.read() == b"given\ndone\n"
        assert child.wait(LONG) == 0
    both = "echo a; echo b >&2; echo c"
    with closing(inside.start(both, stderr=subprocess.STDOUT)) as child:
        assert child.stdout
        assert child.stderr is None
        assert child.stdout.read() == b"a\nb\nc\n"
    reading, writing = os.pipe()
    with open(reading, "rb") as file:
        with closing(inside.start(both, stdout=writing, stderr=subprocess.DEVNULL)) as child:
            os.close(writing)
            assert child.stdout is child.stderr is None
            assert file.read() == b"a\nc\n"


@everywhere
def test_much_goes_through_pipes(inside: Sandbox) -> None:
    ran = inside.run("head -c 5000000 /dev/zero; head -c 60000 /dev/zero >&2")
    assert (ran.code, len(ran.out), len(ran.err)) == (0, 5_000_000, 60_000)


@everywhere
def test_a_large_environment_and_many_arguments_arrive(inside: Sandbox) -> None:
    env = {"PATH": PATH, **{f"NAME_{number}": "x" * 1000 for number in range(500)}}
    ran = inside.run("env | grep -c ^NAME_", env=env)
    assert ran.out == b"500\n"
    words = tuple(f"word{number}" for number in range(50_000))
    ran = inside.run((*BASH, 'echo $# "${@: -1}"', "bash", *words))
    assert ran.out == b"50000 word49999\n"


@everywhere
def test_bytes_that_are_no_text_arrive_as_they_are(inside: Sandbox) -> None:
    odd = os.fsdecode(b"\xff\xfe\x80")
    os.mkdir(os.fsencode(inside.workspace) + b"/\xff")
    with closing(
        inside.start(
            (*BASH, 'printf "%s|%s|%s" "$1" "$ODD" "${PWD##*/}"', "bash", odd),
            env={"PATH": PATH, "ODD": odd},
            cwd=f"{inside.workspace}/" + os.fsdecode(b"\xff"),
        )
    ) as child:
        assert child.stdout
        assert child.stdout.read() == b"\xff\xfe\x80|\xff\xfe\x80|\xff"


@everywhere
def test_the_environment_is_just_what_was_given(inside: Sandbox) -> None:
    assert inside.run(("/usr/bin/env",), env={"ONLY": "this"}).out == b"ONLY=this\n"


@everywhere
def test_only_its_streams_are_open_to_a_command(inside: Sandbox) -> None:
    ran = inside.run(("/bin/ls", "/proc/self/fd"))
    assert len(ran.out.split()) == 4, ran.out  # and the directory that is listed


@everywhere
def test_what_leaves_the_session_ends_with_the_command(inside: Sandbox) -> None:
    mark = marked()
    ran = inside.run(
        f"setsid sleep {mark} </dev/null >/dev/null 2>&1 &"
        f"(setsid sh -c 'trap \"\" TERM HUP; sleep {mark}' </dev/null >/dev/null 2>&1 &);"
        "sleep 0.2; echo started"
    )
    assert (ran.code, ran.out) == (0, b"started\n")
    assert ran.left >= 2
    assert alive(mark) == []


@everywhere
def test_a_tree_that_ignores_requests_ends_when_it_is_killed(inside: Sandbox) -> None:
    mark = marked()
    tree = f"trap '' TERM INT HUP; sh -c \"trap '' TERM; sleep {mark}; :\" & echo up; wait; wait"
    with closing(inside.start(tree)) as child:
        assert child.stdout
        child.stdout.readline()
        assert until(lambda: bool(alive(mark)))
        child.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.3)
        assert child.poll() is None
        child.kill()
        assert child.wait(LONG) == -signal.SIGKILL
        assert alive(mark) == []


@everywhere
def test_a_request_to_end_reaches_the_command(inside: Sandbox) -> None:
    asked = "trap 'echo asked; exit 3' TERM; echo up; while :; do sleep 0.05; done"
    with closing(inside.start(asked)) as child:
        assert child.stdout
        child.stdout.readline()
        child.terminate()
        assert child.wait(LONG) == 3
        assert child.stdout.read() == b"asked\n"


@everywhere
def test_closing_ends_what_runs(inside: Sandbox) -> None:
    mark = marked()
    with closing(inside.start(("/bin/sleep", mark))):
        assert until(lambda: bool(alive(mark)))
    assert alive(mark) == []


@everywhere
def test_when_the_server_was_killed_the_next_command_starts(inside: Sandbox) -> None:
    mark = marked()
    with closing(inside.start(("/bin/sleep", mark))) as child:
        process = inside.server._process
        assert process
        assert until(lambda: bool(alive(mark)))
        process.kill()
        process.wait()
        assert inside.run("echo again").out == b"again\n"
        child.kill()
        assert child.wait(LONG) == -signal.SIGKILL
        assert until(lambda: not alive(mark))


QCODE = """
import sys
from qcode.sandbox import fork_server
from qcode.sandbox.fork_server import ForkServer
from qcode.sandbox.policy import Confinement, Network, Tier
tier, mark = sys.argv[1:]
server = ForkServer(Tier(tier), network=Network.OFF)
child = server.start(
    ["/bin/sh", "-c", f"trap '' TERM HUP INT; setsid sleep {mark} & echo up; sleep {mark}; :"],
    cwd="/", env={"PATH": "/usr/bin:/bin"}, confinement=Confinement(),
)
child.stdout.readline()
print("up", flush=True)
child.wait()
"""


@everywhere
def test_nothing_outlives_a_qcode_that_was_killed(inside: Sandbox) -> None:
    mark = marked()
    with subprocess.Popen(
        [sys.executable, "-c", QCODE, inside.server.tier, mark],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PATH": PATH},
    ) as qcode:
        assert qcode.stdout
        assert qcode.stdout.readline() == b"up\n"
        # One is the shell's, whose words are others; the interpreter has it as well.
        assert until(lambda: len(alive(mark)) >= 3)
        qcode.kill()
    assert until(lambda: not alive(mark)), alive(mark)


FORKS = """
import os, time
for _ in range(500):
    if os.fork() == 0:
        time.sleep(100)
time.sleep(100)
"""


@confined
def test_too_many_processes_end_the_command(inside: Sandbox) -> None:
    mark = marked()
    program = ("/usr/bin/env", "python3", "-c", FORKS, mark)
    ran = inside.run(program, limits=Limits(processes=301))
    # Where the kernel counts them no more are made.
    assert ran.exceeded == "301 processes" or b"BlockingIOError" in ran.err, ran
    assert ran.code
    assert alive(mark) == []


@confined
def test_too_much_memory_ends_the_command(inside: Sandbox) -> None:
    grows = "x = []\nwhile True: x.append(bytearray(b'x' * (4 << 20)))"
    program = ("/usr/bin/env", "python3", "-c", grows)
    ran = inside.run(program, limits=Limits(memory_bytes=200 * MIB))
    assert (ran.code, ran.exceeded) == (-signal.SIGKILL, "200 MiB of memory")


@confined
def test_a_file_grows_no_larger_than_it_may(inside: Sandbox) -> None:
    ran = inside.run("head -c 3000000 /dev/zero >big", limits=Limits(file_bytes=MIB))
    assert ran.code
    assert (inside.workspace / "big").stat().st_size <= MIB


@confined
def test_a_command_writes_where_it_may_and_reads_nothing_hidden(inside: Sandbox) -> None:
    ran = inside.run("echo x >new; echo x >../beside.txt; cat ../home/.ssh/key; unshare -U true")
    assert (inside.workspace / "new").read_text() == "x\n"
    assert (inside.place / "beside.txt").read_text() == "original\n"
    assert b"SECRET" not in ran.out
    assert ran.code


@confined
def test_nothing_outside_is_reached_or_raised(inside: Sandbox) -> None:
    ran = inside.run(
        ("/bin/grep", "-E", "^(CapEff|CapBnd|NoNewPrivs|Seccomp):", "/proc/self/status")
    )
    held = dict(line.decode().split(":\t") for line in ran.out.splitlines())
    assert int(held["CapEff"], 16) == 0
    assert (held["NoNewPrivs"], held["Seccomp"]) == ("1", "2")
    assert inside.run("exec 3<>/dev/tcp/192.0.2.1/80").code


@everywhere
def test_many_at_once(inside: Sandbox) -> None:
    def run(number: int) -> bytes:
        return inside.run(f"sleep 0.1; echo {number}").out

    count = many(100, 30)
    with ThreadPoolExecutor(count) as pool:
        assert list(pool.map(run, range(count))) == [b"%d\n" % number for number in range(count)]


@everywhere
def test_no_descriptor_is_left_open(inside: Sandbox) -> None:
    process = inside.server._process
    assert process

    def opened() -> tuple[int, int]:
        theirs = f"/proc/{process.pid}/fd"
        there = os.listdir(theirs) if os.access(theirs, os.R_OK) else []
        return len(os.listdir("/proc/self/fd")), len(there)

    def some() -> None:
        inside.run("true")
        with pytest.raises(OSError, match=r"."):
            inside.start(("/no/such/program",))
        with closing(inside.start("cat", stdin=subprocess.PIPE)):
            pass

    some()
    before = opened()
    for _ in range(10):
        some()
    assert opened() == before


def test_a_closed_server_is_started_anew(tmp_path: Path) -> None:
    with sandbox(tmp_path, Tier.NONE) as inside:
        inside.run("true")
        process = inside.server._process
        inside.server.close()
        assert process
        assert process.returncode is not None
        assert inside.run("echo again").out == b"again\n"


def test_a_loopback_of_its_own_is_a_matter_of_namespaces(tmp_path: Path) -> None:
    with sandbox(tmp_path, Tier.NONE) as inside, pytest.raises(Unavailable):
        inside.server.listen(0)
    with (
        sandbox(tmp_path, Tier.NAMESPACES) as inside,
        closing(inside.server.listen(8123)) as listener,
    ):
        listener.settimeout(LONG)
        with closing(inside.start("echo hi >/dev/tcp/127.0.0.1/8123")) as child:
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.recv(9) == b"hi\n"
            assert child.wait(LONG) == 0
