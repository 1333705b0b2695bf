"""Confinement by a container engine: commands run in a container that is kept.

A container runs one command at a time, so that all that is in it can be ended with the
command. Only a command that is started beside another one gets a further container, which
shares the first one's loopback.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import socket
import stat
import subprocess
import threading
from collections.abc import Mapping, Sequence

from qcode.sandbox import container_words as words
from qcode.sandbox.container_box import PATIENCE, Box
from qcode.sandbox.container_child import ContainerChild
from qcode.sandbox.policy import Confinement, Network, Tier
from qcode.sandbox.unavailable import Unavailable

_IDLE = 3
"""So many containers that fit no more, or were needed beside others, are kept."""


def find(tier: Tier, roots: Sequence[str], path: str) -> str:
    """Return the engine's program, nothing if there is none.

    One that a command could have written is never taken.
    """
    for place in path.split(":"):
        program = shutil.which(tier.value, path=place) if place.startswith("/") else None
        real = os.path.realpath(program) if program else ""
        if real and not any(real.startswith(f"{os.path.realpath(root)}/") for root in roots):
            return real
    return ""


class Container:
    """Starts commands in containers of one image."""

    def __init__(
        self,
        tier: Tier,
        program: str,
        image: str,
        *,
        roots: Sequence[str],
        environ: Mapping[str, str],
    ) -> None:
        """Look whether the engine works and has the image.

        Args:
            tier: Which engine it is.
            program: It, by its absolute path (`find`).
            image: What commands run in; nothing is fetched.
            roots: What commands can read, writable or not; nothing else of the host is there.
            environ: The environment of the engine's program; commands do not get it.

        Raises:
            Unavailable: it does not, or has not.
        """
        if not program:
            raise Unavailable(f"{tier} is not installed")
        self._tier = tier
        self._program = program
        self._image = image
        self._roots = tuple(roots)
        self._environ = dict(environ)
        self._lock = threading.Lock()
        self._boxes: list[Box] = []
        self._network: Box | None = None
        self._closed = False
        try:
            found = self._call(["image", "inspect", image])
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"{tier} does not run: {error}") from error
        if found.returncode:
            said = found.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise Unavailable(
                f"{tier} has no image `{image}` ({said}): `{tier} pull {image}` gets it"
            )

    def listen(self, port: int) -> socket.socket:
        """Raise an error: nothing listens in a container for qcode.

        Raises:
            Unavailable: always.
        """
        raise Unavailable("a container cannot reach a proxy alone")

    def close(self) -> None:
        """End all containers, and what still runs in them."""
        with self._lock:
            self._closed = True
            # An engine does not remove a container whose network others use.
            boxes = sorted(self._boxes, key=lambda box: box is self._network)
            self._boxes = []
            self._network = None
        for box in boxes:
            box.close()

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
    ) -> ContainerChild:
        """Start a program.

        What the image does not have is not known before: the command then ends with 126
        or 127 and the words of the engine, as it would from a shell.

        Raises:
            OSError: there is no such directory, or too much was handed over.
            Unavailable: no container can be had that confines it.
        """
        if not stat.S_ISDIR(os.stat(cwd).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), cwd)
        box = self._box(confinement)
        try:
            client = subprocess.Popen(
                [
                    self._program,
                    *words.run_in(
                        box.name, argv, cwd=cwd, env=env, stdin=stdin != subprocess.DEVNULL
                    ),
                ],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=self._environ,
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            box.is_busy = False
            raise
        return ContainerChild(client, box)

    def _box(self, confinement: Confinement) -> Box:
        """Return a container for one command, marked as busy."""
        with self._lock:
            self._boxes = [box for box in self._boxes if box.is_alive]
            if self._network not in self._boxes:
                self._network = None
            for box in self._boxes:
                if not box.is_busy and box.confinement == confinement:
                    box.is_busy = True
                    # Those used last are kept longest.
                    self._boxes.remove(box)
                    self._boxes.append(box)
                    return box
            idle = [box for box in self._boxes if not box.is_busy and box is not self._network]
            unneeded = idle[: max(0, len(idle) - _IDLE)]
            for box in unneeded:
                self._boxes.remove(box)
            shared = self._network
        for box in unneeded:
            box.close()
        return self._made(confinement, shared)

    def _made(self, confinement: Confinement, shared: Box | None) -> Box:
        name = f"qcode-{secrets.token_hex(8)}"
        box = Box(
            self._call,
            self._begin(
                words.run(
                    self._tier,
                    self._image,
                    confinement,
                    name=name,
                    roots=self._roots,
                    uid=os.getuid(),
                    gid=os.getgid(),
                    shared=shared.name if shared else "",
                )
            ),
            name=name,
            confinement=confinement,
        )
        box.is_busy = True
        with self._lock:
            if not self._closed:
                self._boxes.append(box)
                if self._network is None and confinement.network is Network.OFF:
                    self._network = box
                return box
        box.close()
        raise Unavailable("the sandbox is closed")

    def _begin(self, told: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [self._program, *told],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environ,
            cwd="/",
            start_new_session=True,
        )

    def _call(self, told: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [self._program, *told],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            env=self._environ,
            cwd="/",
            timeout=PATIENCE,
        )
