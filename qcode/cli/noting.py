"""What a person is told that is neither answer nor error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


Note = Callable[[str], None]
"""Tells a person something that is neither answer nor error."""


def note_on_stderr(text: str) -> None:
    """Print a notice; what a server or a project says may stand in it."""
    from qcode.ui.printable import printable

    print(f"qcode: {printable(text)}", file=sys.stderr, flush=True)
