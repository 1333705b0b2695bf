"""The difference of two states as a patch that `git apply` takes."""

from __future__ import annotations

from qcode.checkpoints.states import State
from qcode.checkpoints.store import Store
from qcode.errors import QcodeError


def patch(store: Store, before: State, after: State) -> bytes:
    """Return the unified diff, binary files and modes included.

    Raises:
        QcodeError: git cannot compare them.
    """
    done = store.git(
        "diff-tree", "-r", "-p", "--binary", "--full-index", "--find-renames",
        "--no-ext-diff", "--no-textconv", "--color=never",
        before.tree, after.tree,
    )  # fmt: skip
    if done.returncode:
        raise QcodeError(f"git could not compare the states: {done.why}")
    return done.stdout
