"""git as the person has set it up, for making a commit of part of what changed."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from qcode.errors import QcodeError
from qcode.record import Record
from qcode.sandbox import house
from qcode.sandbox.child import Done
from qcode.sandbox.communicate import communicate
from qcode.sandbox.launching import Purpose

_TIMEOUT_S = 900.0
"""Of one git command; hooks may run whole test suites."""

_TREE = "040000"

_CHANGING = ("filter", "ident", "working-tree-encoding")
"""Attributes by which git stores something else than the bytes of a file."""


class Blob(Record):
    """A file as git's index and trees know it; an oid of zeros where it is not there."""

    mode: str
    oid: str


class Git:
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
    ) -> Done:
        """Run a git command; `literal`: its paths are names, not patterns.

        Never set `literal` for what runs hooks: they would inherit it.

        Raises:
            QcodeError: it failed, and `check` is set.
        """
        environment = {**self.environment}
        if index:
            environment["GIT_INDEX_FILE"] = index
        try:
            argv = ["git", *(["--literal-pathspecs"] if literal else []), *args]
            pipe = subprocess.PIPE
            child = house.launcher().start(
                argv,
                cwd=self.root,
                env=environment,
                stdin=pipe if data else subprocess.DEVNULL,
                stdout=pipe,
                stderr=pipe,
                # It runs the person's hooks and filters, which run what the model wrote.
                purpose=Purpose.COMMAND,
            )
            done = communicate(child, argv, data, _TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise QcodeError(f"`git {args[0]}` did not end within {_TIMEOUT_S:.0f} s") from None
        if check and done.returncode:
            words = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
            why = words[-500:] or f"it ended with {done.returncode} and said nothing"
            raise QcodeError(f"`git {args[0]}` failed: {why}")
        return done

    def text(self, *args: str, data: bytes = b"", index: str = "") -> str:
        """Return a command's output without its last line end."""
        return os.fsdecode(self.run(*args, data=data, index=index).stdout).rstrip("\n")

    def head(self) -> str:
        """Return the commit that is checked out; empty if there is none yet."""
        done = self.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}", check=False)
        return "" if done.returncode else os.fsdecode(done.stdout.strip())

    def listed(self, names: Sequence[str], commit: str | None) -> dict[str, Blob]:
        """Return the files of a commit, or of the index if it is None, of those named."""
        out: dict[str, Blob] = {}
        for start in range(0, len(names), 500):
            some = names[start : start + 500]
            command = ["ls-files", "-s", "-z"] if commit is None else ["ls-tree", "-z", commit]
            done = self.run(*command, "--", *some, literal=True)
            for row in done.stdout.split(b"\0"):
                facts, _, name = row.partition(b"\t")
                words = os.fsdecode(facts).split()
                if name and words and words[0] != _TREE:
                    out[os.fsdecode(name)] = Blob(words[0], words[1 if commit is None else 2])
        return out

    def ignored(self, names: Iterable[str]) -> set[str]:
        """Return which of these paths git ignores."""
        data = _names(names)
        done = self.run("check-ignore", "--stdin", "-z", data=data, check=False) if data else None
        return {os.fsdecode(name) for name in done.stdout.split(b"\0") if name} if done else set()

    def filtered(self, names: Iterable[str]) -> set[str]:
        """Return which of these paths have attributes by which git changes their content."""
        data = _names(names)
        if not data:
            return set()
        done = self.run("check-attr", "-z", "--stdin", *_CHANGING, data=data)
        fields = done.stdout.split(b"\0")[:-1]
        rows = zip(fields[0::3], fields[2::3], strict=True)
        return {
            os.fsdecode(name) for name, value in rows if value not in (b"unspecified", b"unset")
        }

    def changed(self, old: str, new: str) -> dict[str, tuple[Blob, Blob]]:
        """Return what differs between two commits, or from nothing if `old` is empty."""
        base = old or self.text("hash-object", "-t", "tree", "--stdin")
        done = self.run("diff-tree", "-r", "-z", "--no-renames", "--full-index", base, new)
        fields = done.stdout.split(b"\0")[:-1]
        out = {}
        for facts, name in zip(fields[0::2], fields[1::2], strict=True):
            old_mode, new_mode, old_oid, new_oid, _ = os.fsdecode(facts).lstrip(":").split()
            out[os.fsdecode(name)] = (_blob(old_mode, old_oid), _blob(new_mode, new_oid))
        return out

    def put(self, blobs: Mapping[str, Blob], index: str = "") -> None:
        """Have an index say this of these paths."""
        rows = [
            f"{blob.mode} {blob.oid}\t{name}".encode("utf-8", "surrogateescape") + b"\0"
            # What goes comes first: a directory may stand where a file was, and the reverse.
            for name, blob in sorted(blobs.items(), key=lambda item: int(item[1].oid, 16) != 0)
        ]
        self.run("update-index", "-z", "--index-info", data=b"".join(rows), index=index)


def _blob(mode: str, oid: str) -> Blob:
    return Blob(mode if int(oid, 16) else "0", oid)


def _names(names: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(name) + b"\0" for name in names)


@contextmanager
def temporary_index(git_dir: str) -> Iterator[str]:
    """Give the path of an index that is gone afterwards; git can see it there."""
    with tempfile.TemporaryDirectory(prefix="qcode-index-", dir=git_dir) as folder:
        yield os.path.join(folder, "index")
