"""Slash commands in an editor: those of a session at the keyboard that make sense there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from acp.schema import AvailableCommand, AvailableCommandInput, UnstructuredCommandInput

from qcode.cli import asides, slash
from qcode.errors import UsageError
from qcode.permissions import Mode

if TYPE_CHECKING:
    from qcode.session import Session

HINTS = {
    "init": "wishes",
    "mode": "plan | default | auto-edit | yolo",
    "undo": "step",
    "redo": "step",
    "diff": "step",
    "cost": "turns | steps | on MODEL",
    "compact": "what to keep",
    "permissions": "allow RULE | remove NUMBER",
    "mcp": "tools NAME | restart NAME",
    "export": "md | json | html",
    "rename": "title",
}
NAMES = (
    *("help", "init", "mode", "undo", "redo", "checkpoints", "diff", "memory", "todo", "jobs"),
    *(
        "tools",
        "permissions",
        "hooks",
        "agents",
        "cost",
        "context",
        "compact",
        "mcp",
        "export",
        "rename",
    ),
)


def offered(session: Session) -> list[AvailableCommand]:
    """Return the commands, those of extensions last."""
    own = [_command(name, slash.COMMANDS[name], HINTS.get(name, "")) for name in NAMES]
    more = {
        name: _command(name, command.about, command.hint)
        for commands in reversed(session.commands)
        for name, command in commands.known().items()
        if name not in slash.COMMANDS
    }
    return [*own, *more.values()]


def _command(name: str, about: str, hint: str) -> AvailableCommand:
    takes = AvailableCommandInput(root=UnstructuredCommandInput(hint=hint)) if hint else None
    return AvailableCommand(name=name, description=about, input=takes)


async def obey(session: Session, command: slash.Slash) -> str:
    """Do what a command says; return what to tell the person.

    Raises:
        QcodeError: it cannot be done.
    """
    said: list[str] = []

    async def yes(_question: str) -> str:
        return "y"  # it was typed as a command, and can be made undone by another

    match command.name:
        case "help":
            return "\n".join(f"/{one.name}: {one.description}" for one in offered(session))
        case "mode":
            if command.rest:
                if command.rest not in list(Mode):
                    some = ", ".join(Mode)
                    raise UsageError(f"unknown mode `{command.rest}`", hint=f"one of {some}")
                session.agent.mode = Mode(command.rest)
            return f"mode: {session.agent.mode}"
        case "undo" | "redo":
            from qcode.cli import backstage

            await backstage.travel(session, command.name, command.rest, said.append, yes)
        case "checkpoints":
            from qcode.cli import backstage

            await backstage.points(session, said.append)
        case "diff":
            from qcode.cli import backstage

            await backstage.show(session, command.rest, said.append)
        case "context":
            from qcode.cli import room

            return room.context(session)
        case "compact":
            from qcode.cli import room

            return await room.compact(session, command.rest, lambda _event: None)
        case "memory":
            from qcode.cli.composer import memory_of
            from qcode.memory.telling import listed

            memory = memory_of(session.composer)
            return listed(memory.find(), memory.places) if memory else "they are turned off"
        case "mcp":
            from qcode.cli.tool_servers import obey as of_servers

            return await of_servers(session, command.rest)
        case "export" | "rename":
            from qcode.cli import shelf

            return str(getattr(shelf, command.name)(session, command.rest))
        case name if name in asides.NAMES and name in NAMES:
            return await asides.answer(session, name, command.rest)
        case name:
            raise UsageError(f"`/{name}` is for a terminal", hint="`/help` lists what works here")
    return "\n".join(said)


async def message_of_init(session: Session, wishes: str) -> str:
    """Return the message that has AGENTS.md written."""
    from qcode.cli.init import init_message

    return await asyncio.to_thread(init_message, session, wishes)
