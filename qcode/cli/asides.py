"""Slash commands that only ask a session something or change a small thing about it.

Each is a function of the session and of what is written behind its name, in a module of its
own that is loaded when it is given.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qcode.session import Session

NAMES = {
    "agents": "staffing:listed",
    "config": "config:in_session",
    "copy": "copying:copy",
    "cost": "costs:cost",
    "hooks": "hooking:listed",
    "jobs": "jobs:jobs",
    "permissions": "permissions:permissions",
    "skills": "skills:skills",
    "todo": "todo:todo",
    "tools": "told:tools",
}
"""Name to where the function is in `qcode.cli`."""


async def answer(session: Session, name: str, text: str) -> str:
    """Return what a command has to say.

    Raises:
        UsageError: it cannot be done, or is not understood.
    """
    module, _, function = NAMES[name].partition(":")
    said = getattr(import_module(f"qcode.cli.{module}"), function)(session, text)
    return str(await said if inspect.isawaitable(said) else said)
