"""The fork server: a small process of its own that starts confined ones.

It is small, so that forking it is cheap however large qcode is; it has one thread, as
namespaces demand; and it holds what all commands of a session share: a network of their
own, temporary directories, the mounts. Requests come over a socket, one packet each, with
the descriptors that the new process gets. The format is `marshal`'s: both ends are the
same Python, and nobody else has the socket.
"""

from __future__ import annotations

import array
import errno
import gc
import json
import marshal
import os
import resource
import select
import signal
import socket
import struct
import sys
from typing import Any

from qcode.sandbox.native import confine, kernel, landlock, mounts, seccomp
from qcode.sandbox.native.supervise import be_init, be_supervisor, end_descendants

_MOST_DESCRIPTORS = 8
_PACKET = 1 << 16
_TEMPLATES = 8


class Server:
    """Serves until the socket is closed."""

    def __init__(self, channel: socket.socket, tier: str, network: str, temp_bytes: int) -> None:
        self.channel = channel
        self.tier = tier
        self.has_namespaces = tier == "namespaces"
        self.is_root = os.getuid() == 0
        self.children: set[int] = set()
        self.templates: dict[bytes, Template] = {}
        self.covered: dict[str, int] = {}
        if self.has_namespaces:
            self._enter_namespaces(network, temp_bytes)
        elif tier == "landlock":
            if not landlock.version():
                raise OSError(errno.ENOSYS, "the kernel has no Landlock")
            kernel.adopt_orphans()
        else:
            kernel.adopt_orphans()
        if tier != "none":
            seccomp.program(sockets="none")  # tells whether this machine is known

    def _enter_namespaces(self, network: str, temp_bytes: int) -> None:
        uid, gid = os.getuid(), os.getgid()
        kernel.unshare(kernel.CLONE_NEWUSER)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
        others = kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
        if network != "on":
            others |= kernel.CLONE_NEWNET
        kernel.unshare(others)
        if network != "on":
            _loopback_up()
        self.covered = mounts.make_base(temp_bytes)

    def serve(self) -> None:
        """Answer requests until there is nobody to ask any more."""
        waking, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(waking, select.POLLIN)
        poll.register(self.channel, select.POLLIN)
        gc.collect()
        gc.freeze()
        gc.disable()
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == waking:
                    _drain(waking)
                    self._reap()
                elif not self._answer():
                    return

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self.children:
                self.children.discard(pid)
                if status and not self.has_namespaces:
                    # A supervisor was killed; what it watched over is ours now.
                    end_descendants(os.getpid(), besides=self.children)

    def _answer(self) -> bool:
        """Take a request; return whether there may be another."""
        request, descriptors = receive(self.channel)
        if request is None:
            return False
        try:
            if request["do"] == "listen":
                with socket.create_server(("127.0.0.1", request["port"])) as listener:
                    send(self.channel, {"ok": True}, [listener.fileno()])
                return True
            self._start(request, descriptors)
        except OSError as error:
            send(self.channel, {"errno": error.errno, "text": str(error.strerror)}, [])
        except ValueError as error:
            send(self.channel, {"errno": errno.EINVAL, "text": str(error)}, [])
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _start(self, request: dict[str, Any], descriptors: list[int]) -> None:
        template = self._template(request)
        if self.has_namespaces:
            pid = kernel.clone(kernel.CLONE_NEWPID)
        else:
            pid = os.fork()
        if pid == 0:
            code = 70
            try:
                signal.set_wakeup_fd(-1)
                self.channel.close()
                run = be_init if self.has_namespaces else be_supervisor
                run(request, descriptors, template, self.is_root)
                code = 0
            except BaseException:  # noqa: BLE001 - a forked child must not go on as the server
                if os.environ.get("QCODE_SANDBOX_DEBUG"):
                    import traceback

                    traceback.print_exc()
            finally:
                os._exit(code)
        self.children.add(pid)
        handle = os.pidfd_open(pid)
        try:
            send(self.channel, {"pid": pid}, [handle])
        finally:
            os.close(handle)

    def _template(self, request: dict[str, Any]) -> Template:
        key: bytes = request["key"]
        found = self.templates.get(key)
        if found is not None and found.is_current():
            return found
        if found is not None:
            self.templates.pop(key).close()
        while len(self.templates) >= _TEMPLATES:
            self.templates.pop(next(iter(self.templates))).close()
        made = self.templates[key] = Template(self, request["confinement"])
        return made


class Template:
    """What all commands of one confinement share."""

    def __init__(self, server: Server, confinement: dict[str, Any]) -> None:
        self.namespace = -1
        self.rules = -1
        self.program = b""
        self.seen: dict[str, int] = {}
        if server.tier == "none":
            return
        network = confinement["network"]
        if server.has_namespaces:
            self.program = seccomp.program(
                sockets="host-network" if network == "on" else "own-network"
            )
            self.namespace = _template_namespace(server, confinement)
            self.rules = confine.write_rules(confinement)
        else:
            self.program = seccomp.program(sockets="internet" if network == "on" else "none")
            self.rules, self.seen = confine.all_rules(confinement)

    def is_current(self) -> bool:
        """Whether nothing has come up beside what is hidden since the rules were made."""
        for path, changed in self.seen.items():
            try:
                if os.stat(path).st_mtime_ns != changed:
                    return False
            except OSError:
                return False
        return True

    def close(self) -> None:
        """Give up what is held."""
        for descriptor in (self.namespace, self.rules):
            if descriptor >= 0:
                os.close(descriptor)


def _template_namespace(server: Server, confinement: dict[str, Any]) -> int:
    """Have a child make the mounts; return its mount namespace, open."""
    ready_r, ready_w = os.pipe2(os.O_CLOEXEC)
    go_r, go_w = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            os.close(go_w)
            try:
                mounts.make_template(
                    server.covered,
                    seen=confinement["seen"],
                    writable=confinement["writable"],
                    pinned=confinement["pinned"],
                    protected=confinement["protected"],
                    hidden=confinement["hidden"],
                )
                os.write(ready_w, b'[0, ""]')
            except OSError as error:
                path = error.filename
                where = f" {os.fsdecode(path)}" if path else ""
                os.write(
                    ready_w,
                    json.dumps((error.errno or errno.EIO, f"{error.strerror}{where}")).encode(),
                )
            os.read(go_r, 1)
        finally:
            os._exit(0)
    os.close(ready_w)
    os.close(go_r)
    try:
        answer = os.read(ready_r, 4096)
        code, text = json.loads(answer) if answer else (errno.EIO, "the mounts were not made")
        if code:
            raise OSError(code, f"the sandbox could not be set up: {text}")
        return os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(ready_r)
        os.close(go_w)
        os.waitpid(pid, 0)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _loopback_up() -> None:
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # SIOCSIFFLAGS with IFF_UP
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh22x", b"lo", 1))


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        pass


def send(channel: socket.socket, message: dict[str, Any], descriptors: list[int]) -> None:
    """Send a message; one too long for a packet goes in a file of memory."""
    data = marshal.dumps(message)
    extra = -1
    if len(data) > _PACKET // 2:
        extra = os.memfd_create("request", os.MFD_CLOEXEC)
        view = memoryview(data)
        while view:
            view = view[os.write(extra, view) :]
        data = b""
    all_of_them = [*descriptors, *([extra] if extra >= 0 else [])]
    rights = array.array("i", all_of_them).tobytes()
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if all_of_them else []
    try:
        channel.sendmsg([b"1" if extra >= 0 else b"0", data], ancillary)
    finally:
        if extra >= 0:
            os.close(extra)


def receive(channel: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """Receive a message and its descriptors; None when the other end is gone."""
    size = array.array("i").itemsize * _MOST_DESCRIPTORS
    data, ancillary, _, _ = channel.recvmsg(
        _PACKET, socket.CMSG_SPACE(size), socket.MSG_CMSG_CLOEXEC
    )
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    found = list(descriptors)
    if not data:
        return None, found
    body = data[1:]
    if data[:1] == b"1":
        with open(found.pop(), "rb") as file:
            file.seek(0)
            body = file.read()
    return marshal.loads(body), found  # noqa: S302 - nobody else has the socket


def main() -> None:
    """Be the server: arguments are the socket's number, tier, network and size of /tmp."""
    number, tier, network, temp_bytes = sys.argv[1:5]
    channel = socket.socket(fileno=int(number))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(ignored, signal.SIG_IGN)  # the terminal's keys are for qcode to deal with
    try:
        server = Server(channel, tier, network, int(temp_bytes))
    except (OSError, seccomp.Unsupported) as error:
        code = getattr(error, "errno", None) or errno.ENOSYS
        send(channel, {"errno": code, "text": str(error)}, [])
        return
    send(channel, {"ok": True, "pid": os.getpid()}, [])
    try:
        server.serve()
    except (OSError, KeyboardInterrupt):
        pass  # qcode is gone
