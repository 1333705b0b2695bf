"""What a person sees and does while they choose a session; draws nothing and reads no keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qcode.journal.listing import Entry


def rank(words: Sequence[str], entry: Entry) -> int | None:
    """Return how well a session fits what is typed, the best is 0; None: not at all.

    Each word has to stand somewhere, or its letters in this order in what the session is about;
    numbers are not taken apart.
    """
    about = f"{entry.title}\n{entry.first}".casefold()
    more = f"{entry.model}\n{entry.cwd}\n{entry.id}".casefold()
    worst = 0
    for word in words:
        if word in about:
            found = 0
        elif word in more:
            found = 1
        elif len(word) > 1 and word.isalpha() and _has_letters(word, about):
            found = 2
        else:
            return None
        worst = max(worst, found)
    return worst


def _has_letters(word: str, text: str) -> bool:
    rest = iter(text)
    return all(letter in rest for letter in word)


@dataclass(slots=True)
class Picking:
    """The sessions, which of them are shown, and the one that is pointed at."""

    cwd: Path
    entries: list[Entry] = field(default_factory=list)
    query: str = ""
    everywhere: bool = False
    """Whether those of other directories are shown, too."""
    at: int = 0
    """Which of those shown is pointed at."""
    found: dict[str, str] | None = None
    """What was found in the words of sessions, by their ids; None: nobody looked."""
    is_complete: bool = False
    """Whether all sessions are there."""
    is_removing: bool = False
    """Whether a person is asked if the one pointed at is to be removed."""
    note: str = ""
    """What went wrong, until the next key."""
    _shown: list[Entry] | None = None

    def add(self, entries: Iterable[Entry]) -> None:
        """Take in more sessions; the one pointed at stays."""
        self.entries.extend(entry for entry in entries if entry.title)
        self._again()

    def complete(self) -> None:
        """All sessions are there; those of other directories are shown if there are no others."""
        self.is_complete = True
        if not any(self._is_here(entry) for entry in self.entries):
            self.everywhere = True
        self._again()

    def shown(self) -> list[Entry]:
        """Return the sessions that fit: the best first, among equals the last used one."""
        if self._shown is None:
            words = self.query.casefold().split()
            ranked = []
            for place, entry in enumerate(self.entries):
                if not self.everywhere and not self._is_here(entry):
                    continue
                fit = rank(words, entry)
                if fit is None and self.found is not None and entry.id in self.found:
                    fit = 3
                if fit is not None:
                    ranked.append((fit, place))
            self._shown = [self.entries[place] for _fit, place in sorted(ranked)]
            self.at = max(0, min(self.at, len(self._shown) - 1))
        return self._shown

    @property
    def chosen(self) -> Entry | None:
        """The session that is pointed at."""
        shown = self.shown()
        return shown[self.at] if shown else None

    def move(self, by: int) -> None:
        """Point at another one, so many further down; not beyond the ends."""
        self.at = max(0, min(self.at + by, len(self.shown()) - 1))

    def type(self, query: str) -> None:
        """Show what fits other words."""
        if query != self.query:
            self.query = query
            self.found = None
            self.at = 0
            self._shown = None

    def turn(self) -> None:
        """Show this directory's sessions alone, or all."""
        self.everywhere = not self.everywhere
        self._again()

    def look_for(self) -> list[Entry]:
        """Begin to look into the words of sessions; return those to look into."""
        self.found = {}
        return [e for e in self.entries if self.everywhere or self._is_here(e)]

    def find(self, entry: Entry, words: str) -> None:
        """Show a session in which the words were found."""
        if self.found is not None:
            self.found[entry.id] = words
            self._again()

    def forget(self, entry: Entry) -> None:
        """Leave out a session that was removed."""
        self.entries.remove(entry)
        self._shown = None

    def _again(self) -> None:
        """Work out anew what is shown, and point at the same one as before."""
        before = self._shown[self.at] if self._shown else None
        self._shown = None
        # While a person has not moved, the best stays the first.
        if before is not None and self.at and before in (shown := self.shown()):
            self.at = shown.index(before)

    def _is_here(self, entry: Entry) -> bool:
        return entry.cwd == str(self.cwd)
