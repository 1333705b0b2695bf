"""`qcode acp`: the agent of an editor (Agent Client Protocol)."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qcode.cli.chosen import choose_model
from qcode.cli.noting import note_on_stderr
from qcode.cli.options import add_shared, added_directories, enter_directory, settings_from
from qcode.cli.process import require_pipes, require_stdout, run_to_end
from qcode.cli.start import open_session

if TYPE_CHECKING:
    from qcode.approvals import Approver
    from qcode.journal.listing import Entry
    from qcode.session import Session


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_shared(parser)


def main(args: argparse.Namespace) -> int:
    """Serve until stdin ends; return the exit code."""
    require_stdout("the protocol")
    require_pipes("the Agent Client Protocol")
    enter_directory(args)
    added = added_directories(args)

    async def opened(
        approver: Approver,
        cwd: Path,
        more: tuple[Path, ...],
        servers: dict[str, Any],
        entry: Entry | None,
    ) -> tuple[Session, bool | None]:
        """Open a session as its directory and the person's settings have it."""
        settings = settings_from(args, cwd)
        for warning in settings.warnings:
            note_on_stderr(warning)
        settings = replace(settings, mcp_servers={**settings.mcp_servers, **servers})
        # In a thread: a server may have to be looked for, or a model to be loaded.
        chosen = await asyncio.to_thread(choose_model, settings, note_on_stderr, local=args.local)
        session = open_session(
            settings,
            chosen,
            approver,
            cwd=cwd,
            added=(*added, *more),
            note=note_on_stderr,
            entry=entry,
        )
        return session, settings.vision

    async def served() -> None:
        from qcode.acp_agent.agent import serve

        await serve(opened)

    try:
        run_to_end(served)
    except KeyboardInterrupt:
        return 130  # the sessions are closed by then
    return 0
