"""Work in a thread that ends when whoever waits for it is interrupted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[threading.Event], T]) -> T:
    """Return what work in a thread comes to; it is given an event that is set to have it end.

    Cancelled, this sets the event and waits for the end: a thread cannot be cancelled, so that a
    program it waits for would hold up the end of the evaluation, and write to a folder that goes.
    """
    stop = threading.Event()
    running = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({running})
        if not running.cancelled():
            running.exception()  # what came of it is of no interest to anybody
        raise
