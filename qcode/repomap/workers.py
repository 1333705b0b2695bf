"""Reading many files at once, in processes that can do nothing but read.

A grammar is native code that reads what anybody wrote: where one ends its process, the
file it was at is left out and the rest is read by another.
"""

from __future__ import annotations

import contextvars
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import qcode
from qcode.repomap.reading import Content, content
from qcode.repomap.symbols import Symbol

if TYPE_CHECKING:
    from qcode.sandbox.child import Child

_FEW_BYTES = 300_000
_FEW = 60
"""Up to that much is read at once here: a process takes a tenth of a second to begin."""
_MOST_WORKERS = 8
_MOST_RESTARTS = 20
_WAITING = 200
"""Contents that wait to be taken, so that they take little memory."""
_STALLED_S = 30.0
"""A file takes a second at most; after so long without one, no more are waited for."""
_PACKAGES = str(Path(qcode.__file__).parent.parent)
_CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
import qcode
del sys.path[0]
from qcode.repomap.workers import child
child()
"""


def contents(root: Path, files: Sequence[tuple[str, int]]) -> Iterator[tuple[str, Content | None]]:
    """Yield what is to be known of files, given with their sizes, in any order."""
    if len(files) <= _FEW and sum(size for _, size in files) <= _FEW_BYTES:
        yield from ((path, content(root, path)) for path, _ in files)
        return
    count = max(1, min(_MOST_WORKERS, os.cpu_count() or 1))
    by_size = sorted(files, key=lambda file: (-file[1], file[0]))
    found: queue.Queue[tuple[str, Content | None] | None] = queue.Queue(_WAITING)
    workers = [
        _Worker(root, [path for path, _ in by_size[number::count]], found)
        for number in range(count)
    ]
    try:
        for worker in workers:
            worker.thread.start()
        left = count
        while left:
            try:
                item = found.get(timeout=_STALLED_S)
            except queue.Empty:  # they wait for a disk, or something else is wrong
                return
            if item is None:
                left -= 1
            else:
                yield item
    finally:
        for worker in workers:
            worker.stop()
        while any(worker.thread.is_alive() for worker in workers):
            try:
                found.get(timeout=0.05)
            except queue.Empty:
                pass


class _Worker:
    """One process after the other, until all files of a list are read."""

    def __init__(
        self, root: Path, paths: list[str], found: queue.Queue[tuple[str, Content | None] | None]
    ) -> None:
        self._root = root
        self._paths = paths
        self._found = found
        self._child: Child | None = None
        self._stopped = False
        here = contextvars.copy_context()  # whose launcher starts the processes
        self.thread = threading.Thread(
            target=here.run, args=(self._run,), name="repomap", daemon=True
        )

    def stop(self) -> None:
        """End it, whatever it is at."""
        self._stopped = True
        child = self._child
        if child is not None:
            child.kill()

    def _run(self) -> None:
        done = 0
        try:
            for _ in range(_MOST_RESTARTS):
                if done == len(self._paths) or self._stopped:
                    return
                done = self._some(done)
            while done < len(self._paths) and not self._stopped:
                self._found.put((self._paths[done], None))
                done += 1
        finally:
            self._found.put(None)

    def _some(self, done: int) -> int:
        """Have a process read from that file on; return up to where all was dealt with."""
        from qcode.errors import SandboxError

        try:
            child = self._child = _start(self._root)
        except (OSError, SandboxError):
            for path in self._paths[done:]:
                if not self._stopped:
                    self._found.put((path, content(self._root, path)))
            return len(self._paths)
        try:
            assert child.stdin
            assert child.stdout
            asked = json.dumps([str(self._root), self._paths[done:]])
            try:
                child.stdin.write(asked.encode())
                child.stdin.close()
            except OSError:  # it ended at once
                pass
            for row in child.stdout:
                item = _read(row)
                if isinstance(item, str):
                    break
                self._found.put((self._paths[done], item))
                done += 1
            child.wait()
        finally:
            self._child = None
            child.close()
        if done < len(self._paths) and not self._stopped:  # it ended at this one
            self._found.put((self._paths[done], None))
            done += 1
        return done


def _start(root: Path) -> Child:
    from qcode.sandbox import house

    return house.start(
        [sys.executable, "-I", "-c", _CHILD, _PACKAGES],
        cwd=root,
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def _read(row: bytes) -> Content | str | None:
    """Return what a process says of a file; text if that makes no sense."""
    try:
        told = json.loads(row)
        if told is None:
            return None
        digest, grammar, weight, symbols, words = told
        return Content(digest, grammar, weight, [Symbol(*each) for each in symbols], words)
    except (ValueError, TypeError):
        return "?"


def child() -> None:
    """Be a process that reads: root and paths on stdin, a line for each file on stdout."""
    root, paths = json.loads(sys.stdin.buffer.read())
    folder = Path(root)
    out = sys.stdout.buffer
    for path in paths:
        out.write(json.dumps(content(folder, path), separators=(",", ":")).encode() + b"\n")
        out.flush()
