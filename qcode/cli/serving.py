"""`qcode mcp serve`: qcode's own tools for another agent, in the same bounds as its own model."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qcode.cli.chosen import Chosen
from qcode.cli.noting import note_on_stderr
from qcode.cli.options import added_directories
from qcode.cli.process import run_to_end
from qcode.cli.start import open_session
from qcode.errors import UsageError
from qcode.mcp.client_asking import ThroughClient
from qcode.messages import UserMessage
from qcode.permissions import Mode
from qcode.providers.registry import Target
from qcode.sandbox.policy import Level, Network
from qcode.tiers import tier_for
from qcode.tools.base import Effect, Tool

if TYPE_CHECKING:
    from qcode.config import Settings
    from qcode.session import Session

SERVED = (
    *("read_file", "write_file", "edit", "multi_edit", "apply_patch", "notebook_edit"),
    *("list_directory", "glob", "grep_search", "run_shell_command"),
    *("outline", "find_symbol", "find_references"),
)
"""What makes sense without qcode's own conversation."""

_NOBODY = "http://127.0.0.1:9/v1"
"""Where no model is: none is asked."""


def serve(args: argparse.Namespace, settings: Settings, cwd: Path) -> int:
    """Serve until the other side is done; return the exit code."""
    if args.yolo:
        settings = replace(settings, approval_mode=Mode.YOLO)
    settings = replace(settings, mcp_servers={}, memory=False)  # hooks hold here, too
    target = Target(
        model="(none: tools served over MCP)", base_url=_NOBODY, api_key=None, kind="chat"
    )
    session = open_session(
        settings,
        Chosen(target, None),
        ThroughClient(),
        cwd=cwd,
        added=added_directories(args),
        note=note_on_stderr,
    )
    tools = _wanted(session, args.tools, read_only=args.read_only)
    try:
        run_to_end(lambda: _serve(session, tools, settings))
    except KeyboardInterrupt:
        return 130  # all is closed by then; whoever pressed it knows
    return 0


def _wanted(session: Session, names: str | None, *, read_only: bool) -> Sequence[Tool[Any]]:
    known = {name: session.agent.tools[name] for name in SERVED}
    wanted = [name.strip() for name in names.split(",")] if names else list(known)
    if unknown := [name for name in wanted if name not in known]:
        raise UsageError(
            f"there is no tool `{unknown[0]}` to serve", hint=f"there are {', '.join(known)}"
        )
    tools = [known[name] for name in wanted]
    return [tool for tool in tools if tool.effect is Effect.READ] if read_only else tools


async def _serve(session: Session, tools: Sequence[Tool[Any]], settings: Settings) -> None:
    from qcode.calling import Calling
    from qcode.mcp.serve import serve_tools

    sizes = tier_for(None).sizes
    is_noted = False

    def before(tool: Tool[Any]) -> None:
        """Have the session be found by `qcode undo` once it may have changed something."""
        nonlocal is_noted
        if tool.effect is not Effect.READ and not is_noted:
            is_noted = True
            session.history.append(UserMessage("tools served to another agent over MCP"))

    try:
        await serve_tools(
            Calling(session.agent),
            tools,
            {tool.name: tool.described(sizes) for tool in tools},
            _about(session, settings),
            before,
        )
    finally:
        await session.close()


def _about(session: Session, settings: Settings) -> str:
    """Return what the other agent's model is told of the tools as a whole."""
    files = (
        f"The files are those of {os.path.basename(session.agent.context.workspace.root)}; "
        "paths are relative to it."
    )
    if not (settings.sandbox or Level.WORKSPACE_WRITE).confines:
        return files
    is_offline = settings.network in (None, Network.OFF) and not settings.network_hosts
    return f"{files} Commands run in a sandbox{' without network' if is_offline else ''}."
