"""Making a worktree that holds the person's files as they are now, committed or not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from qcode.checkpoints.plumbing import Place, place, run
from qcode.checkpoints.restore import restore
from qcode.checkpoints.scan import Files
from qcode.checkpoints.states import State, difference
from qcode.checkpoints.store import Store
from qcode.errors import QcodeError, UsageError
from qcode.git import head_commit
from qcode.record import Record
from qcode.worktrees.lacking import lend
from qcode.worktrees.owned import Owned

_OF_INDEX = ("index", "config.worktree", "info/sparse-checkout")
"""What says, in a worktree's own directory, which files are tracked there and how."""


class Worktree(Record):
    """A copy of a person's files."""

    root: Path
    """Its top."""
    workspace: Path
    """In it, the counterpart of the directory that it was made for."""
    home: Path
    """That directory."""
    origin: Path
    """The top of the person's tree."""
    lent: tuple[Path, ...]
    """Real paths of what it needs to be readable: that tree, and its repository."""
    owned: Owned
    """What keeps it from being swept, and removes it."""


def make(home: Path, folder: Path, name: str) -> Worktree:
    """Make a worktree of the repository in which `home` lies, below `folder` as `name`.

    Its files are the person's: what is committed, staged, changed and new; what git ignores
    is lent where commands need it (`lacking`). Nothing of the person's is touched, not the
    index, no branch, no file.

    Raises:
        UsageError: there is no repository, or nothing is committed yet.
        QcodeError: it cannot be made.
    """
    found = place(home)
    if found is None:
        raise UsageError(
            f"`{home}` is in no git repository, so there can be no copy to work on",
            hint="git init and a first commit make one",
        )
    top = Path(found.top)
    if not head_commit(top):
        raise UsageError(
            f"nothing is committed in `{top}` yet, so git makes no worktree of it",
            hint="make a first commit",
        )
    owned = Owned.take(folder / name, Path(found.common_dir))
    root = owned.folder / (top.name or "repository")
    try:
        store = Store.at(top, owned.folder / "none")
        files = Files(top, store, keep_ignored=(), leave_out=[folder])
        try:
            state = files.take()
            if files.is_partial:
                raise QcodeError(f"the files of `{top}` cannot be copied: {files.is_partial}")
            _add(found, root)
            _fill(found, root, store, state)
        finally:
            files.close()
            store.close()
        workspace = root / found.prefix if found.prefix else root
        workspace.mkdir(parents=True, exist_ok=True)
        lend(top, root, {top, Path(home)})
    except BaseException:
        owned.remove()
        raise
    lent = dict.fromkeys(Path(os.path.realpath(path)) for path in (top, found.common_dir))
    return Worktree(root, workspace, Path(home), top, tuple(lent), owned)


def _add(origin: Place, root: Path) -> None:
    writes = (origin.common_dir, str(root.parent))
    command = ("worktree", "add", "--detach", "--no-checkout", "--quiet", str(root), "HEAD")
    done = run(origin.top, *command, writes=writes)
    if done.returncode:
        raise QcodeError(
            f"git cannot make a worktree of `{origin.top}`: {done.why}",
            hint="`.git` has to be writable",
        )


def _fill(origin: Place, root: Path, store: Store, state: State) -> None:
    """Put the files in place, and the index that they are compared with."""
    its = place(root)
    if its is None:
        raise QcodeError(f"git does not find the worktree `{root}` that it made")
    entries = difference(store, State("", ""), state)
    restore(root, store, {path: entry for path, (_, entry) in entries.items()})
    shared = [name for name in os.listdir(origin.git_dir) if name.startswith("sharedindex.")]
    for name in (*_OF_INDEX, *shared):
        source, target = Path(origin.git_dir, name), Path(its.git_dir, name)
        try:
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, target)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise QcodeError(f"cannot copy `{source}`: {error.strerror}") from error
    # What it says of sizes and times is of other files; a refresh that finds changes exits 1.
    run(root, "update-index", "-q", "--refresh", writes=(its.git_dir, its.common_dir))
