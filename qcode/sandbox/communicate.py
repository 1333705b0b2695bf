"""Giving a child its input and taking its output, until it has ended or is late."""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import IO

from qcode.sandbox.child import Child, Done

_CHUNK = 64 * 1024
_LOOK_S = 0.2
"""After so long without a word it is looked whether the child has ended."""


def communicate(
    child: Child,
    argv: Sequence[str],
    given: bytes,
    timeout_s: float,
    *,
    most: int | None = None,
    last: bool = False,
    stop: threading.Event | None = None,
) -> Done:
    """Return how the child ended and what it printed on its pipes; it is closed by then.

    Of each pipe the first `most` bytes are kept, or with `last` the last ones, and the rest is
    lost. What the child leaves running is
    ended soon after it, and not waited for. Another thread may set `stop`, to have it ended.

    Raises:
        InterruptedError: `stop` was set, and it was ended.
        subprocess.TimeoutExpired: it took longer, and was ended.
    """
    deadline = time.monotonic() + timeout_s
    out: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
    try:
        with selectors.DefaultSelector() as selector:
            view = memoryview(given)
            named = {"stdin": child.stdin, "stdout": child.stdout, "stderr": child.stderr}
            pipes = {name: pipe for name, pipe in named.items() if pipe is not None}
            for name, pipe in pipes.items():
                event = selectors.EVENT_WRITE if name == "stdin" else selectors.EVENT_READ
                selector.register(pipe, event, name)
            if child.stdin is not None:
                os.set_blocking(child.stdin.fileno(), False)
            while selector.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise subprocess.TimeoutExpired(list(argv), timeout_s)
                if stop is not None and stop.is_set():
                    raise InterruptedError("it was ended while it ran")
                ready = selector.select(min(left, _LOOK_S))
                if not ready:
                    child.poll()  # ends what it left behind, which may hold the pipes open
                for key, _ in ready:
                    pipe = pipes[key.data]
                    if key.data == "stdin":
                        view = _write(pipe.fileno(), view)
                        is_over = not view
                    else:
                        data = os.read(pipe.fileno(), _CHUNK)
                        kept = out[key.data]
                        if most is None or last:
                            kept += data
                        else:
                            kept += data[: max(0, most - len(kept))]
                        if most is not None and len(kept) > 2 * most:
                            del kept[:-most]  # not at each piece, which would move all of it
                        is_over = not data
                    if is_over:
                        selector.unregister(pipe)
                        _close(pipe)
        code = _ended(child, deadline, stop)
        if most is not None and last:
            out = {name: kept[-most:] for name, kept in out.items()}
        return Done(code, bytes(out["stdout"]), bytes(out["stderr"]))
    finally:
        child.close()


def _ended(child: Child, deadline: float, stop: threading.Event | None) -> int:
    """Wait for a child that has closed its pipes."""
    while True:
        left = max(0.0, deadline - time.monotonic())
        try:
            return child.wait(left if stop is None else min(left, _LOOK_S))
        except subprocess.TimeoutExpired:
            if stop is None or left <= _LOOK_S:
                raise
            if stop.is_set():
                raise InterruptedError("it was ended while it ran") from None


def _write(descriptor: int, view: memoryview) -> memoryview:
    try:
        return view[os.write(descriptor, view[:_CHUNK]) :]
    except BlockingIOError:
        return view
    except BrokenPipeError:
        return view[:0]  # it has ended, or wants no more


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except OSError:
        pass  # what was still to be written is wanted by nobody
