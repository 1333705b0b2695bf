"""Running a hook: JSON in, an answer out, and nothing of it left afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcode.errors import SandboxError
from qcode.hooks.answers import LONGEST, Answer, read
from qcode.hooks.hooks import Hook
from qcode.network import ledger
from qcode.sandbox.communicate import communicate
from qcode.sandbox.launching import Launcher

_MOST = 8 * LONGEST
"""Bytes of what a hook prints that are kept."""


class Runner:
    """Runs hooks: the person's own as they would, a project's in the sandbox."""

    def __init__(self, cwd: Path, own: Launcher, confined: Launcher) -> None:
        self._cwd = cwd
        self._own = own
        self._confined = confined

    async def run(self, hook: Hook, told: Mapping[str, Any]) -> Answer:
        """Return what a hook answers; one that fails has said nothing but that.

        Cancelling ends it.
        """
        given = json.dumps(told, ensure_ascii=True).encode()
        launcher = self._confined if hook.is_project else self._own
        project = str(self._cwd)
        env = {
            **launcher.environment,
            "QCODE_PROJECT_DIR": project,
            "CLAUDE_PROJECT_DIR": project,
            "QWEN_PROJECT_DIR": project,
        }
        pipe, shell = subprocess.PIPE, _shell()
        argv = [*shell, hook.command]
        if launcher is not self._confined:
            ledger.unseen("hook")
        try:
            child = launcher.start(
                argv, cwd=self._cwd, env=env, stdin=pipe, stdout=pipe, stderr=pipe
            )
        except (OSError, SandboxError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            return Answer(problem=f"it cannot be started: {why}")
        running = asyncio.ensure_future(
            asyncio.to_thread(communicate, child, argv, given, hook.timeout_s, most=_MOST)
        )
        try:
            done = await asyncio.shield(running)
        except subprocess.TimeoutExpired:
            return Answer(problem=f"it took longer than {hook.timeout_s:g} s and was ended")
        except asyncio.CancelledError:
            child.kill()
            await asyncio.wait([running])
            raise
        return read(done, hook.event)


def _shell() -> tuple[str, ...]:
    return next((path, "-c") for path in ("/bin/bash", "/bin/sh") if os.access(path, os.X_OK))
