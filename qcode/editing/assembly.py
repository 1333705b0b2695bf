"""Several changes of one text put together: located in the original, made all at once."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

from qcode.editing.body import Body, Splice
from qcode.editing.landing import Match
from qcode.editing.outcome import Edited


class _Part:
    """One splice of the original text, and the places of edits it belongs to."""

    def __init__(self, splice: Splice, places: set[int]) -> None:
        self.splice, self.places = splice, places
        self.start, self.end, self.new = splice.start, splice.end, splice.new

    def __lt__(self, other: _Part) -> bool:
        return (self.start, self.end) < (other.start, other.end)


class Assembly:
    """The changes of one body so far."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self._parts: list[_Part] = []
        self._ranges: list[tuple[int, int, int]] = []
        self._inserted: dict[int, int] = {}
        self._notes: list[str] = []
        self._places = 0
        self._now: Body | None = None

    def add(self, number: int, match: Match, *, shares_context: bool = False) -> int | None:
        """Add the match of an edit, or return the number of the edit that it collides with.

        Ranges may touch, but not overlap: those matched or, if context may be
        shared, those changed.
        """
        if shares_context:
            ranges = [(splice.start, splice.end) for splice in match.splices]
        else:
            ranges = [(match.start, match.end)]
        for start, end in ranges:
            if (owner := self._owner(start, end)) not in (None, number):
                return owner
        insertions = [at for splice in match.splices if (at := self._insertion(splice)) is not None]
        for at in insertions:
            if self._inserted.get(at, number) != number:
                return self._inserted[at]
        self._inserted |= dict.fromkeys(insertions, number)
        for start, end in ranges:
            insort(self._ranges, (start, end, number))
        for splice in match.splices:
            insort(self._parts, _Part(splice, {self._places}))
        self._done(match.notes)
        return None

    def _owner(self, start: int, end: int) -> int | None:
        """Return whose range overlaps with one; ranges of edits do not overlap each other."""
        index = bisect_left(self._ranges, (start,))
        for first, last, owner in self._ranges[max(0, index - 2) : index + 3]:
            if start < last and first < end:
                return owner
        return None

    def now(self) -> Body:
        """Return the text that the changes so far make, with plain line ends."""
        if self._now is None:
            out, done = [], 0
            for part in self._parts:
                out += [self.body.text[done : part.start], part.new]
                done = part.end
            self._now = Body("".join([*out, self.body.text[done:]]))
        return self._now

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been added."""
        return not self._parts

    def add_behind(self, number: int, match: Match) -> None:
        """Add the match of an edit in `now()`: it may change what earlier edits wrote."""
        for splice in reversed(match.splices):
            self._compose(number, splice, self.now().text)
            self._now = None
        self._done(match.notes)

    def _compose(self, number: int, splice: Splice, text: str) -> None:
        """Make a splice of the present text one of the original, with those it touches."""
        shift = 0
        start, end = splice.start, splice.end
        begin, stop = start, end
        first = last = None
        touched: list[_Part] = []
        kept: list[_Part] = []
        for part in self._parts:
            at = part.start + shift
            if at <= end and start <= at + len(part.new):
                if not touched:
                    begin = min(start, at)
                    first = begin - shift
                touched.append(part)
                shift += len(part.new) - (part.end - part.start)
                stop = max(end, at + len(part.new))
                last = stop - shift
            else:
                kept.append(part)
                if at + len(part.new) < start:
                    shift += len(part.new) - (part.end - part.start)
        if first is None or last is None:
            first, last = start - shift, end - shift
        new = text[begin:start] + splice.new + text[end:stop]
        places = {self._places}.union(*(part.places for part in touched))
        self._parts = kept
        composed = Splice(first, last, new, -1 if touched else splice.like, splice.drops)
        insort(self._parts, _Part(composed, places))
        inside = [each for each in self._ranges if first <= each[0] and each[1] <= last]
        self._ranges = [each for each in self._ranges if each not in inside]
        insort(self._ranges, (first, last, number))

    def finish(self, *, final_end: bool | None = None) -> Edited:
        """Return the text with all changes made."""
        text = self.body.text
        raw = self.body.spliced([part.splice for part in self._parts], final_end=final_end)
        total = max(1, raw.count("\n") + (not raw.endswith("\n")))
        found: dict[int, tuple[int, int]] = {}
        line, done = 1, 0
        for part in self._parts:
            line += text.count("\n", done, part.start)
            done = part.end
            first = line + part.new.startswith("\n")
            line += part.new.count("\n")
            last = max(first, line - part.new.endswith("\n"))
            for place in part.places:
                known = found.get(place, (first, last))
                found[place] = (min(known[0], first, total), min(max(known[1], last), total))
        places = sorted(set(found.values()))
        return Edited(raw, tuple(places), tuple(dict.fromkeys(self._notes)))

    def _done(self, notes: Sequence[str]) -> None:
        self._notes += notes
        self._places += 1
        self._now = None

    def _insertion(self, splice: Splice) -> int | None:
        """Return where a splice inserts if that is all it does; one place has one number."""
        text, old = self.body.text, self.body.text[splice.start : splice.end]
        if len(splice.new) <= len(old):
            return None
        if splice.new.startswith(old):
            at, new = splice.end, splice.new[len(old) :]
        elif splice.new.endswith(old):
            at, new = splice.start, splice.new[: len(splice.new) - len(old)]
        else:
            return None
        # A line added behind one is the same as the line added before the next.
        return at + 1 if new.startswith("\n") and text[at : at + 1] == "\n" else at
