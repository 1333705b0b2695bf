from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import whoever

from qcode.errors import SandboxError
from qcode.sandbox.child import Child
from qcode.sandbox.launching import Purpose
from qcode.sandbox.policy import Grant, Level, Network, Policy, Tier
from qcode.sandbox.sandbox import Places, Sandbox

LONG = 30
"""Longer than anything here takes, in seconds."""
PATH = "/usr/bin:/bin"
BASH = ("bash", "--noprofile", "--norc", "-c")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tiers of Linux")


class Session:
    """A workspace, a home and a place beside them, and the sandbox of a session in it."""

    def __init__(self, place: Path, sandbox: Sandbox) -> None:
        self.place = place
        self.workspace = place / "workspace"
        self.sandbox = sandbox

    def run(self, command: str, **options: Any) -> tuple[int, str]:
        child, printed = self.ended(command, **options)
        assert child.returncode is not None
        return child.returncode, printed

    def ended(self, command: str, **options: Any) -> tuple[Child, str]:
        with closing(self.start(command, **options)) as child:
            assert child.stdout
            printed = child.stdout.read().decode()
            child.wait(LONG)
            return child, printed

    def start(self, command: str, **options: Any) -> Child:
        return self.sandbox.start(
            (*BASH, command), cwd=self.workspace, stderr=subprocess.STDOUT, **options
        )


@contextmanager
def session(
    place: Path, tier: Tier | None, *, environ: Mapping[str, str] | None = None, **policy: Any
) -> Iterator[Session]:
    for name in ("workspace/.git/hooks", "home/.ssh", "beside", *("config", "state", "cache")):
        (place / name).mkdir(parents=True, exist_ok=True)
    (place / "workspace/.git/config").write_text("[core]\n\tbare = false\n")
    (place / "workspace/.git/HEAD").write_text("ref: refs/heads/main\n")
    (place / "home/.ssh/key").write_text("SECRET\n")
    sandbox = Sandbox(
        Policy(
            **{
                "level": Level.WORKSPACE_WRITE,
                "roots": (place / "workspace",),
                "home": place / "home",
                **policy,
            }
        ),
        Places(place / "config", place / "state", place / "cache"),
        {"PATH": PATH, "HOME": str(place / "home"), **(environ or {})},
        wanted=tier,
        secrets=("value-of-a-key",),
    )
    try:
        if tier is not None:
            try:
                assert sandbox.tier is tier
            except SandboxError as error:
                pytest.skip(str(error))
        yield Session(place, sandbox)
    finally:
        sandbox.close()


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory outside of /tmp, of which commands see one of their own."""
    made = whoever._directory(os.getuid())
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(params=[Tier.BUBBLEWRAP, Tier.NAMESPACES, Tier.LANDLOCK])
def inside(request: pytest.FixtureRequest, place: Path) -> Iterator[Session]:
    environ = {"OPENAI_API_KEY": "sk-1", "GITHUB_TOKEN": "gh-1", "ODD": "value-of-a-key"}
    with session(place, request.param, environ=environ) as made:
        yield made


def test_the_environment_has_no_secrets(inside: Session) -> None:
    code, printed = inside.run("env")

    assert code == 0
    assert "HOME=" in printed
    assert f"QCODE_SANDBOX={1}" in printed.splitlines()
    for secret in ("sk-1", "gh-1", "value-of-a-key", "API_KEY", "TOKEN"):
        assert secret not in printed
    # Where processes of others are out of sight, so is what qcode itself was started with.
    code, printed = inside.run("cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'")
    assert "sk-1" not in printed


def test_temporary_files_are_shared_by_commands_and_removed(inside: Session) -> None:
    assert inside.run("echo kept >${TMPDIR:-/tmp}/file") == (0, "")
    assert inside.run("cat ${TMPDIR:-/tmp}/file") == (0, "kept\n")
    temp = Path(inside.sandbox.temp)
    assert temp.stat().st_mode & 0o077 == 0
    assert not Path("/tmp/file").exists()

    inside.sandbox.close()

    assert not temp.exists()
    assert inside.run("cat ${TMPDIR:-/tmp}/file")[0] != 0


def test_a_closed_sandbox_can_be_used_again(inside: Session) -> None:
    assert inside.run("echo one") == (0, "one\n")
    inside.sandbox.close()
    assert inside.run("echo two") == (0, "two\n")


def test_closing_ends_what_runs(inside: Session) -> None:
    child = inside.start("sleep 1000", purpose=Purpose.JOB)
    inside.sandbox.close()
    assert child.poll() is not None


def test_a_grant_to_write_is_for_one_command_alone(inside: Session) -> None:
    beside = inside.place / "beside"
    command = f"echo x >{beside}/new"
    assert inside.run(command)[0] != 0
    assert inside.run(command, grant=Grant(write=(str(beside),)))[0] == 0
    (beside / "new").unlink()
    assert inside.run(command)[0] != 0
    assert not (beside / "new").exists()


def test_a_grant_to_read_is_for_one_command_alone(inside: Session) -> None:
    key = inside.place / "home/.ssh"
    assert "SECRET" not in inside.run(f"cat {key}/key")[1]
    assert inside.run(f"cat {key}/key", grant=Grant(read=(str(key),)))[1] == "SECRET\n"
    assert "SECRET" not in inside.run(f"cat {key}/key")[1]
    granted = Grant(read=(str(key),))
    assert inside.run(f"echo x >{key}/key", grant=granted)[0] != 0


def test_a_grant_of_the_network_is_for_one_command_alone(inside: Session) -> None:
    if inside.sandbox.tier is Tier.LANDLOCK:
        command = "python3 -c 'import socket; socket.socket()'"
        before, with_it, after = "1", "0", "1"
    else:
        command = "readlink /proc/self/ns/net"
        with_it = os.readlink("/proc/self/ns/net")
        before = after = ""

    def told(**options: Any) -> str:
        code, printed = inside.run(command, **options)
        return str(code) if inside.sandbox.tier is Tier.LANDLOCK else printed.strip()

    assert told(grant=Grant(network=True)) == with_it
    for seen, expected in ((told(), before), (told(), after)):
        assert seen != with_it
        assert not expected or seen == expected


def test_a_grant_of_everything_is_for_one_command_alone(inside: Session) -> None:
    key = inside.place / "home/.ssh/key"
    assert inside.run(f"cat {key}", grant=Grant(everything=True)) == (0, "SECRET\n")
    assert "SECRET" not in inside.run(f"cat {key}")[1]


def test_looking_writes_nothing_and_reaches_nothing(inside: Session) -> None:
    look = {"purpose": Purpose.LOOK}
    assert inside.run("cat .git/HEAD; echo x >new; echo x >../beside/new", **look)[0] != 0
    assert not (inside.workspace / "new").exists()
    assert not (inside.place / "beside/new").exists()
    assert "SECRET" not in inside.run("cat ../home/.ssh/key", **look)[1]
    granted = Grant(write=(str(inside.place / "beside"),))
    assert inside.run("echo x >../beside/new; echo x >new", grant=granted, **look)[0] != 0
    assert (inside.place / "beside/new").exists()
    assert not (inside.workspace / "new").exists()


def test_what_a_command_does_to_what_is_run_later_is_undone_and_told(inside: Session) -> None:
    git = inside.workspace / ".git"
    before = (git / "config").read_text()
    child, printed = inside.ended(
        "echo '[core] fsmonitor = evil' >>.git/config; echo evil >.git/hooks/pre-commit"
    )

    assert (git / "config").read_text() == before
    assert not (git / "hooks/pre-commit").exists()
    told = " ".join(block.what for block in inside.sandbox.blocked(child, printed))
    assert ".git/config" in told
    assert ".git/hooks" in told
    assert "/bash" not in told


def test_of_a_command_that_keeps_to_its_place_nothing_is_told(inside: Session) -> None:
    child, printed = inside.ended("echo fine; echo x >new")
    assert inside.sandbox.blocked(child, printed) == ()


def test_reads_only_means_that_nothing_is_written(place: Path) -> None:
    with session(place, None, level=Level.READ_ONLY) as inside:
        assert inside.run("cat .git/HEAD; echo x >new")[0] != 0
        assert not (inside.workspace / "new").exists()


@pytest.mark.parametrize("level", [Level.OFF, Level.EXTERNAL])
def test_where_nothing_is_to_be_confined_nothing_is(level: Level, place: Path) -> None:
    with session(place, None, level=level) as inside:
        assert inside.sandbox.tier is Tier.NONE
        child, printed = inside.ended("echo x >../beside/new; cat ../home/.ssh/key")
        assert (child.returncode, printed) == (0, "SECRET\n")
        assert inside.sandbox.blocked(child, "Permission denied") == ()


def test_what_is_asked_for_and_cannot_be_had_stays_refused(place: Path) -> None:
    with session(place, None) as inside:
        inside.sandbox._wanted = Tier.DOCKER
        for _ in range(2):
            with pytest.raises(SandboxError, match="docker.*image|sandbox_image"):
                inside.run("echo x >new")
        assert not (inside.workspace / "new").exists()


def test_no_program_and_no_directory_are_errors_of_the_system(inside: Session) -> None:
    with pytest.raises(FileNotFoundError):
        inside.sandbox.start(("no-such-program",), cwd=inside.workspace)
    with pytest.raises(FileNotFoundError):
        inside.sandbox.start(("true",), cwd=inside.workspace / "nowhere")


def test_jobs_and_commands_reach_one_another(place: Path) -> None:
    serve = "python3 -u -m http.server 8765 --bind 127.0.0.1"
    with session(place, None, network=Network.OFF) as inside:
        if inside.sandbox.tier is Tier.LANDLOCK:
            pytest.skip("there is no loopback of its own")
        with closing(inside.start(serve, purpose=Purpose.JOB)) as job:
            assert job.stdout
            job.stdout.readline()
            code, _ = inside.run("exec 3<>/dev/tcp/127.0.0.1/8765")
            assert code == 0
