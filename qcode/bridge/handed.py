"""What editors handed over: the latest of each, and which of them is the person's now."""

from __future__ import annotations

from qcode.bridge.protocol import Context
from qcode.record import replace


class Handed:
    """What is known of the editors that are there; the one heard last is meant."""

    def __init__(self) -> None:
        self._contexts: dict[int, tuple[str, Context]] = {}
        """By connection; the latest is the last."""
        self._kept: tuple[str, Context] | None = None
        self._present: dict[int, str] = {}

    def arrived(self, number: int, client: str) -> None:
        """Note that an editor is there."""
        self._present[number] = client

    def left(self, number: int) -> None:
        """Forget what an editor handed over that is gone."""
        self._present.pop(number, None)
        self._contexts.pop(number, None)

    def take(self, number: int, client: str, context: Context) -> None:
        """Note what an editor hands over."""
        before = self._contexts.pop(number, None)
        if context.keep:
            self._kept = client, context
            self._contexts.clear()  # they say it again when anything changes
            return
        if context.diagnostics is None and before is not None:
            context = replace(context, diagnostics=before[1].diagnostics)
        self._contexts[number] = client, context
        self._kept = None

    @property
    def client(self) -> str:
        """The name of the editor that is there; nothing: none is."""
        if self._contexts:
            return next(reversed(self._contexts.values()))[0]
        if self._kept is not None:
            return self._kept[0]
        return next(reversed(self._present.values()), "")

    @property
    def context(self) -> Context | None:
        """What the person has before them."""
        if self._contexts:
            return next(reversed(self._contexts.values()))[1]
        return self._kept[1] if self._kept is not None else None

    @property
    def hint(self) -> str:
        """That in a few words: `nvim: app.py:10-20`; nothing where no editor is."""
        client, context = self.client, self.context
        if not client or context is None or not context.file:
            return client
        name = context.file.rpartition("/")[2]
        if (selected := context.selection) is not None:
            last = f"-{selected.last}" if selected.last != selected.first else ""
            return f"{client}: {name}:{selected.first}{last}"
        return f"{client}: {name}:{context.line}" if context.line else f"{client}: {name}"
