"""What a long piece of work tells whoever waits for it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the course of a download or a start; implemented by the terminal and by tests."""

    def update(self, label: str, done: int, total: int | None) -> None:
        """Say how far `label` is, in bytes; `total` is None when it is not known.

        Called several times a second; the last call of a label has `done == total`.
        """

    def note(self, text: str) -> None:
        """Say one thing that happened or was decided, in one line."""
