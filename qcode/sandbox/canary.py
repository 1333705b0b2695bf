"""Finding out what a tier really keeps from a process, by having one try it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from qcode.record import Record
from qcode.sandbox.child import Child
from qcode.sandbox.policy import Confinement, Network, Tier
from qcode.sandbox.unavailable import Unavailable

_BASH = ("/bin/bash", "--noprofile", "--norc", "-c")
_ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
_PATIENCE = 20.0
_ORDINARY = "[core]\n"

# Arguments: the directory, a port, the port as in /proc/net/tcp, an interpreter, its code.
# Nothing but shell builtins where one will do, since this runs before the first command.
_ATTEMPTS = r"""
cd "$1" || exit
{ echo x >beside; } 2>/dev/null
{ echo x >workspace/within; } 2>/dev/null
{ echo x >>workspace/.git/config; } 2>/dev/null
for file in home/.ssh/key home/.netrc; do
  { echo "read $(<"$file")"; } 2>/dev/null
done
said=$({ exec 3<>"/dev/tcp/127.0.0.1/$2"; } 2>&1) && echo connected
case $said in *'No such file'*) echo untried ;; esac
if [[ -e /proc/net/tcp ]]; then
  while read -r _ address _; do
    [[ $address != *":$3" ]] || echo port
  done 2>/dev/null </proc/net/tcp
fi
if [[ -e /proc/self/status ]]; then
  while read -r name value; do
    case $name in NoNewPrivs: | Seccomp: | CapEff:) echo "status $name $value" ;; esac
  done </proc/self/status
  if type -P unshare >/dev/null; then
    unshare -Ur true 2>/dev/null && echo namespace
  else
    "$4" -I -S -c "$5" 2>/dev/null && echo namespace
  fi
fi
echo end
"""
_UNSHARE = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(0x10000000))"
_CONFINED = {"NoNewPrivs:": "1", "Seccomp:": "2", "CapEff:": "0000000000000000"}


class Starts(Protocol):
    """What every tier can do."""

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
    ) -> Child:
        """Start a program.

        Raises:
            OSError: as from `subprocess.Popen`.
            Unavailable: it cannot be confined.
        """
        ...

    def listen(self, port: int) -> socket.socket:
        """Return a socket that listens on the loopback of what is started from now on.

        Raises:
            OSError: the port is taken.
            Unavailable: this tier has no loopback of its own.
        """
        ...

    def close(self) -> None:
        """Give up what is shared by what was started."""
        ...


class Probe(Record):
    """One thing that was tried."""

    what: str
    """What holds if it went well: `cannot write beside the workspace`."""
    ok: bool
    why: str = ""
    """What went wrong, or why it was not tried."""


def probe(
    tier: Tier, starter: Starts, *, scratch: Path, network: Network = Network.OFF
) -> tuple[Probe, ...]:
    """Try in a throw-away workspace what a command must not and must be able to do.

    Args:
        tier: Which one it is; not all can keep everything away.
        starter: It, started.
        scratch: An existing directory to make the workspace in; better not below /tmp, which
            is out of sight inside anyhow.
        network: What commands of the session may reach.

    Raises:
        Unavailable: nothing could be started.
        OSError: the same.
    """
    place = Path(tempfile.mkdtemp(prefix="canary-", dir=scratch)).resolve()
    try:
        return _tried(tier, starter, place, network)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _tried(tier: Tier, starter: Starts, place: Path, network: Network) -> tuple[Probe, ...]:
    secret = os.urandom(8).hex()
    confinement = _furnished(place, secret, network)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        script = (_ATTEMPTS, "canary", str(place), str(port), f"{port:04X}")
        said = _output(starter, (*_BASH, *script, sys.executable, _UNSHARE), place, confinement)
        reached = _was_reached(listener)
    lines = said.splitlines()
    if "end" not in lines:
        return (Probe("runs a shell", ok=False, why=said.strip()[-500:] or "nothing was run"),)
    config = (place / "workspace/.git/config").read_text(encoding="utf-8")
    probes = [
        Probe("cannot write beside the workspace", not (place / "beside").exists()),
        Probe("can write in the workspace", (place / "workspace/within").exists()),
        Probe("cannot read hidden files", secret not in said),
    ]
    if tier is Tier.LANDLOCK:
        probes.append(
            Probe(_PROTECTED, ok=True, why="not in this tier: it is put right afterwards")
        )
    else:
        probes.append(Probe(_PROTECTED, config == _ORDINARY))
    probes.append(_connecting(tier, network, lines, reached=reached))
    if tier is not Tier.SEATBELT:
        found = dict(line.split()[1:3] for line in lines if line.startswith("status "))
        wrong = [
            f"{name} {found.get(name)}"
            for name, value in _CONFINED.items()
            if found.get(name) != value
        ]
        probes.append(Probe("has no privileges and a filter", not wrong, ", ".join(wrong)))
        probes.append(Probe("cannot make namespaces", "namespace" not in lines))
    return tuple(probes)


_PROTECTED = "cannot write to protected files"
_CONNECT = "cannot connect to the machine"


def _connecting(tier: Tier, network: Network, lines: Sequence[str], *, reached: bool) -> Probe:
    if network is Network.ON:
        return Probe(_CONNECT, ok=True, why="the network is on")
    if reached or "connected" in lines:
        return Probe(_CONNECT, ok=False, why="it did")
    seen = "port" in lines and tier is not Tier.LANDLOCK
    if "untried" in lines and seen:
        return Probe(_CONNECT, ok=False, why="ports of the machine are seen; bash cannot connect")
    return Probe(_CONNECT, ok=True)


def _furnished(place: Path, secret: str, network: Network) -> Confinement:
    """Make a workspace, a home with secrets and a temporary directory."""
    for name in ("workspace/.git", "home/.ssh", "temp"):
        (place / name).mkdir(parents=True, mode=0o700)
    (place / "workspace/.git/config").write_text(_ORDINARY, encoding="utf-8")
    for name in ("home/.ssh/key", "home/.netrc"):
        (place / name).write_text(secret, encoding="utf-8")
    return Confinement(
        writable=(str(place / "workspace"),),
        pinned=(str(place / "workspace/.git"),),
        protected=(str(place / "workspace/.git/config"),),
        hidden=(str(place / "home/.ssh"), str(place / "home/.netrc")),
        temp=str(place / "temp"),
        network=Network.ON if network is Network.ON else Network.OFF,
    )


def _output(starter: Starts, argv: Sequence[str], place: Path, confinement: Confinement) -> str:
    child = starter.start(
        argv,
        cwd=str(place / "workspace"),
        env=_ENVIRONMENT,
        confinement=confinement,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        child.wait(_PATIENCE)
        assert child.stdout is not None
        os.set_blocking(child.stdout.fileno(), False)
        return (child.stdout.read() or b"").decode(errors="replace")
    except subprocess.TimeoutExpired:
        raise Unavailable("the trial did not end in time") from None
    finally:
        child.close()


def _was_reached(listener: socket.socket) -> bool:
    listener.setblocking(False)
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True
