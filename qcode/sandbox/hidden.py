"""What is not read: keys, passwords and histories, in the home directory and the workspace."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from qcode.sandbox.git_index import tracked
from qcode.sandbox.patterns import Patterns, below
from qcode.sandbox.policy import Policy
from qcode.sandbox.repositories import enclosing, git_dirs

IN_HOME = (
    ".ssh", ".aws", ".azure", ".kube", ".docker", ".gnupg", ".oci", ".password-store",
    ".terraform.d", ".config/gcloud", ".config/gh", ".config/glab-cli", ".config/op",
    ".config/hub", ".config/qcode", ".config/git/credentials", ".config/containers/auth.json",
    ".config/rclone", ".config/helm", ".config/doctl", ".config/age", ".config/sops",
    ".local/share/keyrings", ".local/share/kwalletd", ".local/share/containers/auth.json",
    ".netrc", ".npmrc", ".pypirc", ".git-credentials", ".pgpass", ".my.cnf", ".mylogin.cnf",
    ".vault-token", ".s3cfg", ".boto", ".dockercfg", ".yarnrc.yml", ".gem/credentials",
    ".cargo/credentials", ".cargo/credentials.toml", ".cache/huggingface/token",
    ".huggingface/token", ".terraformrc", ".bundle/config", ".m2/settings.xml",
    ".m2/settings-security.xml", ".gradle/gradle.properties", ".claude", ".codex", ".gemini",
    # browsers
    ".mozilla", ".thunderbird", ".config/google-chrome", ".config/chromium",
    ".config/BraveSoftware", ".config/microsoft-edge", ".config/vivaldi", ".config/opera",
    "snap/firefox", "snap/chromium", "Library/Keychains", "Library/Cookies",
    "Library/Application Support/Google/Chrome", "Library/Application Support/Firefox",
    "Library/Application Support/BraveSoftware", "Library/Safari",
    # histories of what was typed
    ".bash_history", ".zsh_history", ".python_history", ".node_repl_history", ".psql_history",
    ".mysql_history", ".sqlite_history", ".rediscli_history", ".irb_history", ".lesshst",
    ".local/share/fish/fish_history", ".config/fish/fish_history", ".histfile", ".sh_history",
)  # fmt: skip
"""Relative to the home directory."""

_ENV = re.compile(r"\.env(?:\..+)?", re.IGNORECASE)
_ENV_SHOWN = (".example", ".sample", ".template", ".dist")
_PRIVATE_ANYWAY = ("/tmp", "/var/tmp", "/run", "/var/run", "/dev")
"""Where the sandbox has directories of its own."""


class Hidden:
    """Which paths are hidden. What git tracks is decided by its index at the start alone:

    a command can write to the index, and would otherwise show itself what it wants to see.
    """

    def __init__(self, policy: Policy, *, config_dir: Path, state_dir: Path) -> None:
        self._roots = tuple(str(root) for root in policy.roots)
        self._home = os.path.realpath(policy.home)
        self._always = (
            *(f"{self._home}/{name}" for name in IN_HOME),
            os.path.realpath(config_dir),
            os.path.realpath(state_dir),
        )
        self._added = Patterns(policy.hidden, roots=policy.roots, home=policy.home)
        self._shown = Patterns(policy.shown, roots=policy.roots, home=policy.home)
        self._real: dict[str, tuple[int, str]] = {}
        self._indexes: dict[str, _Index] = {}
        self._targets: tuple[str, ...] = self._always
        self._look()
        for root in self._roots:
            self._index(root)

    def wanted(self, name: str) -> bool:
        """Whether a file of this name in the workspace may have to be hidden."""
        return is_environment_file(name) or self._added.may_name(name)

    def reason(self, real: Path) -> str:
        """Return why a path is not to be read, or nothing. A real path; it need not exist."""
        text = str(real)
        if self._shown.match(text):
            return ""
        for place in self._targets:
            if below(text, place):
                return "it holds keys, passwords or what was typed"
        if rule := self._added.match(text):
            return f"{rule} is hidden by a rule"
        if is_environment_file(os.path.basename(text)) and self._is_private(text):
            return "files with secrets for development that git does not track are hidden"
        return ""

    def existing(self, files: Iterable[str]) -> list[str]:
        """Return what there is to be hidden: real paths; `files` are candidates in the roots."""
        found = self._look()
        for place in self._added.places():
            if os.path.lexists(place):
                found.add(os.path.realpath(place))
        for path in files:
            real = os.path.realpath(path)
            is_secret = is_environment_file(os.path.basename(path)) and self._is_private(path)
            if self._added.match(path) or (
                is_secret and (real == path or self._may_be_meant(real))
            ):
                found.add(real)
        if self._shown:
            found = {path for path in found if not self._shown.match(path)}
        return [path for path in sorted(found) if _is_hideable(path)]

    def shown(self) -> list[str]:
        """Return the real paths of what a person took from the hidden ones by its whole path."""
        return [os.path.realpath(place) for place in self._shown.places()]

    def _look(self) -> set[str]:
        """Return the real paths of what there is of the places that are always hidden."""
        found = set()
        for path in self._always:
            try:
                inode = os.lstat(path).st_ino
            except OSError:
                continue
            known = self._real.get(path)
            if known is None or known[0] != inode:
                known = self._real[path] = (inode, os.path.realpath(path))
            found.add(known[1])
        self._targets = (*self._always, *(found - set(self._always)))
        return found

    def in_home(self) -> list[str]:
        """Return what there is to be hidden in the home directory: real paths."""
        return [path for path in sorted(self._look()) if not self._shown.match(path)]

    def _may_be_meant(self, target: str) -> bool:
        """Whether a link to it is one to secrets, and not a trick to hide a program."""
        name = os.path.basename(target).lower()
        return "env" in name and any(below(target, p) for p in (self._home, *self._roots))

    def _is_private(self, path: str) -> bool:
        if not any(below(path, root) for root in self._roots):
            return True
        return path not in self._index(os.path.dirname(path))

    def _index(self, directory: str) -> _Index:
        top = enclosing(directory)
        if top not in self._indexes:
            self._indexes[top] = _Index(top)
        return self._indexes[top]


class _Index:
    """The environment files that a repository tracked when it was first asked for."""

    def __init__(self, top: str) -> None:
        self._tracked: frozenset[str] = frozenset()
        dirs = git_dirs(top) if top else None
        if dirs:
            names = tracked(dirs.git_dir, is_environment_file, b".env")
            self._tracked = frozenset(f"{top}/{name}" for name in names)

    def __contains__(self, path: object) -> bool:
        return path in self._tracked


def is_environment_file(name: str) -> bool:
    """Whether a file of this name usually has the secrets of a development environment."""
    return bool(_ENV.fullmatch(name)) and not name.lower().endswith(_ENV_SHOWN)


def sockets(is_open: Callable[[str], bool]) -> list[str]:
    """Return the path-named sockets of the system that exist, without those said to be open.

    A read-only mount does not keep anybody from connecting to one.
    """
    try:
        with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()[1:]
    except OSError:
        return []
    paths = {line[line.index(" /") + 1 :] for line in lines if " /" in line}
    return [
        path
        for path in sorted(paths)
        if not any(below(path, place) for place in _PRIVATE_ANYWAY)
        and not is_open(path)
        and _is_socket(path)
        and _is_reachable(os.path.dirname(path))
    ]


def _is_reachable(directory: str) -> bool:
    """Whether a confined process gets there: root's has no more rights there than its number."""
    own, groups = os.geteuid(), {os.getegid(), *os.getgroups()}
    while True:
        try:
            found = os.stat(directory)
        except OSError:
            return False
        bit = 0o100 if found.st_uid == own else 0o010 if found.st_gid in groups else 0o001
        if not found.st_mode & bit:
            return False
        if directory == "/":
            return True
        directory = os.path.dirname(directory)


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.lstat(path).st_mode) and os.path.realpath(path) == path
    except OSError:
        return False


def _is_hideable(path: str) -> bool:
    """Whether there is something at a real path; a directory called `.env` is a Python one."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISDIR(mode) and is_environment_file(os.path.basename(path)))
