from __future__ import annotations

import asyncio
import threading
import time

import pytest

from qcode.daemon import in_daemon


def test_what_comes_of_it_is_returned_or_raised() -> None:
    def fail() -> None:
        raise KeyError("why")

    assert asyncio.run(in_daemon(lambda: 7)) == 7
    with pytest.raises(KeyError, match="why"):
        asyncio.run(in_daemon(fail))


def test_nobody_waits_for_what_was_cancelled() -> None:
    may_end = threading.Event()
    ended = threading.Event()

    def work() -> None:
        may_end.wait()
        ended.set()

    async def leave() -> None:
        task = asyncio.ensure_future(in_daemon(work))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    started = time.monotonic()
    asyncio.run(leave())  # which would wait for a thread of its own
    assert not ended.is_set()
    assert time.monotonic() - started < 30
    may_end.set()
    assert ended.wait(30)
