"""Watching over one command: as the first process of its namespace, or as a parent outside.

Either way everything that the command started ends with it, when the time has come, when
qcode says so, and when qcode is gone: the control pipe then has no other end.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from qcode.sandbox.native import confine, kernel, mounts

if TYPE_CHECKING:
    from qcode.sandbox.native.server import Template

MOMENT_S = 0.1
"""What a command leaves running has so long to end by itself."""
_KEYS = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""The terminal's: the server ignores them, and a command decides for itself."""
_TICK_MS = 250
_EVERY = 12
"""With each so-many-th of the close looks memory is looked at too."""
_CLOSE_TICK_MS = 20
"""Where the kernel does not count processes, they are counted this often."""


def be_init(
    request: dict[str, Any], descriptors: list[int], template: Template, is_root: bool
) -> None:
    """Be the first process of a namespace, confined like the command that it starts."""
    stdin, stdout, stderr, status, control = descriptors
    limits = request["confinement"]["limits"]
    kernel.die_with_parent(signal.SIGKILL)
    waking = _wake_on_children()
    for number in _KEYS:
        # What is ignored stays so in a command; what is caught does not.
        signal.signal(number, lambda _number, _frame: None)
    try:
        kernel.setns(template.namespace, kernel.CLONE_NEWNS)
        kernel.unshare(kernel.CLONE_NEWNS)
        is_counted = mounts.mount_proc(is_root=is_root, processes=limits["processes"])
        os.chdir(request["cwd"])
        confine.set_limits(limits, is_root=is_root)
        confine.restrict(template.rules, template.program)
        # Before anything runs that could look: what this process holds open is not for it.
        kernel.hide_memory()
        command = subprocess.Popen(
            request["argv"],
            env=dict(request["env"]),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    except OSError as error:
        _tell(status, _failure(error))
        return
    for descriptor in (stdin, stdout, stderr):
        os.close(descriptor)
    _tell(status, ("started", 0))
    watched = _Watched(limits, counts=not is_counted)
    code = _watch(command.pid, waking, control, watched, end_all=_end_namespace)
    left = 0
    if _others(MOMENT_S, waking):
        left = len(_pids()) - 1
        _end_namespace(signal.SIGKILL)
    _tell(status, (code, max(0, left), watched.exceeded))


def be_supervisor(
    request: dict[str, Any], descriptors: list[int], template: Template, is_root: bool
) -> None:
    """Be the parent of a command, outside of what confines it."""
    stdin, stdout, stderr, status, control = descriptors
    limits = request["confinement"]["limits"]
    confines = template.rules >= 0
    os.setsid()
    kernel.adopt_orphans()
    waking = _wake_on_children()
    try:
        pid = _spawn(request, (stdin, stdout, stderr), template, is_root=is_root)
    except OSError as error:
        _tell(status, _failure(error))
        return
    for descriptor in (stdin, stdout, stderr):
        os.close(descriptor)
    _tell(status, ("started", 0))
    own = os.getpid()
    watched = _Watched(limits, counts=confines, of=own)

    def end_all(number: int) -> None:
        if number == signal.SIGKILL:
            end_descendants(own)
        else:
            _signal(descendants(own), number)

    code = _watch(pid, waking, control, watched, end_all=end_all)
    left = 0
    if _others(MOMENT_S, waking):
        left = len(descendants(own))
        end_descendants(own)
    _tell(status, (code, left, watched.exceeded))


def _spawn(
    request: dict[str, Any], streams: tuple[int, int, int], template: Template, *, is_root: bool
) -> int:
    """Start the command in a child that restricts itself; raises what its exec does."""
    failed, fails = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number in (*_KEYS, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            os.chdir(request["cwd"])
            for target, source in enumerate(streams):
                os.dup2(source, target)
            if template.rules >= 0:
                confine.set_limits(request["confinement"]["limits"], is_root=is_root)
                confine.restrict(template.rules, template.program)
            # Copied as one that is closed by exec, and all else is closed before.
            os.dup2(fails, 3, inheritable=False)
            fails = 3
            os.closerange(4, 1 << 20)
            argv = request["argv"]
            os.execve(argv[0], argv, dict(request["env"]))  # noqa: S606 - that is what it is for
        except OSError as error:
            os.write(fails, json.dumps(_failure(error)).encode())
        finally:
            os._exit(127)
    os.close(fails)
    with open(failed, "rb") as file:
        told = file.read()
    if told:
        os.waitpid(pid, 0)
        _, number, text, path = json.loads(told)
        raise OSError(number, text, path or None)
    return pid


class _Watched:
    """What a command may use up, where it has to be looked at."""

    def __init__(self, limits: dict[str, Any], *, counts: bool, of: int = 0) -> None:
        self._memory: int | None = limits["memory_bytes"]
        self._processes: int | None = limits["processes"] if counts else None
        self._of = of
        self._before = len(_pids()) if self._processes is not None else 0
        self._looks = 0
        self.exceeded = ""

    def tick_ms(self) -> int | None:
        """Return how often to look; None: never."""
        if self._processes is not None:
            return _CLOSE_TICK_MS
        return None if self._memory is None else _TICK_MS

    def look(self) -> bool:
        """Return whether a limit was passed; then nothing goes on that was seen."""
        self._looks += 1
        is_close = self._processes is not None and self._looks % _EVERY
        if is_close and len(_pids()) - self._before < (self._processes or 0):
            return False  # whoever they belong to, they are not that many
        pids = descendants(self._of) if self._of else _pids()
        if self._processes is not None and len(pids) > self._processes:
            self.exceeded = f"{self._processes:,} processes"
        elif self._memory is not None and _resident(pids) > self._memory:
            self.exceeded = f"{self._memory >> 20:,} MiB of memory"
        if self.exceeded and self._of:
            _signal(pids, signal.SIGSTOP)
        return bool(self.exceeded)


def _watch(pid: int, waking: int, control: int, watched: _Watched, *, end_all: Any) -> int:
    """Wait for the command's end, obeying the control pipe; return its exit code or -signal."""
    poll = select.poll()
    poll.register(waking, select.POLLIN)
    poll.register(control, select.POLLIN)
    while True:
        code = _reap(pid)
        if code is not None:
            return code
        ready = {descriptor for descriptor, _ in poll.poll(watched.tick_ms())}
        if waking in ready:
            _drain(waking)
        if control in ready:
            order = os.read(control, 1)
            if order == b"T":
                end_all(signal.SIGTERM)
            else:
                poll.unregister(control)
                end_all(signal.SIGKILL)
        if not ready and watched.look():
            end_all(signal.SIGKILL)


def _reap(pid: int) -> int | None:
    """Take in whatever ended; return how the command did, if it was among it."""
    code = None
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code if code is not None else _gone(pid)
        if ended == 0:
            return code
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)


def _gone(pid: int) -> int | None:
    return None if os.path.exists(f"/proc/{pid}") else -signal.SIGKILL


def _others(patience_s: float, waking: int) -> bool:
    """Return whether other processes go on after so long."""
    end = time.monotonic() + patience_s
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return False
        left = end - time.monotonic()
        if left <= 0:
            return True
        select.select([waking], [], [], left)
        _drain(waking)


def _end_namespace(number: int) -> None:
    try:
        os.kill(-1, number)
    except ProcessLookupError:
        pass


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def descendants(pid: int) -> list[int]:
    """Return all processes below one, nearest first."""
    children: dict[int, list[int]] = {}
    for each in _pids():
        try:
            with open(f"/proc/{each}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] not in (b"Z", b"X"):
            children.setdefault(int(fields[1]), []).append(each)
        else:
            children.setdefault(int(fields[1]), [])
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def end_descendants(pid: int, besides: Collection[int] = ()) -> None:
    """Kill all processes below one, and what they start meanwhile, until none is left."""
    for _ in range(100):
        spared = set(besides)
        for each in besides:
            spared.update(descendants(each))
        targets = [each for each in descendants(pid) if each not in spared]
        if not targets:
            return
        _signal(targets, signal.SIGSTOP)
        _signal([e for e in descendants(pid) if e not in spared], signal.SIGKILL)
        time.sleep(0.002)
        try:
            while os.waitpid(-1, os.WNOHANG)[0] and not besides:
                pass
        except ChildProcessError:
            pass


def _signal(pids: Collection[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            continue  # it has ended, or is another user's


def _resident(pids: Collection[int]) -> int:
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm", "rb") as file:
                total += int(file.read().split()[1])
        except (OSError, IndexError):
            continue
    return total * os.sysconf("SC_PAGE_SIZE")


def _wake_on_children() -> int:
    waking, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    return waking


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        pass


def _failure(error: OSError) -> tuple[str, int, str, str]:
    path = error.filename
    name = os.fsdecode(path) if isinstance(path, str | bytes) else ""
    return "failed", error.errno or errno.EIO, error.strerror or str(error), name


def _tell(status: int, what: tuple[Any, ...]) -> None:
    data = json.dumps(what).encode()
    try:
        os.write(status, len(data).to_bytes(4, "little") + data)
    except OSError:
        pass  # qcode is gone
