"""Noticing that a model does not get on: by what its calls and the checks come to; pure."""

from __future__ import annotations

FAILED_EDITS = 3
"""Edits in a row that could not be made."""
FAILED_CHECKS = 2
"""Times that the checks failed after something was changed, or nothing was."""
VAIN = 4
"""Calls in a row that failed or came to nothing new; before that, more chance is tried."""
REPEATED = 3
"""Times that the same call came to the same."""
MISREAD = 3
"""Answers in a row whose calls could not be read."""


class Stuck:
    """Counts since the last time that somebody else took a step."""

    def __init__(self) -> None:
        self._failed_edits = self._failed_checks = 0

    def edited(self, *, failed: bool) -> None:
        """Take how an edit went."""
        self._failed_edits = self._failed_edits + 1 if failed else 0

    def checked(self, *, passed: bool) -> None:
        """Take how the checks went."""
        self._failed_checks = 0 if passed else self._failed_checks + 1

    def why(self, *, repeated: int, vain: int, misread: int) -> str:
        """Return why the model is stuck, in words for a model and a person; empty: it is not.

        Args:
            repeated: How often the last call came to the same.
            vain: Calls in a row that failed or came to nothing new.
            misread: Answers in a row whose calls could not be read.
        """
        if self._failed_checks >= FAILED_CHECKS:
            return f"the checks failed {self._failed_checks} times"
        if self._failed_edits >= FAILED_EDITS:
            return f"{self._failed_edits} edits in a row could not be made"
        if repeated >= REPEATED:
            return f"the same call was made {repeated} times with the same result"
        if vain >= VAIN:
            return f"{vain} calls in a row failed or came to nothing new"
        if misread >= MISREAD:
            return f"{misread} answers in a row had no call that could be read"
        return ""

    def begin_anew(self) -> None:
        """Count from nothing: a step was taken that may have helped."""
        self._failed_edits = self._failed_checks = 0
