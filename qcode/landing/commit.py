"""Committing what a session changed, and nothing else.

The commit is built on an index of its own, so that what the person has staged
or left uncommitted stays out of it and stays as it is. Hooks and signing are
git's own business: `git commit` does it. Where a file held uncommitted work
before the session, the model's lines are committed alone if they can be told
apart from it, and otherwise the file is left out and named.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from qcode.checkpoints.keeper import Checkpoints
from qcode.checkpoints.merge import merge_text
from qcode.checkpoints.states import Entry
from qcode.errors import QcodeError, UsageError
from qcode.landing.own import own_changes
from qcode.record import Record

_TIMEOUT_S = 900.0
"""Of one git command; hooks may run whole test suites."""

_UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
}


class Landed(Record):
    """What was committed."""

    commit: str
    """Its id; empty if there was nothing to commit."""
    paths: tuple[str, ...]
    left: Mapping[str, str]
    """Path to why its change is not in the commit."""


class _Blob(Record):
    """A file as git's index and trees know it; an oid of zeros where it is not there."""

    mode: str
    oid: str


def check_can_commit(root: Path) -> None:
    """Check beforehand that a commit can be made in a directory.

    Raises:
        UsageError: it lies in no repository, or a merge or the like is under way.
    """
    git = _Git(root)
    try:
        folder = git.run("rev-parse", "--absolute-git-dir", check=False)
    except FileNotFoundError:
        raise UsageError("--commit needs git, which is not installed") from None
    if folder.returncode:
        raise UsageError(
            f"--commit needs a git repository, and `{root}` is in none",
            hint="`git init`, or leave it out",
        )
    place = Path(os.fsdecode(folder.stdout.rstrip(b"\n")))
    for name, what in _UNDER_WAY.items():
        if (place / name).exists():
            raise UsageError(f"{what} is under way in `{root}`", hint="end it before --commit")


def commit(kept: Checkpoints, message: str) -> Landed:
    """Commit what the session's calls changed.

    Raises:
        UsageError: a merge or the like is under way.
        QcodeError: git refused (a hook, signing, no name and address).
    """
    check_can_commit(kept.root)
    return _Commit(kept).make(message)


class _Git:
    """git with the repository's own configuration: what the person set up applies."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
        }

    def run(
        self,
        *args: str,
        data: bytes = b"",
        index: str = "",
        check: bool = True,
        literal: bool = False,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a git command; `literal`: its paths are names, not patterns.

        Never set `literal` for what runs hooks: they would inherit it.

        Raises:
            QcodeError: it failed, and `check` is set.
        """
        environment = {**self.environment}
        if index:
            environment["GIT_INDEX_FILE"] = index
        try:
            done = subprocess.run(
                ["git", *(["--literal-pathspecs"] if literal else []), *args],
                cwd=self.root,
                input=data,
                capture_output=True,
                env=environment,
                timeout=_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            raise QcodeError(f"`git {args[0]}` did not end within {_TIMEOUT_S:.0f} s") from None
        if check and done.returncode:
            words = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
            raise QcodeError(f"`git {args[0]}` failed: {words[-500:] or done.returncode}")
        return done

    def text(self, *args: str, data: bytes = b"", index: str = "") -> str:
        """Return a command's output without its last line end."""
        return os.fsdecode(self.run(*args, data=data, index=index).stdout).rstrip("\n")


class _Commit:
    def __init__(self, kept: Checkpoints) -> None:
        self.kept = kept
        self.git = _Git(kept.root)
        self.top = Path(self.git.text("rev-parse", "--show-toplevel"))
        self.prefix = self.git.text("rev-parse", "--show-prefix")
        self.git.root = self.top
        done = self.git.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}", check=False)
        self.head = "" if done.returncode else os.fsdecode(done.stdout.strip())
        self.zero = "0" * len(self.git.text("hash-object", "--stdin"))
        self.left: dict[str, str] = {}

    def make(self, message: str) -> Landed:
        own = own_changes(self.kept)
        files = {
            path: change
            for path, change in own.changes.items()
            if not any(entry is not None and entry.is_directory for entry in change)
        }
        names = {path: self.prefix + path for path in files}
        heads = self._listed(list(names.values()), self.head) if self.head else {}
        staged = self._listed(list(names.values()), None)
        fresh: dict[str, _Blob] = {}
        index: dict[str, _Blob] = {}
        for path, name in names.items():
            if path in own.mixed:
                self.left[path] = "somebody else changed the same lines meanwhile"
                continue
            blob = self._committed(name, own.versions[path], heads.get(name))
            if isinstance(blob, str):
                self.left[path] = blob
                continue
            if blob == (heads.get(name) or self._nothing()):
                continue  # it is committed already
            both = self._staged(name, heads.get(name), staged.get(name), blob)
            if both is None:
                self.left[path] = "other changes of it are staged"
                continue
            fresh[path], index[path] = blob, both
        if not fresh:
            return Landed("", (), self.left)
        made = self._commit({names[path]: blob for path, blob in fresh.items()}, message)
        self._update_index({names[path]: (fresh[path], blob) for path, blob in index.items()})
        return Landed(made, tuple(sorted(fresh)), self.left)

    def _nothing(self) -> _Blob:
        return _Blob("0", self.zero)

    def _listed(self, names: Sequence[str], commit: str | None) -> dict[str, _Blob]:
        """Return the files of a commit, or of the index if none is given, of those named."""
        out: dict[str, _Blob] = {}
        for start in range(0, len(names), 500):
            some = names[start : start + 500]
            command = ["ls-files", "-s", "-z"] if commit is None else ["ls-tree", "-z", commit]
            done = self.git.run(*command, "--", *some, literal=True)
            for row in done.stdout.split(b"\0"):
                facts, _, name = row.partition(b"\t")
                words = os.fsdecode(facts).split()
                if name and words:
                    out[os.fsdecode(name)] = _Blob(words[0], words[1 if commit is None else 2])
        return out

    def _committed(
        self, name: str, versions: Sequence[Entry | None], head: _Blob | None
    ) -> _Blob | str:
        """Return what is committed of a file, or why it is not.

        `versions` are what the session made of it, from what it found on.
        """
        if inner := self._inner_repository(name):
            return f"it belongs to the repository in {inner}"
        old, new = versions[0], versions[-1]
        if any(self._is_committed(name, version, head) for version in dict.fromkeys(versions)):
            if new is None:
                return self._nothing()
            if head is None and self._is_ignored(name):
                return "git ignores it"
            return self._stored(name, new, head)
        if head is None:
            return "it was not committed before, and holds more than this session's work"
        if old is None or new is None or not old.is_file or not new.is_file:
            return "it had uncommitted changes"
        content = merge_text(
            self.git.run("cat-file", "--filters", f"--path={name}", head.oid).stdout,
            self.kept.content(old),
            self.kept.content(new),
        )
        if content is None:
            return "it had uncommitted changes in the same lines"
        return _Blob(head.mode, self._filtered(name, content))

    def _is_committed(self, name: str, version: Entry | None, head: _Blob | None) -> bool:
        if version is None or head is None:
            return version is None and head is None
        return self._hashed(name, version) == head.oid

    def _is_ignored(self, name: str) -> bool:
        path = os.fsencode(name) + b"\0"
        return not self.git.run("check-ignore", "--stdin", "-z", data=path, check=False).returncode

    def _inner_repository(self, name: str) -> str:
        for parent in list(Path(name).parents)[:-1]:
            if (self.top / parent / ".git").exists():
                return str(parent)
        return ""

    def _stored(self, name: str, entry: Entry, head: _Blob | None) -> _Blob:
        content = self.kept.content(entry)
        if not entry.is_file:
            oid = self.git.text("hash-object", "-w", "--stdin", data=content)
            return _Blob("120000", oid)
        bits = self.git.run("config", "--type=bool", "core.fileMode", check=False).stdout.strip()
        mode = "100755" if entry.mode & 0o100 else "100644"
        if bits == b"false" and head is not None:
            mode = head.mode
        return _Blob(mode, self._filtered(name, content))

    def _filtered(self, name: str, content: bytes) -> str:
        """Store a content as git would add it (line ends, large-file filters); return its id."""
        return self.git.text("hash-object", "-w", f"--path={name}", "--stdin", data=content)

    def _hashed(self, name: str, entry: Entry) -> str:
        content = self.kept.content(entry)
        filters = [f"--path={name}"] if entry.is_file else []
        return self.git.text("hash-object", *filters, "--stdin", data=content)

    def _staged(
        self, name: str, head: _Blob | None, staged: _Blob | None, fresh: _Blob
    ) -> _Blob | None:
        """Return what the person's index has of a file afterwards; None if that is a guess."""
        if staged in (head, fresh):
            return fresh
        if staged is None or head is None or not int(fresh.oid, 16):
            return None
        read = [self.git.run("cat-file", "blob", b.oid).stdout for b in (staged, head, fresh)]
        both = merge_text(*read)
        if both is None:
            return None
        return _Blob(staged.mode, self.git.text("hash-object", "-w", "--stdin", data=both))

    def _commit(self, blobs: Mapping[str, _Blob], message: str) -> str:
        with _temporary_index() as index:
            self.git.run("read-tree", self.head or "--empty", index=index)
            self._put(blobs, index)
            # The message is the person's to see as it is: no line of it is a comment.
            self.git.run(
                "commit", "--quiet", "--cleanup=whitespace", "-F", "-",
                data=message.encode("utf-8", "replace"), index=index,
            )  # fmt: skip
        return self.git.text("rev-parse", "HEAD")

    def _put(self, blobs: Mapping[str, _Blob], index: str) -> None:
        rows = (
            f"{blob.mode} {blob.oid}\t{name}".encode("utf-8", "surrogateescape") + b"\0"
            for name, blob in blobs.items()
        )
        self.git.run("update-index", "-z", "--index-info", data=b"".join(rows), index=index)

    def _update_index(self, wanted: Mapping[str, tuple[_Blob, _Blob]]) -> None:
        """Have the person's index say of these files what the new commit does."""
        committed = self._listed(list(wanted), "HEAD")
        blobs = {}
        for name, (fresh, both) in wanted.items():
            # A hook may have committed something else than what it was given.
            blobs[name] = committed.get(name, self._nothing()) if both == fresh else both
        try:
            self._put(blobs, "")
            self.git.run("update-index", "-q", "--refresh", check=False)
        except QcodeError as error:
            raise QcodeError(
                f"the commit is made, but the index could not follow: {error.message}",
                hint="`git reset -q` brings it to the new commit",
            ) from error


@contextmanager
def _temporary_index() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="qcode-index-") as folder:
        yield os.path.join(folder, "index")
