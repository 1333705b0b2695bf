from __future__ import annotations

import time

import pytest
from effort import unit_s

from qcode.sandbox.blocked import MOST, Block, blocked, told
from qcode.sandbox.policy import Confinement, Network

WORK = "/srv/work"
CONFINED = Confinement(
    writable=(WORK,),
    pinned=(f"{WORK}/.git",),
    protected=(f"{WORK}/.git/config",),
    hidden=("/home/me/.ssh", "/home/me/.netrc"),
)


def found(output: str, confinement: Confinement = CONFINED) -> list[tuple[str, str]]:
    return [(b.what, b.access) for b in blocked(output, WORK, confinement)]


@pytest.mark.parametrize(
    "output",
    [
        "bash: line 1: /usr/new: Read-only file system",
        "/bin/sh: line 1: /usr/new: Read-only file system",
        "/bin/sh: 1: cannot create /usr/new: Read-only file system",
        "touch: cannot touch '/usr/new': Read-only file system",
        "touch: cannot touch ‘/usr/new’: Read-only file system",
        "OSError: [Errno 30] Read-only file system: '/usr/new'",
        "Error: EROFS: read-only file system, open '/usr/new'",
        "failed to open `/usr/new`: Read-only file system (os error 30)",
        "cp: cannot create regular file '../../usr/new': Read-only file system",
        "noise\n" * 50_000 + "mkdir: cannot create directory ‘/usr/new’: Read-only file system",
    ],
)
def test_a_write_outside_is_named_with_what_to_ask_for(output: str) -> None:
    assert found(output) == [("writing /usr/new (outside the workspace)", "write:/usr")]


@pytest.mark.parametrize(
    "output, path",
    [
        ("error: could not write config file .git/config: Device or resource busy", ".git/config"),
        ("bash: .git/config: Read-only file system", ".git/config"),
        ("mv: cannot move '.git' to '.g': Device or resource busy", ".git"),
    ],
)
def test_a_change_of_what_is_protected_is_named(output: str, path: str) -> None:
    assert found(output) == [
        (
            f"changing {WORK}/{path} (it decides what is run or allowed later)",
            f"write:{WORK}/{path}",
        )
    ]


@pytest.mark.parametrize(
    "output",
    [
        "cat: /home/me/.ssh/id_ed25519: No such file or directory",
        "cat: /home/me/.ssh/id_ed25519: Permission denied",
        "FileNotFoundError: [Errno 2] No such file or directory: '/home/me/.ssh/config'",
        "Error: ENOENT: no such file or directory, open '/home/me/.ssh/config'",
    ],
)
def test_what_is_hidden_is_named(output: str) -> None:
    assert found(output) == [
        ("reading /home/me/.ssh (hidden, as secrets may be in it)", "read:/home/me/.ssh")
    ]


@pytest.mark.parametrize(
    "output, host",
    [
        ("curl: (6) Could not resolve host: example.com", " to example.com"),
        ("fatal: unable to access: Could not resolve host: git.example.org", " to git.example.org"),
        ("getaddrinfo EAI_AGAIN registry.example.net", " to registry.example.net"),
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", ""),
        ("OSError: [Errno 101] Network is unreachable", ""),
    ],
)  # fmt: skip
def test_a_connection_is_named_with_its_host(output: str, host: str) -> None:
    assert found(output) == [(f"connecting{host} (the network is closed)", "network")]


def test_with_an_open_network_nobody_is_blamed_for_it() -> None:
    assert found("Could not resolve host: x.y", Confinement(network=Network.ON)) == []


@pytest.mark.parametrize(
    "output",
    [
        "cat: nosuch: No such file or directory",
        "E   PermissionError: [Errno 13] Permission denied: 'a.txt'",
        "rm: cannot remove 'locked': Operation not permitted",
        "/srv/work/x: Permission denied",
        "tests passed: Permission denied is shown to the user",
        "and/or: Read-only file system",
        "",
    ],
)
def test_ordinary_failures_are_not_blamed_on_the_sandbox(output: str) -> None:
    assert found(output) == []


def test_each_thing_is_named_once_and_only_some() -> None:
    lines = [f"touch: cannot touch '/usr/f{n % 8}': Read-only file system" for n in range(1000)]

    names = found("\n".join(lines))

    assert len(names) == len(set(names)) == MOST


@pytest.mark.parametrize(
    "output", ["a" * 300_000, "'/" * 100_000, "Permission denied " * 20_000, "/a/b: " * 50_000]
)
def test_no_output_is_slow_to_look_through(output: str) -> None:
    begin = time.thread_time()
    blocked(output, WORK, CONFINED)

    assert time.thread_time() - begin < 60 * unit_s()


def test_the_model_reads_what_and_how_to_ask() -> None:
    assert told([Block("writing /x (outside)", "write:/"), Block("`.envrc` was put back")]) == [
        '[blocked by the sandbox: writing /x (outside); if the task needs it, call again with access="write:/": the person is asked]',  # noqa: E501
        "[blocked by the sandbox: `.envrc` was put back]",
    ]  # fmt: skip
