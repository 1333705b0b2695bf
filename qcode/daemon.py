"""Work that nobody has to wait for: an interrupted session does not hang on its thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_daemon(work: Callable[[], T]) -> T:
    """Return what a function returns that is run in a thread of its own.

    Cancelling leaves it to itself, and the process does not wait for it at its end, as it
    would for `asyncio.to_thread`. Whatever it does has to be whole when it is cut off.
    """
    done: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        try:
            done.set_result(work())
        except concurrent.futures.InvalidStateError:
            pass  # it was cancelled meanwhile
        except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
            if not done.cancelled():
                done.set_exception(error)

    here = contextvars.copy_context()  # as `asyncio.to_thread` does
    threading.Thread(target=here.run, args=(run,), daemon=True).start()
    return await asyncio.wrap_future(done)
