"""What a command has of its process: a stdout, perhaps, and Ctrl-C at any moment."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from qcode.errors import UsageError

T = TypeVar("T")


def require_stdout(what: str) -> None:
    """Check that there is a place for what a command prints.

    Raises:
        UsageError: the process was started with its stdout closed.
    """
    if sys.stdout is None:
        raise UsageError(f"stdout is closed, so {what} could go nowhere", hint="redirect it")


def require_pipes(what: str) -> None:
    """Check that a protocol can be spoken over stdin and stdout: asyncio reads and writes no files.

    Raises:
        UsageError: one of them is a file.
    """
    for name, descriptor in (("stdin", 0), ("stdout", 1)):
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UsageError(
                f"{name} is a file, so {what} cannot be spoken",
                hint="the program that speaks it starts this one, with pipes",
            )


def run_to_end(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine as `asyncio.run` does, whenever Ctrl-C comes.

    `asyncio.run` itself takes care of an interrupt once its loop has the coroutine. Before
    that, the exception would lose one that exists and was never begun. So it is held here:
    `main` is not even called then.

    Raises:
        KeyboardInterrupt: Ctrl-C came, and `main` did not take care of it.
    """
    presses = 0
    task: asyncio.Task[Any] | None = None

    def press(_number: int, _frame: object) -> None:
        nonlocal presses
        presses += 1
        if task is None:
            return
        if presses > 1 or task.done():
            raise KeyboardInterrupt
        task.cancel()
        # The loop may be asleep, and is to see it.
        task.get_loop().call_soon_threadsafe(lambda: None)

    async def begin() -> T:
        nonlocal task
        task = asyncio.current_task()
        if presses:
            raise asyncio.CancelledError
        return await main()

    before = signal.signal(signal.SIGINT, press)
    try:
        return asyncio.run(begin())
    except asyncio.CancelledError:
        if presses:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)
