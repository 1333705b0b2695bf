"""Which directories changed since one last asked, as the system tells (Linux alone).

What comes of it is only where to look, never what is there. In any doubt the
answer is that there is no telling, and everything is looked at.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inotify_simple import INotify  # type: ignore[import-not-found,import-untyped,unused-ignore]

    from qcode.checkpoints.manifest import Node

_MODIFY, _ATTRIB = 0x2, 0x4
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE, _DELETE_SELF, _MOVE_SELF = 64, 128, 256, 512, 1024, 2048
_UNMOUNT, _OVERFLOW, _IGNORED = 0x2000, 0x4000, 0x8000
_ONLY_DIRECTORIES, _NO_LINKS = 0x1000000, 0x2000000
_MASK = (
    *(_MODIFY, _ATTRIB, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE, _DELETE_SELF, _MOVE_SELF),
    *(_ONLY_DIRECTORIES, _NO_LINKS),
)


class Watch:
    """Watches on directories, each for what happens right in it."""

    def __init__(self, source: INotify) -> None:
        self._source = source
        self._nodes: dict[int, Node] = {}

    @classmethod
    def start(cls) -> Watch | None:
        """Return a new one; None where the system has nothing of the kind or no more of it."""
        if sys.platform != "linux":
            return None
        try:
            from inotify_simple import INotify

            return cls(INotify())
        except (ImportError, OSError):
            return None

    def has(self, node: Node) -> bool:
        """Return whether changes in a directory are told."""
        return self._nodes.get(node.watch_id) is node

    def add(self, node: Node) -> bool:
        """Watch a directory from now on; False if no more can be watched.

        One that is gone by now is not watched, and that is no reason to stop.
        """
        try:
            node.watch_id = self._source.add_watch(node.path, sum(_MASK))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return True
        except OSError:
            return False
        self._nodes[node.watch_id] = node
        return True

    def drop(self, node: Node) -> None:
        """End the watch on a directory, unless it has become that of another one."""
        if not self.has(node):
            return
        del self._nodes[node.watch_id]
        try:
            self._source.rm_watch(node.watch_id)
        except OSError:
            pass  # it was removed, so the system has ended it
        node.watch_id = -1

    def changed(self) -> set[Node] | None:
        """Return the directories in which something changed since the last call.

        None: there is no telling. Directories whose watch ended are not
        watched any more (`has`), and their parents are among those returned.
        """
        out: set[Node] = set()
        in_doubt = False
        last = (-1, -1)
        try:
            for number, mask, _cookie, _name in self._source.read(timeout=0):
                if (number, mask) == last:
                    continue
                last = (number, mask)
                if mask & (_OVERFLOW | _UNMOUNT):
                    in_doubt = True
                node = self._nodes.get(number)
                if node is None:
                    continue
                if mask & (_IGNORED | _DELETE_SELF | _MOVE_SELF):
                    if node.parent is None:
                        in_doubt = True
                    else:
                        out.add(node.parent)
                    if mask & (_IGNORED | _DELETE_SELF):
                        del self._nodes[number]
                        continue
                out.add(node)
        except OSError:
            return None
        return None if in_doubt else out

    def close(self) -> None:
        """End all watches."""
        self._nodes.clear()
        self._source.close()
