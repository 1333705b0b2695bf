"""What remarks there are, and which of them are to be taken up; pure.

Each counts once: what was taken up is not again as long as it stands there, whatever is saved.
"""

from __future__ import annotations

from collections.abc import Sequence

from qcode.prompts import load
from qcode.record import Record
from qcode.watching.remarks import Kind, Remark, excerpt, remarks


class Found(Record):
    """A remark in a file."""

    path: str
    remark: Remark
    excerpt: str

    @property
    def place(self) -> str:
        """`app.py:12`."""
        return f"{self.path}:{self.remark.first}"


class Turn(Record):
    """What the model is to be told, and of which remarks."""

    kind: Kind
    message: str
    found: tuple[Found, ...]


class Heard:
    """The remarks of the files that were looked at."""

    def __init__(self) -> None:
        self._open: dict[str, list[Found]] = {}
        self._done: dict[str, set[tuple[Kind, str]]] = {}

    def look(self, path: str, text: str | None, *, counts: bool = True) -> int:
        """Read a file that changed; None: it is gone. What does not count is never taken up.

        Return how many remarks there are that were not taken up before.
        """
        every = remarks(path, text) if text is not None else []
        keys = {(one.kind, one.words) for one in every}
        done = self._done.get(path, set()) & keys
        new = len(keys - done)
        if not counts:
            done |= keys
        self._done[path] = done
        self._open[path] = [
            Found(path, one, excerpt(text or "", one))
            for one in every
            if (one.kind, one.words) not in done
        ]
        return new

    def turn(self) -> Turn | None:
        """Return the turn that is due, and count its remarks as taken up; None: there is none."""
        every = [found for path in sorted(self._open) for found in self._open[path]]
        kinds = {one.remark.kind for one in every}
        if "act" in kinds:
            found = [one for one in every if one.remark.kind != "ask"]  # with the notes
            turn = Turn("act", load("watch/act", comments=_listed(found)), tuple(found))
        elif "ask" in kinds:
            found = [one for one in every if one.remark.kind == "ask"]
            turn = Turn("ask", load("watch/ask", comments=_listed(found)), tuple(found))
        else:
            return None
        for one in turn.found:
            self._done.setdefault(one.path, set()).add((one.remark.kind, one.remark.words))
            self._open[one.path].remove(one)
        return turn


def left(path: str, text: str, turn: Turn) -> list[Remark]:
    """Return the remarks of a turn that still stand in a file."""
    keys = {(one.remark.kind, one.remark.words) for one in turn.found if one.path == path}
    return [one for one in remarks(path, text) if (one.kind, one.words) in keys]


def _listed(found: Sequence[Found]) -> str:
    return "\n\n".join(f"{one.place}: {one.remark.words}\n{one.excerpt}" for one in found)
