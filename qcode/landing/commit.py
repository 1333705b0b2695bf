"""Committing what a session changed, and nothing else.

The commit is built on an index of its own, so that what the person has staged
or left uncommitted stays out of it and stays as it is. Hooks and signing are
git's own business: `git commit` does it. Where a file held uncommitted work
before the session, the model's lines are committed alone if they can be told
apart from it, and otherwise the file is left out and named.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from qcode.checkpoints.keeper import Checkpoints
from qcode.checkpoints.merge import merge_text
from qcode.checkpoints.states import Entry
from qcode.errors import QcodeError, UsageError
from qcode.landing.copies import collides, copied_work, sources_of
from qcode.landing.git import Blob, Git, temporary_index
from qcode.landing.own import Own, own_changes
from qcode.record import Record

_SUBMODULE = "160000"

_TRIES = 5
"""Times a commit is built anew since somebody else made one meanwhile."""

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
    """Its id; empty if none was made."""
    paths: tuple[str, ...]
    left: Mapping[str, str]
    """Path to why its change is not in the commit."""


class _Plan(Record):
    """A commit that is to be made. Names are relative to the top of the repository."""

    blobs: Mapping[str, Blob]
    """What is committed."""
    index: Mapping[str, Blob]
    """What the person's index has afterwards."""
    found: Mapping[str, Blob]
    """What it has before."""


def check_can_commit(root: Path) -> None:
    """Check beforehand that a commit can be made in a directory.

    Raises:
        UsageError: it lies in no repository or a bare one, git knows no name and
            address, or a merge or the like is under way.
    """
    git = Git(root)
    try:
        folder = git.run("rev-parse", "--absolute-git-dir", "--is-inside-work-tree", check=False)
    except FileNotFoundError:
        raise UsageError("--commit needs git, which is not installed") from None
    if folder.returncode:
        raise UsageError(
            f"--commit needs a git repository, and `{root}` is in none",
            hint="`git init`, or leave it out",
        )
    name, _, is_inside = os.fsdecode(folder.stdout).rstrip("\n").rpartition("\n")
    if is_inside != "true":
        raise UsageError(
            f"--commit needs the files of a git repository, and `{root}` has none of them",
            hint="it is bare, or the inside of a `.git`; go to a work tree",
        )
    for who in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
        if git.run("var", who, check=False).returncode:
            raise UsageError(
                "--commit needs a name and an address for the commit, and git knows none",
                hint="`git config user.name NAME` and `git config user.email ADDRESS`",
            )
    place = Path(name)
    for file, what in _UNDER_WAY.items():
        if (place / file).exists():
            raise UsageError(f"{what} is under way in `{root}`", hint="end it before --commit")


def pending(kept: Checkpoints) -> Landed:
    """Return what `commit` would commit as things are now, and make no commit.

    Raises:
        QcodeError: git refused.
    """
    return _Commit(kept).look()


def commit(kept: Checkpoints, message: str) -> Landed:
    """Commit what the session's calls changed.

    Raises:
        UsageError: a merge or the like is under way.
        QcodeError: git refused (a hook, signing).
    """
    check_can_commit(kept.root)
    return _Commit(kept).make(message)


class _Commit:
    def __init__(self, kept: Checkpoints) -> None:
        self.kept = kept
        self.git = Git(kept.root)
        self.top = Path(self.git.text("rev-parse", "--show-toplevel"))
        self.prefix = self.git.text("rev-parse", "--show-prefix")
        common = self.git.root / self.git.text("rev-parse", "--git-common-dir")
        self.is_shared = not kept.store.is_private and common.samefile(kept.store.git_dir)
        self.git.root = self.top
        bits = self.git.run("config", "--type=bool", "core.fileMode", check=False).stdout
        self.has_modes = bits.strip() != b"false"
        self.empty = self.git.text("hash-object", "--stdin")
        self.nothing = Blob("0", "0" * len(self.empty))
        self.hashes: dict[tuple[str, Entry], str] = {}
        self.filtered: set[str] = set()
        self.found: dict[str, Blob] = {}
        """What was committed of a path when the session first changed it."""
        self.left: dict[str, str] = {}

    def look(self) -> Landed:
        """Return what is to be committed."""
        return self._landed("", self._plan(self._own(), self.git.head()))

    def make(self, message: str) -> Landed:
        """Commit on top of what is checked out, whatever it is by then.

        Everything is built on the commit that was checked out at the beginning.
        If another one is right before `git commit` starts, it is built anew; git
        itself refuses if one comes after it has looked. In the milliseconds
        between these two looks somebody's commit can still get below ours, which
        then lacks its change: that is seen afterwards, ours is taken back, and
        made anew. Only a hook that runs after the commit (one that pushes, say)
        sees such a commit.

        Raises:
            QcodeError: git refused.
        """
        own = self._own()
        for _ in range(_TRIES):
            head = self.git.head()
            plan = self._plan(own, head)
            if not plan.blobs:
                return Landed("", (), self.left)
            made = self._commit(plan, head, message)
            if made:
                self._follow(plan, head, made)
                return self._landed(made, plan)
        raise QcodeError("other commits were made all the time", hint="try again, or by hand")

    def _own(self) -> Own:
        own = own_changes(self.kept)
        self.filtered = self.git.filtered(self.prefix + path for path in own.versions)
        return own

    def _landed(self, made: str, plan: _Plan) -> Landed:
        paths = sorted(name.removeprefix(self.prefix) for name in plan.blobs)
        return Landed(made, tuple(paths), self.left)

    def _plan(self, own: Own, head: str) -> _Plan:
        self.left = {}
        heads = self.git.listed([self.prefix + path for path in own.versions], head) if head else {}
        committed = self._committed_versions(own, heads)
        files = {
            path: versions
            for path, versions in own.versions.items()
            if not any(entry and entry.is_directory for entry in (versions[0], versions[-1]))
            # What it took back itself may have been committed in between.
            and (
                path in own.changes
                or any(0 < number < len(versions) - 1 for number in committed[path])
            )
        }
        names = {path: self.prefix + path for path in files}
        staged = self.git.listed(list(names.values()), None)
        fresh_names = (names[path] for path in files if names[path] not in heads)
        ignored = self.git.ignored(fresh_names)
        blobs: dict[str, Blob] = {}
        for path, name in names.items():
            if path in own.mixed:
                self.left[path] = "somebody else changed the same lines meanwhile"
                continue
            blob = self._committed(
                name, files[path], committed[path], heads.get(name), name in ignored
            )
            if isinstance(blob, str):
                self.left[path] = blob
            elif blob != heads.get(name, self.nothing):  # it is not committed already
                blobs[path] = blob
        self._leave_copies(own, blobs, committed, head)
        removed = {
            self._hashed(names[path], version)
            for path, versions in files.items()
            for version in versions
            if versions[-1] is None and version is not None
        }
        index: dict[str, Blob] = {}
        for path, blob in blobs.items():
            name = names[path]
            both = self._staged(
                name, own.versions[path], removed, heads.get(name), staged.get(name), blob
            )
            if both is None:
                self.left[path] = "other changes of it are staged"
            else:
                index[path] = both
        self._leave_halves(own, index)
        self._leave_submodules(own, head)
        return _Plan(
            {names[path]: blobs[path] for path in index},
            {names[path]: blob for path, blob in index.items()},
            {names[path]: staged.get(names[path], self.nothing) for path in index},
        )

    def _committed_versions(
        self, own: Own, heads: Mapping[str, Blob]
    ) -> dict[str, tuple[int, ...]]:
        """Return which versions of each path are what is committed by now.

        Where the session found uncommitted work and took it away (`git stash`,
        say), only the first one can be: what is there when that work is back
        holds it, whatever was committed in between.
        """
        self.found = {}
        by_commit: dict[str, list[str]] = {}
        for path, points in own.made_at.items():
            at = self.kept.timeline.points[max(0, points[0] - 1)].head
            by_commit.setdefault(at, []).append(self.prefix + path)
        for commit, names in by_commit.items():
            if commit and not self.git.run("cat-file", "-e", commit, check=False).returncode:
                self.found.update(self.git.listed(names, commit))
        out = {}
        for path, versions in own.versions.items():
            name = self.prefix + path
            head, then = heads.get(name), self.found.get(name)
            was_dirty = not self._is_committed(name, versions[0], then)
            was_taken = was_dirty and any(self._is_committed(name, v, then) for v in versions[1:])
            some = versions[:1] if was_taken else versions
            out[path] = tuple(
                number for number, v in enumerate(some) if self._is_committed(name, v, head)
            )
        return out

    def _leave_copies(
        self,
        own: Own,
        blobs: dict[str, Blob],
        committed: Mapping[str, Sequence[int]],
        head: str,
    ) -> None:
        """Take out what is the person's uncommitted work under another name."""
        others: dict[str, Blob | None] = {}

        def holds_work(path: str, content: Entry) -> bool:
            name = self.prefix + path
            versions = own.versions.get(path, ())
            if content in versions:
                # It has the work of before if there was any, and none of it was committed since.
                found, number = versions[0], versions.index(content)
                if found is None or any(other <= number for other in committed[path]):
                    return False
                return not self._is_committed(name, found, self.found.get(name))
            if name not in others:
                others[name] = self.git.listed([name], head).get(name) if head else None
            return not self._is_committed(name, content, others[name])

        landed = {path: max(numbers) for path, numbers in committed.items() if numbers}
        for path, source in copied_work(self.kept, own, landed, holds_work).items():
            if blobs.get(path, self.nothing) != self.nothing:
                self.left[path] = f"it holds uncommitted work of {source}"
                del blobs[path]

    def _leave_halves(self, own: Own, index: dict[str, Blob]) -> None:
        """Take out what does not go without something that is left out."""
        for path in [path for path in self.left if own.versions[path][-1] is not None]:
            for source in sources_of(own, path):
                if index.pop(source, None) is not None:
                    self.left[source] = f"its content is in {path}, which is left out"
        left = [path for path in self.left if own.versions[path][0] is not None]
        for path, blob in list(index.items()):
            if blob != self.nothing and collides(path, left):
                self.left[path] = "what was in its place is left out"
                del index[path]

    def _leave_submodules(self, own: Own, head: str) -> None:
        """Name the submodules that the session moved to another commit."""
        inner = {self._inner_repository(self.prefix + path) for path in own.versions} - {""}
        for name, blob in (self.git.listed(sorted(inner), head) if head else {}).items():
            done = self.git.run("-C", name, "rev-parse", "HEAD", check=False)
            now = os.fsdecode(done.stdout.strip())
            if blob.mode == _SUBMODULE and not done.returncode and now != blob.oid:
                path = os.path.relpath(name, self.prefix or ".")
                self.left[path] = f"the submodule is at another commit, {now[:10]}"

    def _committed(
        self,
        name: str,
        versions: Sequence[Entry | None],
        committed: Collection[int],
        head: Blob | None,
        is_ignored: bool,
    ) -> Blob | str:
        """Return what is committed of a file, or why it is not.

        `versions` are what the session made of it, from what it found on, and
        `committed` the numbers of those that are committed already.
        """
        if inner := self._inner_repository(name):
            return f"it belongs to the repository in {inner}"
        old, new = versions[0], versions[-1]
        if new is not None and not new.is_kept:
            return "what it holds now is not in the checkpoints"
        if committed or self._is_committed(name, new, head):
            if new is None:
                return self.nothing
            if is_ignored:
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
        return Blob(head.mode, self._write(name, content))

    def _is_committed(self, name: str, version: Entry | None, head: Blob | None) -> bool:
        if version is None or head is None:
            return version is None and head is None
        return self._hashed(name, version) == head.oid

    def _inner_repository(self, name: str) -> str:
        for parent in list(Path(name).parents)[:-1]:
            if (self.top / parent / ".git").exists():
                return str(parent)
        return ""

    def _stored(self, name: str, entry: Entry, head: Blob | None) -> Blob:
        oid = self._hashed(name, entry)
        if not self.is_shared or oid != entry.oid:
            oid = self._write(name if entry.is_file else "", self.kept.content(entry))
        if not entry.is_file:
            return Blob("120000", oid)
        if not self.has_modes and head is not None:
            return Blob(head.mode, oid)
        return Blob("100755" if entry.mode & 0o100 else "100644", oid)

    def _write(self, name: str, content: bytes) -> str:
        """Store a content as git would add it (line ends, large-file filters); return its id."""
        filters = [f"--path={name}"] if name else []
        return self.git.text("hash-object", "-w", *filters, "--stdin", data=content)

    def _hashed(self, name: str, entry: Entry) -> str:
        """Return the id that git gives to a content when it is added.

        Where no filter and no line-end rule can change it, that is the id it has
        in the checkpoints. No process is started then: many files are the rule.
        """
        known = self.hashes.get((name, entry))
        if known is None:
            content = self.kept.content(entry)
            if not entry.is_file or (name not in self.filtered and b"\r\n" not in content):
                known = self._plain(entry, content)
            else:
                known = self.git.text("hash-object", f"--path={name}", "--stdin", data=content)
            self.hashes[name, entry] = known
        return known

    def _plain(self, entry: Entry, content: bytes) -> str:
        if self.is_shared:
            return entry.oid
        return self.git.text("hash-object", "--stdin", data=content)

    def _staged(
        self,
        name: str,
        versions: Sequence[Entry | None],
        removed: Collection[str],
        head: Blob | None,
        staged: Blob | None,
        fresh: Blob,
    ) -> Blob | None:
        """Return what the person's index has of a file afterwards; None if that is a guess.

        What the model staged is not the person's: a content that a call gave to
        the file, or, of a file that was not there, one that it moved (`removed`).
        """
        if (staged or self.nothing) in (head or self.nothing, fresh):
            return fresh
        found, *made = versions
        if staged is not None:
            first = "" if found is None else self._hashed(name, found)
            mine = {self._hashed(name, entry) for entry in made if entry is not None} - {first}
            if head is None and found is None:
                mine |= {*removed, self.empty}  # empty: `git add --intent-to-add`
            if staged.oid in mine:
                if self._is_committed(name, found, head) or fresh == self.nothing:
                    return fresh
                # What it staged has the person's lines as well: they stay staged.
                last = versions[-1]
                return fresh if last is None else self._stored(name, last, head)
        if staged is None or head is None or fresh == self.nothing:
            return None
        read = [self.git.run("cat-file", "blob", b.oid).stdout for b in (staged, head, fresh)]
        both = merge_text(*read)
        return None if both is None else Blob(staged.mode, self._write("", both))

    def _commit(self, plan: _Plan, head: str, message: str) -> str:
        """Return the commit that was made; empty if somebody else's came in between."""
        self.kept.store.sync()
        with temporary_index(self.git.text("rev-parse", "--absolute-git-dir")) as index:
            self.git.run("read-tree", head or "--empty", index=index)
            self.git.put(plan.blobs, index)
            if self.git.head() != head:
                return ""
            try:
                # The message is the person's to see as it is: no line of it is a comment.
                self.git.run(
                    "commit", "--quiet", "--cleanup=whitespace", "-F", "-",
                    data=message.encode("utf-8", "replace"), index=index,
                )  # fmt: skip
            except QcodeError as error:
                if self.git.head() != head:
                    return ""
                raise QcodeError(
                    error.message,
                    hint="put right what it names, then `git commit` by hand or "
                    f"`qcode run --resume {self.kept.session} --commit`",
                ) from error
            return self._made(head, self.git.text("write-tree", index=index))

    def _made(self, head: str, tree: str) -> str:
        """Return our commit, made from that tree; empty if it had to be taken back."""
        log = self.git.text(
            "log", "--first-parent", "--format=%H %T %P", f"{head}..HEAD" if head else "HEAD"
        )
        rows = [row.split() for row in log.splitlines()]
        ours = next((row for row in reversed(rows) if row[1] == tree), None)
        if ours is None:  # a hook made another one of it
            return self.git.head()
        made, _, *parents = ours
        if parents == ([head] if head else []):
            return made
        # HEAD goes back only if it still is our commit.
        back = ["update-ref", "-m", "qcode: made anew on the new commit", "HEAD", parents[0], made]
        if self.git.run(*back, check=False).returncode:
            raise QcodeError(
                f"somebody committed at the same moment, and {made[:10]} takes their change back",
                hint=f"`git show {made[:10]}` shows it",
            )
        return ""

    def _follow(self, plan: _Plan, head: str, made: str) -> None:
        """Have the person's index say what the commit does, except where they staged."""
        changed = self.git.changed(head, made)
        present = self.git.listed(list(changed), None)
        blobs = {}
        for name, (old, new) in changed.items():
            now = present.get(name, self.nothing)
            if now != plan.found.get(name, old):
                continue  # staged meanwhile
            both = plan.index.get(name, new)
            # A hook may have committed something else than what it was given.
            blobs[name] = new if both == plan.blobs.get(name, new) else both
        try:
            self.git.put(blobs)
            self.git.run("update-index", "-q", "--refresh", check=False)
        except QcodeError as error:
            behind = [os.path.relpath(name, self.prefix or ".") for name in blobs]
            raise QcodeError(
                f"the commit is made, but the index could not follow: {error.message}",
                hint=f"`git reset -q -- {shlex.join(behind)}` brings it to the new commit",
            ) from error
