"""Confinement by bubblewrap: a program that makes namespaces and mounts, then runs a command.

It is started without `preexec_fn`, so that the size of qcode does not matter (vfork), and
without any environment variable, since one like LD_PRELOAD would act before it confines.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from qcode.sandbox import bubblewrap_arguments as arguments
from qcode.sandbox import bubblewrap_handing as handing
from qcode.sandbox.bubblewrap_arguments import MovedError
from qcode.sandbox.bubblewrap_child import BubblewrapChild, Temps
from qcode.sandbox.holder import Holder
from qcode.sandbox.policy import Confinement, Network
from qcode.sandbox.unavailable import Unavailable
from qcode.sandbox.watch import Watch

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

SYSTEM = "/usr/bin/bwrap"
_SHELL_OPTIONS = ("--noprofile", "--norc", "-p", "-c")
_RACES = 5


def find(roots: Sequence[str], path: str) -> str:
    """Return the bubblewrap to use, nothing if there is none.

    The system's one is preferred, because a security module may allow namespaces to that
    one alone. One that a command could have written is never taken.

    Args:
        roots: Where commands can write.
        path: A PATH to look in besides.
    """
    places = [os.path.dirname(SYSTEM), *path.split(":")]
    for place in places:
        program = os.path.realpath(os.path.join(place, "bwrap"))
        if not place.startswith("/") or not os.access(program, os.X_OK):
            continue
        if not any(program.startswith(f"{os.path.realpath(root)}/") for root in roots):
            return program
    return ""


class Bubblewrap:
    """Starts commands, each in a bubblewrap of its own."""

    def __init__(self, program: str, *, seen: Sequence[str] = ()) -> None:
        """Look whether it can be used at all; whether it confines is the canary's affair.

        Args:
            program: Which bubblewrap, by its absolute path (`find`).
            seen: Directories that have to be readable although they lie in /tmp: the roots.

        Raises:
            Unavailable: it cannot, and why.
        """
        from qcode.sandbox.native import seccomp

        if not program:
            raise Unavailable("bubblewrap is not installed: install the package `bubblewrap`")
        try:
            if os.stat(program).st_mode & stat.S_ISUID:
                raise Unavailable(f"{program} is set-user-id, which is not safe here")
            usage = subprocess.run(
                [program, "--help"],
                capture_output=True,
                env={},
                check=False,
                timeout=handing.PATIENCE,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"bubblewrap does not run: {error}") from error
        if usage.returncode:
            said = usage.stderr.decode(errors="replace").strip()
            raise Unavailable(f"bubblewrap does not run: {said}")
        if b"--bind-fd" not in usage.stdout + usage.stderr:
            raise Unavailable(f"{program} has no --bind-fd: install bubblewrap 0.10 or later")
        shell = shutil.which("bash", path=handing.SYSTEM_PATH)
        if not shell:
            raise Unavailable("bash is needed inside of bubblewrap: install it")
        self._shell = os.path.realpath(shell)
        self._program = program
        self._seen = tuple(seen)
        try:
            self._filters = {
                Network.OFF: seccomp.program(sockets="own-network"),
                Network.ON: seccomp.program(sockets="host-network"),
            }
        except seccomp.Unsupported as error:
            raise Unavailable(str(error)) from error
        self._watch = Watch()
        self._temps = Temps()
        self._holder: Holder | None = None
        self._lock = threading.RLock()
        self._starter: ThreadPoolExecutor | None = None

    def hold(self) -> None:
        """Let all commands started from now on share one loopback; idempotent.

        Raises:
            Unavailable: it cannot be shared here.
        """
        with self._lock:
            if self._holder is None:
                self._holder = Holder(self._program, self._popen)

    def listen(self, port: int) -> socket.socket:
        """Return a socket that listens on the commands' loopback, which they share from now on.

        Raises:
            OSError: the port is taken.
            Unavailable: it cannot be shared here.
        """
        self.hold()
        assert self._holder is not None
        return self._holder.listen(port)

    def close(self) -> None:
        """Give up what is shared; commands are closed by whoever started them."""
        with self._lock:
            if self._holder is not None:
                self._holder.close()
                self._holder = None
            if self._starter is not None:
                self._starter.shutdown(wait=False)
                self._starter = None

    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        confinement: Confinement,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
    ) -> BubblewrapChild:
        """Start a program; returns when it runs, as `subprocess.Popen` does.

        Raises:
            OSError: there is no such program or directory, or too much was handed over.
            MovedError: what is to be confined was moved since the confinement was made.
            Unavailable: the sandbox could not be set up.
        """
        if not stat.S_ISDIR(os.stat(cwd).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), cwd)
        command = [handing.resolved(argv[0], cwd, env), *argv[1:]]
        last: Exception | None = None
        for _ in range(_RACES):
            try:
                return self._started(
                    command,
                    cwd=cwd,
                    env=env,
                    confinement=confinement,
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                )
            except MovedError as moved:
                last = moved
        raise MovedError(f"bubblewrap failed {_RACES} times: {last}")

    def _started(
        self,
        command: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        confinement: Confinement,
        stdin: int,
        stdout: int,
        stderr: int,
    ) -> BubblewrapChild:
        with ExitStack() as handed, ExitStack() as undo:
            status, their_status = socket.socketpair()
            handed.callback(their_status.close)
            undo.callback(status.close)
            errors, their_errors = handing.stderr_of(stderr, handed)
            if errors is not None:
                undo.callback(errors.close)
            info, their_info = os.pipe()
            handed.callback(os.close, info)
            handed.callback(os.close, their_info)
            parents = arguments.open_parents_of_hidden(confinement)
            handed.callback(arguments.close_all, parents.values())
            words, inherited, points = self._told(
                command, confinement, cwd, env, handed, stderr=their_errors, info=their_info
            )
            process = self._popen(
                words,
                stdin=stdin,
                stdout=stdout,
                stderr=their_status.fileno(),
                pass_fds=inherited,
            )
            undo.callback(handing.discard, process)
            their_status.close()
            handing.await_ready(status, command[0])
            init = handing.child_pid(info)
            handing.check_mounts(init, points, parents)
            if not os.getuid():
                handing.limit_processes(init, confinement.limits.processes)
            child = BubblewrapChild(
                process,
                init=init,
                status=status,
                stderr=errors,
                confinement=confinement,
                temps=self._temps,
            )
            status.sendall(b"\n")
            undo.pop_all()
        first = child.first_look()
        if first is not None:
            self._watch.add(child.look, first)
        return child

    def _told(
        self,
        command: Sequence[str],
        confinement: Confinement,
        cwd: str,
        env: Mapping[str, str],
        handed: ExitStack,
        *,
        stderr: int | None,
        info: int,
    ) -> tuple[list[str], list[int], set[str]]:
        """Return the words that start a command, their descriptors and what they mount."""
        on = confinement.network is Network.ON
        holder = None if on else self._holder
        if confinement.network is Network.PROXY and holder is None:
            raise Unavailable("the proxy does not listen yet")
        opened = arguments.open_mounted(confinement)
        handed.callback(arguments.close_all, opened.values())
        told = arguments.options(
            confinement,
            opened,
            cwd=cwd,
            env=env,
            seen=self._seen,
            shared_network=holder is not None,
            uid=os.getuid(),
        )
        options = handing.in_memory(b"".join(os.fsencode(word) + b"\0" for word in told), handed)
        rules = handing.in_memory(self._filters[Network.ON if on else Network.OFF], handed)
        entered = holder.descriptors if holder else ()
        inherited = [*opened.values(), *entered, options, rules, info]
        script = arguments.script(
            confinement.limits, stderr=stderr, unneeded=inherited, uid=os.getuid()
        )
        words = [
            *(holder.entering if holder else ()),
            self._program,
            *("--info-fd", str(info), "--seccomp", str(rules), "--args", str(options), "--"),
            *(self._shell, *_SHELL_OPTIONS, script, "qcode", *command),
        ]
        points = arguments.mount_points(told)
        return words, inherited if stderr is None else [*inherited, stderr], points

    def _popen(
        self,
        words: Sequence[str],
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start bubblewrap from a thread that does not end before qcode.

        --die-with-parent means the thread, not the process.
        """

        def begin() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                words,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=pass_fds,
                env={},
                cwd="/",
                start_new_session=True,
            )

        if threading.current_thread() is threading.main_thread():
            return begin()
        with self._lock:
            if self._starter is None:
                from concurrent.futures import ThreadPoolExecutor

                self._starter = ThreadPoolExecutor(1, "bubblewrap")
            starter = self._starter
        return starter.submit(begin).result()
