from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import platform
import signal
import socket
import stat
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qcode.sandbox.native import kernel, seccomp
from qcode.sandbox.native.seccomp import Sockets

KINDS: tuple[Sockets, ...] = ("own-network", "host-network", "internet", "none")
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
HIGH = 1 << 32
"""A bit of an argument that the kernel does not look at where it takes an `int`."""

filters = pytest.mark.skipif(platform.machine() not in MACHINES, reason="no table for this machine")
on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="it is a matter of x86-64")


def inside(body: Callable[[], Any], *, sockets: Sockets = "none", debugger: bool = False) -> Any:
    """Return what a function does (as JSON has it) in a forked process that is filtered."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            kernel.no_new_privileges()
            kernel.filter_calls(seccomp.program(sockets=sockets, debugger=debugger))
            os.write(theirs, json.dumps(body()).encode())
        except BaseException as error:  # noqa: BLE001 - told by the parent
            os.write(theirs, json.dumps(repr(error)).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as file:
        said = file.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return json.loads(said) if said else code


def tried(call: Callable[..., Any], *arguments: Any) -> int:
    """Return the error's number, or 0."""
    try:
        call(*arguments)
    except OSError as error:
        return error.errno or -1
    return 0


def raw(name: str, *arguments: int) -> int:
    """Make a system call by its number; return the error's number, or 0."""
    number = seccomp._CALLS[name][list(MACHINES).index(platform.machine())]
    assert number is not None
    return raw_number(number, *arguments)


def raw_number(number: int, *arguments: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(each) for each in arguments))
    return ctypes.get_errno() if result < 0 else 0


UNIX, INET, INET6 = socket.AF_UNIX, socket.AF_INET, socket.AF_INET6
STREAM, DATAGRAM, RAW = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW
NO = errno.EACCES
SOCKETS = {
    # own-network, host-network, internet, none
    "unix": ((UNIX, STREAM), (0, 0, NO, NO)),
    "tcp": ((INET, STREAM), (0, 0, 0, NO)),
    "udp": ((INET, DATAGRAM), (0, 0, 0, NO)),
    "tcp 6": ((INET6, STREAM), (0, 0, 0, NO)),
    "with flags": ((INET, STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC), (0, 0, 0, NO)),
    "netlink": ((16, RAW), (0, 0, 0, NO)),
    "packets": ((17, DATAGRAM), (NO, NO, NO, NO)),
    "bluetooth": ((31, STREAM), (NO, NO, NO, NO)),
    "kernel's ciphers": ((38, socket.SOCK_SEQPACKET), (NO, NO, NO, NO)),
    "virtual machines": ((40, STREAM), (NO, NO, NO, NO)),
    "packets, high bits": ((17 | HIGH, DATAGRAM), (NO, NO, NO, NO)),
}


@filters
@pytest.mark.parametrize("sockets", KINDS)
@pytest.mark.parametrize("what", SOCKETS)
def test_sockets_are_made_by_their_kind(what: str, sockets: Sockets) -> None:
    (family, kind), expected = SOCKETS[what]
    got = inside(lambda: raw("socket", family, kind, 0), sockets=sockets)
    assert got == expected[KINDS.index(sockets)]


@filters
@pytest.mark.parametrize("sockets", ["host-network", "internet"])
def test_in_the_network_of_the_host_nobody_sees_the_packets_of_others(sockets: Sockets) -> None:
    assert inside(lambda: raw("socket", INET, RAW, 1), sockets=sockets) == NO
    assert inside(lambda: raw("socket", INET6, RAW | HIGH, 58), sockets=sockets) == NO


@filters
@pytest.mark.parametrize("sockets", KINDS)
def test_pairs_are_always_made(sockets: Sockets) -> None:
    def body() -> str:
        ours, theirs = socket.socketpair()
        theirs.sendall(b"hello")
        return ours.recv(9).decode()

    assert inside(body, sockets=sockets) == "hello"
    assert inside(lambda: tried(socket.socketpair, INET), sockets=sockets) == NO


@filters
@pytest.mark.parametrize(
    "name",
    [
        *("unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "move_mount", "fsopen"),
        *("bpf", "keyctl", "perf_event_open", "userfaultfd", "io_uring_setup", "pidfd_getfd"),
        *("process_vm_readv", "process_vm_writev", "open_by_handle_at", "ptrace", "syslog"),
        *("finit_module", "kexec_load", "reboot", "sethostname", "open_tree_attr"),
    ],
)
def test_what_nobody_needs_is_refused(name: str) -> None:
    assert inside(lambda: raw(name, -1, 0, 0, 0, 0, 0)) == errno.EPERM


@filters
def test_a_debugger_traces_where_it_is_let() -> None:
    assert inside(lambda: raw("ptrace", 0, 0, 0, 0), debugger=True) == 0
    assert inside(lambda: raw("process_vm_readv", 0, 0, 0, 0, 0, 0), debugger=True) == errno.EPERM


@filters
@pytest.mark.parametrize("request_", [0x5412, 0x541C, 0x5423])
@pytest.mark.parametrize("bits", [0, HIGH, 0xFFFFFFFF << 32])
def test_nothing_is_typed_into_a_terminal(request_: int, bits: int) -> None:
    # The descriptor is none: whoever is let through is told so.
    wanted = (request_ | bits) - (1 << 64 if bits >> 63 else 0)
    assert inside(lambda: raw("ioctl", -1, wanted, 0)) == errno.EPERM
    assert inside(lambda: raw("ioctl", -1, 0x5413, 0)) == errno.EBADF


@filters
@pytest.mark.parametrize("bits", [0o4000, 0o2000, 0o6000])
def test_no_file_is_made_to_run_as_its_owner(bits: int, tmp_path: Path) -> None:
    file, new = str(tmp_path / "file"), str(tmp_path / "new")
    Path(file).touch(mode=0o644)
    mode = bits | 0o755
    writes = os.O_CREAT | os.O_WRONLY

    def body() -> list[int]:
        descriptor = os.open(file, os.O_RDONLY)
        name = ctypes.create_string_buffer(os.fsencode(new))
        return [
            tried(os.chmod, file, mode),
            tried(os.fchmod, descriptor, mode),
            raw("fchmodat", descriptor, 0, mode, 0),
            raw("fchmodat2", descriptor, 0, mode, 0),
            raw("fchmod", descriptor, mode | HIGH),
            tried(os.open, new, writes, mode),
            tried(os.open, str(tmp_path), os.O_TMPFILE | os.O_WRONLY, mode),
            raw("openat", -100, ctypes.addressof(name), writes, mode | HIGH),
            tried(os.mknod, new, stat.S_IFREG | mode),
        ]

    assert inside(body) == [errno.EPERM] * 9
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o644
    assert not os.path.exists(new)


@filters
def test_other_modes_are_as_ever(tmp_path: Path) -> None:
    file = str(tmp_path / "file")

    def body() -> list[int]:
        return [
            tried(os.open, file, os.O_CREAT | os.O_WRONLY, 0o640),
            tried(os.chmod, file, 0o1755),
            # Without anything made there is no mode, whatever stands in its place.
            tried(os.open, file, os.O_RDONLY, 0o6755),
            tried(os.open, str(tmp_path), os.O_RDONLY | os.O_DIRECTORY, 0o6755),
            tried(os.open, str(tmp_path), os.O_TMPFILE | os.O_WRONLY, 0o600),
            tried(os.mkfifo, str(tmp_path / "fifo")),
        ]

    assert inside(body) == [0] * 6
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o1755


@filters
@pytest.mark.parametrize("kind", [stat.S_IFBLK, stat.S_IFCHR])
def test_no_device_is_made(kind: int, tmp_path: Path) -> None:
    place = str(tmp_path / "device")
    assert inside(lambda: tried(os.mknod, place, kind | 0o600, os.makedev(1, 3))) == errno.EPERM
    assert not os.path.exists(place)


@filters
def test_calls_with_arguments_out_of_sight_are_not_there() -> None:
    assert inside(lambda: [raw("clone3", 0, 0), raw("openat2", -1, 0, 0, 0)]) == [errno.ENOSYS] * 2


@filters
def test_threads_and_programs_are_started_all_the_same() -> None:
    def body() -> list[str]:
        said: list[str] = []
        threads = [threading.Thread(target=said.append, args=("thread",)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        done = subprocess.run(["/bin/echo", "program"], capture_output=True, check=True)
        return [*said, done.stdout.decode().strip()]

    assert inside(body) == ["thread"] * 3 + ["program"]


@filters
@pytest.mark.parametrize("flag", [0x10000000, 0x20000000, 0x40000000, 0x00020000, 0x00000080])
def test_no_process_starts_in_a_new_namespace(flag: int) -> None:
    def body() -> int:
        own = os.getpid()
        code = raw("clone", flag | signal.SIGCHLD, 0, 0, 0, 0)
        if os.getpid() != own:
            os._exit(0)
        return code

    assert inside(body) == errno.EPERM


@filters
def test_a_filter_is_for_good() -> None:
    def body() -> int:
        script = "import os; os.chmod('.', 0o2755)"
        return subprocess.run(["python3", "-c", script], stderr=subprocess.DEVNULL).returncode

    assert inside(body) == 1


@on_x86
def test_calls_of_another_table_end_the_process_or_are_not_there() -> None:
    def by_int_80() -> None:
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20 (getpid); int 0x80; ret
        ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()

    assert inside(by_int_80) == -signal.SIGSYS
    assert inside(lambda: raw_number(0x40000000 | 39)) == errno.ENOSYS


def test_a_machine_without_a_table_gets_no_filter() -> None:
    with pytest.raises(seccomp.Unsupported, match="riscv64"):
        seccomp.program(sockets="none", machine="riscv64")


def steps(program: bytes) -> list[tuple[int, int, int, int]]:
    return list(struct.iter_unpack("=HBBI", program))


def decided(program: bytes, number: int, *arguments: int, arch: int) -> int:
    """Run a program as the kernel does; return its verdict."""
    words = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number, arch, 0, *words)
    at, accumulator = 0, 0
    listed = steps(program)
    while True:
        code, yes, no, value = listed[at]
        at += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, value)
            case 0x54:
                accumulator &= value
            case 0x15:
                at += yes if accumulator == value else no
            case 0x35:
                at += yes if accumulator >= value else no
            case 0x45:
                at += yes if accumulator & value else no
            case 0x06:
                return value
            case _:
                raise AssertionError(hex(code))


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("sockets", KINDS)
@pytest.mark.parametrize("debugger", [False, True])
def test_a_program_is_one_that_the_kernel_takes(
    machine: str, sockets: Sockets, debugger: bool
) -> None:
    listed = steps(seccomp.program(sockets=sockets, debugger=debugger, machine=machine))
    assert 50 < len(listed) < 4096
    for at, (code, yes, no, value) in enumerate(listed):
        if code in (0x15, 0x35, 0x45):
            assert at + 1 + max(yes, no) < len(listed)
        if code == 0x20:
            assert value % 4 == 0
            assert value < 64
    assert listed[-1] == (0x06, 0, 0, ALLOW)
    # Nothing falls from one call's decision into the next one's: before each is a verdict.
    landed = {at + 1 + no for at, (code, _, no, _) in enumerate(listed) if code == 0x15}
    assert max(landed) == len(listed) - 1


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("sockets", KINDS)
def test_each_call_of_a_table_is_decided_by_itself(machine: str, sockets: Sockets) -> None:
    program = seccomp.program(sockets=sockets, machine=machine)
    column = list(MACHINES).index(machine)
    arch = MACHINES[machine]
    for name in (*seccomp._FORBIDDEN, "ptrace"):
        number = seccomp._CALLS[name][column]
        if number is not None:
            assert decided(program, number, arch=arch) == ERRNO | errno.EPERM, name
    numbers = {column_[column] for column_ in seccomp._CALLS.values()}
    for number in set(range(500)) - numbers:
        assert decided(program, number, 7, 7, 7, 7, arch=arch) == ALLOW
    other = next(value for value in MACHINES.values() if value != arch)
    assert decided(program, 0, arch=other) == KILL


@pytest.mark.parametrize("column", [0, 1])
def test_no_number_stands_for_two_calls(column: int) -> None:
    numbers = [each[column] for each in seccomp._CALLS.values() if each[column] is not None]
    assert len(numbers) == len(set(numbers))


def test_every_call_of_the_table_is_decided_on() -> None:
    checked = {name for kind in KINDS for name, _ in seccomp._checks(kind)}
    assert set(seccomp._CALLS) == checked | set(seccomp._FORBIDDEN) | {"ptrace"}
