"""How a container engine is told what a container may do, and what to run in it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from qcode.sandbox.patterns import below
from qcode.sandbox.policy import Confinement, Network, Tier
from qcode.sandbox.unavailable import Unavailable

READY = b"ready\n"
_BASH = ("/bin/bash", "--noprofile", "--norc", "-p", "-c")
# The first process: it ends when qcode does, which closes its stdin, and takes all others with
# it. While it reads, bash also waits for those whose parents have ended.
_FIRST = "echo ready; while read -r _; do :; done"
# -1 means all that may be signalled but the first process and the one that signals.
_SIGNAL = 'kill -"$0" -1 2>/dev/null; :'
# Counts what is more than the first process and itself, and is not over.
_END = """
count=0
for place in /proc/[0-9]*; do
  [[ $place == /proc/1 || $place == /proc/$$ ]] && continue
  while read -r name value; do
    [[ $name == State: && $value != Z* ]] && ((++count))
  done 2>/dev/null <"$place/status"
done
((count)) && kill -KILL -1 2>/dev/null
echo "$count"
"""
_OF_THE_IMAGE = frozenset({"PATH", "HOME", "SHELL", "TMPDIR", "PWD"})
"""What the variables of the host say is not true in a container."""
_SMALL = 1 << 20


def run(
    tier: Tier,
    image: str,
    confinement: Confinement,
    *,
    name: str,
    roots: Sequence[str],
    uid: int,
    gid: int,
    shared: str = "",
) -> list[str]:
    """Return the words that start a container which waits for commands.

    Args:
        tier: Which engine it is.
        image: What to run in; it has to be there already, and to have bash.
        confinement: What commands may write to. Nothing else of the host is in the container
            but the roots.
        name: How to call it.
        roots: What is to be readable in any case.
        uid: Who commands run as.
        gid: The same.
        shared: A container whose network is used.

    Raises:
        Unavailable: a container cannot be confined so.
    """
    if confinement.network is Network.PROXY:
        raise Unavailable("a container cannot reach a proxy alone")
    limits = confinement.limits
    words = ["run", "--interactive", "--rm", "--pull", "never", "--name", name]
    words += ["--log-driver", "none", "--hostname", "qcode"]
    if confinement.network is not Network.ON:
        words += ["--network", f"container:{shared}" if shared else "none"]
    words += ["--user", f"{uid}:{gid}"]
    if tier is Tier.PODMAN and uid != 0:
        words += ["--userns", "keep-id"]
    words += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    # Where labels are enforced, the workspace could not be read, and is not to be labelled anew.
    words += ["--security-opt", "label=disable", "--read-only"]
    words += ["--pids-limit", str(limits.processes)]
    if limits.memory_bytes is not None:
        words += ["--memory", str(limits.memory_bytes), "--memory-swap", str(limits.memory_bytes)]
    ulimits = {"core": 0, "nofile": limits.open_files, "fsize": limits.file_bytes}
    if tier is Tier.PODMAN:
        # Also holds where a user has no control groups. In docker it would count all that the
        # user runs; here users have a namespace of their own, and uid 0 has no such limit.
        ulimits["nproc"] = limits.processes
    for kind, most in ulimits.items():
        words += ["--ulimit", f"{kind}={most}:{most}"]
    for place, size in (("/tmp", limits.temp_bytes), ("/var/tmp", _SMALL), ("/run", _SMALL)):
        words += ["--tmpfs", f"{place}:rw,exec,nosuid,nodev,size={size},mode=1777"]
    for place, mount in _mounts(tier, confinement, roots).items():
        words += ["--mount", mount or _fields("bind", place, f"src={place}")]
    words += ["--env", "HOME=/tmp", "--workdir", "/", "--entrypoint", _BASH[0]]
    return [*words, image, *_BASH[1:], _FIRST]


def run_in(
    name: str, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], stdin: bool
) -> list[str]:
    """Return the words that run a command in a container that waits for some."""
    words = ["exec", "--workdir", cwd]
    if stdin:
        words.append("--interactive")
    for variable, value in env.items():
        if variable not in _OF_THE_IMAGE:
            words += ["--env", f"{variable}={value}"]
    return [*words, name, *argv]


def signal_all(name: str, signal: str) -> list[str]:
    """Return the words that send a signal to all commands in a container."""
    return ["exec", name, *_BASH, _SIGNAL, signal]


def end_all(name: str) -> list[str]:
    """Return the words that kill all in a container but its first process, and print how many."""
    return ["exec", name, *_BASH, _END]


def _mounts(tier: Tier, confinement: Confinement, roots: Sequence[str]) -> dict[str, str]:
    """Return where something is mounted and how; empty means itself, writable."""
    mounts = {root: _read_only(root) for root in roots}
    mounts.update(dict.fromkeys((*confinement.writable, *confinement.pinned), ""))
    mounts.update({path: _read_only(path) for path in confinement.protected})
    tops = (*roots, *confinement.writable)
    for path in confinement.hidden:
        if not any(below(path, top) for top in tops):
            continue  # it is not there anyhow
        if os.path.isdir(path):
            # podman would copy into it what is to be hidden by it.
            empty = ("notmpcopyup",) if tier is Tier.PODMAN else ()
            mounts[path] = _fields(
                "tmpfs", path, "tmpfs-size=4096", "tmpfs-mode=0555", "ro", *empty
            )
        else:
            mounts[path] = _fields("bind", path, f"src={os.devnull}", "readonly")
    return mounts


def _read_only(path: str) -> str:
    return _fields("bind", path, f"src={path}", "readonly")


def _fields(kind: str, place: str, *others: str) -> str:
    """Return a mount as engines read it: fields as in a CSV file."""
    fields = (f"type={kind}", f"dst={place}", *others)
    return ",".join(
        '"' + field.replace('"', '""') + '"' if set(field) & set(',"\n\r') else field
        for field in fields
    )
