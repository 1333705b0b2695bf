"""`run --commit` and `--patch`: what the run changed, put where others get it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from qcode.checkpoints.in_session import SessionCheckpoints
from qcode.errors import QcodeError, UsageError
from qcode.messages import Asked

if TYPE_CHECKING:
    from qcode.checkpoints.keeper import Checkpoints
    from qcode.session import Session

Note = Callable[[str], None]


def kept_of(session: Session) -> SessionCheckpoints:
    """Return the session's checkpoints, which landing is made from.

    Raises:
        UsageError: there are none.
    """
    kept = session.agent.checkpoints
    if not isinstance(kept, SessionCheckpoints):
        raise UsageError(
            "--commit and --patch need checkpoints, and none are kept",
            hint="install git, or take `checkpoints = false` out of the configuration",
        )
    return kept


async def changed_files(session: Session) -> list[str]:
    """Return the paths that the session's calls changed, relative to the workspace."""
    kept = session.agent.checkpoints
    if not isinstance(kept, SessionCheckpoints) or kept.used is None:
        return []
    from qcode.landing.own import own_changes

    return sorted(await kept.use(lambda its: own_changes(its).changes))


async def land_commit(session: Session, note: Note) -> str:
    """Commit what the session changed; return the commit's id, empty if nothing was to commit.

    In a session that goes on, that is also what earlier runs left uncommitted.

    Raises:
        QcodeError: git refused, or nothing of the change could be committed.
    """
    from qcode.landing.commit import commit, pending
    from qcode.landing.message import recent_subjects, write_message

    kept = kept_of(session)
    landed = await kept.use(pending)
    if landed.paths:
        root = session.agent.context.workspace.root
        subjects = await kept.use(lambda _its: recent_subjects(root))
        started = time.perf_counter()
        message, done = await write_message(session.agent, session.history, landed.paths, subjects)
        taken_s = time.perf_counter() - started
        who = session.agent.substitute(done.model)
        session.history.spent(Asked(done.usage, "commit message", who, taken_s))
        session.budget.spend(done.usage)
        making = asyncio.ensure_future(kept.use(lambda its: commit(its, message)))
        try:
            landed = await asyncio.shield(making)
        except asyncio.CancelledError:
            await asyncio.wait([making])  # git is at it and goes on
            if not making.cancelled() and not making.exception() and making.result().commit:
                note(f"committed {making.result().commit[:10]} all the same: it was under way")
            raise
    for path, why in landed.left.items():
        note(f"not in the commit: {path} ({why})")
    if landed.commit:
        note(f"committed {landed.commit[:10]}: {message.splitlines()[0]}")
    elif landed.left:
        raise QcodeError(
            "nothing of the change could be committed", hint="`qcode diff` shows it, commit by hand"
        )
    else:
        note("no change of this session is uncommitted, so there is nothing to commit")
    return landed.commit


async def land_on_branch(session: Session, note: Note) -> tuple[str, str]:
    """Commit in a worktree, and name the commit by a branch of its own; return both.

    Raises:
        QcodeError: git refused.
    """
    from qcode.checkpoints.plumbing import place, run

    commit = await land_commit(session, note)
    if not commit:
        return "", ""
    root = session.agent.context.workspace.root
    name = f"qcode-{session.id}"  # `qcode/…` would be taken for the ref of its checkpoints
    found = await asyncio.to_thread(place, root)
    if found is None:
        raise QcodeError(f"`{root}` is no worktree any more")
    done = await asyncio.to_thread(run, root, "branch", name, commit, writes=(found.common_dir,))
    if done.returncode:
        raise QcodeError(f"git cannot make the branch {name}: {done.why}")
    return name, commit


async def write_patch(session: Session, target: str, stdout: BinaryIO, note: Note) -> None:
    """Write what the session changed as a patch that `git apply` takes.

    Raises:
        QcodeError: it cannot be written.
    """
    from qcode.checkpoints.patch import patch
    from qcode.landing.own import own_changes, own_states

    def make(its: Checkpoints) -> tuple[bytes, list[str]]:
        own = own_changes(its)
        if not own.changes:
            return b"", []
        before, after = own_states(its, own)
        return patch(its.store, before, after), [path for path in own.mixed if path in own.changes]

    kept = kept_of(session)
    data, mixed = await kept.use(make)
    for path in mixed:
        note(f"somebody else changed {path} meanwhile, in the same lines; the patch has both")
    put_patch(data, target, stdout)


def put_patch(data: bytes, target: str, stdout: BinaryIO) -> None:
    """Write a patch to a file, or to stdout for `-`.

    Raises:
        QcodeError: it cannot be written.
    """
    if target == "-":
        if stdout.isatty():
            from qcode.cli.diff import shown

            data = shown(data.decode("utf-8", "replace")).encode()
        stdout.write(data)
        stdout.flush()
        return
    try:
        Path(target).write_bytes(data)
    except OSError as error:
        raise QcodeError(f"cannot write the patch to `{target}`: {error.strerror}") from error
