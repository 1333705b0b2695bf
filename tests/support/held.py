"""A session that is held in this process, for tests of what asks it or changes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

from qcode.approvals import Nobody
from qcode.cli.chosen import Chosen
from qcode.cli.start import open_session
from qcode.config import Settings
from qcode.permissions import Mode
from qcode.providers.registry import Target
from qcode.sandbox.policy import Level
from qcode.session import Session


@contextmanager
def held(
    folder: Path,
    *,
    base_url: str = "http://127.0.0.1:9/v1",
    window: int | None = 131_072,
    note: Callable[[str], None] = lambda _text: None,
    runner: asyncio.Runner | None = None,
    **settings: Any,
) -> Iterator[Session]:
    """Yield a session in a folder, without a sandbox; nothing is asked of a server yet.

    What runs its turns has to be the `runner` that it is closed by.
    """
    usual: dict[str, Any] = {
        "sandbox": Level.OFF,
        "checkpoints": False,
        "approval_mode": Mode.YOLO,
        "tool_protocol": "native",
    }
    name = settings.get("model") or "scripted"
    target = Target(model=name, base_url=base_url, api_key=None, kind="chat")
    session = open_session(
        Settings(**{**usual, **settings}),
        Chosen(target, window),
        Nobody(),
        cwd=folder,
        added=(),
        note=note,
    )
    try:
        yield session
    finally:
        (runner.run if runner else asyncio.run)(session.close())


async def said(session: Session, text: str) -> None:
    """Hold one turn to its end."""
    async with aclosing(session.send(text)) as events:
        async for _event in events:
            pass
