"""What a person decided about the sandbox, and what it comes to for one process; pure data."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from qcode.record import Record

MIB = 1024 * 1024


class Level(StrEnum):
    """What the tools' processes may touch; the values of `--sandbox`."""

    READ_ONLY = "read-only"
    WORKSPACE_WRITE = "workspace-write"
    EXTERNAL = "external"
    """The caller vouches for a boundary around qcode; nothing is confined here."""
    OFF = "off"

    @property
    def confines(self) -> bool:
        """Whether qcode itself has to hold the boundary."""
        return self in (Level.READ_ONLY, Level.WORKSPACE_WRITE)


class Network(StrEnum):
    """What a process may reach."""

    OFF = "off"
    """Nothing but the loopback of the sandbox itself."""
    PROXY = "proxy"
    """Hosts of a list, through qcode's proxy."""
    ON = "on"


class Tier(StrEnum):
    """By which means processes are confined, best first."""

    BUBBLEWRAP = "bubblewrap"
    NAMESPACES = "namespaces"
    LANDLOCK = "landlock"
    SEATBELT = "seatbelt"
    DOCKER = "docker"
    PODMAN = "podman"
    NONE = "none"
    """Supervised and ended with all its children, but not confined."""


class Limits(Record):
    """What one command may use up."""

    processes: int = 1024
    file_bytes: int = 2048 * MIB
    """Of one file."""
    temp_bytes: int = 512 * MIB
    """Of the private temporary directory."""
    memory_bytes: int | None = None
    """Resident, of all its processes together; None: no limit."""
    open_files: int = 4096


class Grant(Record):
    """What a person allowed one command beyond the policy."""

    network: bool = False
    write: tuple[str, ...] = ()
    """Real paths: directories or files, protected ones too."""
    read: tuple[str, ...] = ()
    """Real paths that are hidden otherwise."""
    everything: bool = False
    """Not confined at all."""


class Policy(Record):
    """What a person decided for a session; from settings and flags, never from a tool's call."""

    level: Level
    roots: tuple[Path, ...]
    """The workspace, then what was added to it; real paths."""
    home: Path
    lent: tuple[Path, ...] = ()
    """Directories that are readable wherever they lie, and of which nothing is writable: not
    even git's own files of a root that is a worktree of a repository there."""
    network: Network = Network.OFF
    is_offline: bool = False
    """Whether no process may reach anything, even where a person allows it for one."""
    hosts: tuple[str, ...] = ()
    """For `Network.PROXY`; none means that nothing is reached."""
    caches: tuple[Path, ...] = ()
    """Directories besides the roots that may be written to."""
    hidden: tuple[str, ...] = ()
    """Paths, or names in the workspace (`fnmatch`), hidden besides those that always are."""
    shown: tuple[str, ...] = ()
    """What a person takes from the hidden ones."""
    protected: tuple[str, ...] = ()
    """Globs in the workspace (`edit` rules that deny) not to be written to."""
    env_pass: tuple[str, ...] = ()
    """Names of environment variables handed on although they are not on the list."""
    limits: Limits = Limits()


class Confinement(Record):
    """What one process is confined to: real paths that exist, parents before children.

    Later fields win over earlier ones: all is readable, then `writable`, then what is
    hidden and protected in it. An empty `writable` is the policy `read-only`.
    """

    writable: tuple[str, ...] = ()
    """Directories (or files) that may be written to."""
    pinned: tuple[str, ...] = ()
    """Directories in writable ones that must not be renamed or removed."""
    protected: tuple[str, ...] = ()
    """Files and directories in writable ones that are read-only."""
    hidden: tuple[str, ...] = ()
    """Files, directories and sockets that are not to be read: they look empty."""
    temp: str = ""
    """The session's private directory (mode 0700): /tmp inside where mounts can be made."""
    network: Network = Network.OFF
    limits: Limits = Limits()
    identity: tuple[tuple[int, int], ...] = ()
    """Device and inode of each path above in order: a mount goes with its file."""
