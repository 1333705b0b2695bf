"""Copies of the person's files for subagents that are defined with `isolation: worktree`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import paths
from qcode.checkpoints.in_session import SessionCheckpoints
from qcode.cli.boundary import SandboxBoundary, sandbox_from
from qcode.errors import QcodeError
from qcode.rules import Rules
from qcode.sandbox import house
from qcode.sandbox.repositories import enclosing
from qcode.subagents.apart import Place
from qcode.tools.jobs import Jobs
from qcode.workspace import Workspace
from qcode.worktrees.bringing import bring_back, drop, made
from qcode.worktrees.lacking import variables
from qcode.worktrees.making import Worktree, make

if TYPE_CHECKING:
    from qcode.agent import Agent
    from qcode.config import Settings
    from qcode.tools.base import Context


class Copies:
    """Makes copies for a session's subagents, and brings back what they changed."""

    def __init__(
        self, agent: Agent, settings: Settings, session_id: str, note: Callable[[str], None]
    ) -> None:
        self._agent = agent
        self._settings = settings
        self._session_id = session_id
        self._note = note

    async def __call__(self, name: str, context: Context) -> Place:
        """Return a new copy.

        Raises:
            QcodeError: there can be none.
        """
        home = self._agent.context.workspace.root
        if not isinstance(self._agent.checkpoints, SessionCheckpoints):
            raise QcodeError("it works on a copy, which takes checkpoints, and none are kept")
        folder = paths.cache_dir() / "worktrees"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        top = Path(enclosing(str(home)) or home)
        both = Workspace.at(top, (folder,))
        for root in (folder, top):
            # Not for all else: what is run elsewhere is held as before.
            house.use(
                lambda: sandbox_from(self._settings, both, Rules()), root=root, elsewhere=False
            )
        whole = f"{self._session_id}-{name}"
        copy = await asyncio.to_thread(make, home, folder, whole)
        try:
            return self._place(copy, whole, context)
        except BaseException:
            await asyncio.to_thread(copy.owned.remove)
            raise

    def _place(self, copy: Worktree, name: str, context: Context) -> Place:
        agent, settings = self._agent, self._settings
        workspace = Workspace.at(copy.workspace, ())
        rules = agent.rules
        sandbox = sandbox_from(
            settings,
            workspace,
            rules,
            drop=[settings.api_key_env] if settings.api_key_env else [],
            variables=variables(copy.home, copy.root, copy.origin, os.environ),
            lent=copy.lent,
        )
        boundary = SandboxBoundary(sandbox, workspace)
        kept = SessionCheckpoints(
            copy.workspace,
            name,
            paths.state_dir() / "checkpoints",
            self._note,
            keep_ignored=settings.checkpoint_ignored,
        )
        jobs = Jobs()
        own = replace(
            context,
            workspace=workspace,
            launcher=sandbox,
            guarded=boundary,
            jobs=jobs,
            allowed_outside=set(),
            allowed_hidden=set(),
            allowed_writing=set(),
        )

        async def bring() -> str:
            changes = await kept.use(made)
            if not changes.changes:
                return "It changed no files."
            some = ", ".join(sorted(changes.changes)[:10])
            present = agent.checkpoints
            assert isinstance(present, SessionCheckpoints)
            title = f"agent {name.removeprefix(f'{self._session_id}-')}"
            try:
                async with agent.changing:
                    await present.use(lambda its: bring_back(its, changes, title))
            except QcodeError as error:
                patch = agent.context.spill_dir / f"{name}.patch"
                patch.parent.mkdir(parents=True, exist_ok=True)
                patch.write_bytes(changes.patch)
                return (
                    f"What it changed ({some}) is not in the files: {error}. It is the patch "
                    f"{patch}; read it and make the changes that are still wanted."
                )
            return f"What it changed is in the files now: {some}."

        async def close() -> None:
            await jobs.close()
            try:
                await kept.use(drop)
            finally:
                await kept.close()
                sandbox.close()
                await asyncio.to_thread(copy.owned.remove)

        return Place(own, kept, boundary, bring, close)
