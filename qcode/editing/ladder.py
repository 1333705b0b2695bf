"""The place of one search and replace: levels of tolerance, the first that has one decides.

No level guesses: more than one place is `ambiguous`, and what fits none is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from qcode.editing.body import Body, Splice
from qcode.editing.drift import drifted
from qcode.editing.drift import made_before as nearly_made_before
from qcode.editing.ellipsis import left_out_lines
from qcode.editing.fold import RAW, SHIFTED, TRIMMED, TYPOGRAPHIC, fold, is_blank, lead, rows
from qcode.editing.indent import mappings, remap
from qcode.editing.landing import Chunk, Match, Miss, chunks, has_word, made_before, on_lines
from qcode.editing.noise import cleaned
from qcode.editing.outcome import Reason
from qcode.editing.placeholder import left_out

_MOST = 1000
"""Places counted at most where one is wanted."""
_EXAMINED = 100_000
"""Lines whose indentation is compared at most."""
_SHOWN = 20
"""Places with another indentation that are counted at most."""
WORDS = {
    RAW: "",
    TRIMMED: "matched without regard to blanks at line ends",
    TYPOGRAPHIC: "matched without regard to kinds of quotes, dashes and blanks",
}


def find(body: Body, old: str, new: str, *, exact_only: bool = False) -> Match | Miss:
    """Return where `old` stands, to be replaced by `new`; both with plain line ends.

    With `exact_only`, as for a file that has changed since it was seen, nothing but
    the text itself is looked for.
    """
    if marker := left_out(new, old, body.text):
        return Miss(Reason.PLACEHOLDER, detail=marker)
    found = exact(body, old, new)
    if found:
        return found
    if exact_only:
        return Miss(Reason.STALE)
    levels = (TRIMMED, TYPOGRAPHIC, SHIFTED)
    found = _whole_lines(body, *_rows(old, new), levels)
    if found:
        return found
    for clean in cleaned(old, new):
        tried = (RAW, *levels) if clean.may_shift else (RAW, TRIMMED, TYPOGRAPHIC)
        if found := _whole_lines(body, *_rows(clean.old, clean.new), tried, clean.words):
            marker = left_out(clean.new, clean.old, body.text)
            if isinstance(found, Match) and marker:
                return Miss(Reason.PLACEHOLDER, detail=marker)
            return found
    lines, fresh_lines = _rows(old, new)
    if found := left_out_lines(body, lines, fresh_lines):
        return found
    # New text that is there tells more than old text that nearly is.
    miss = missing(body, fresh_lines)
    if miss.reason is Reason.ALREADY_APPLIED:
        return miss
    changes = chunks(lines, fresh_lines)
    at = drifted(body, lines, changes)
    if isinstance(at, Miss):
        return at
    if at is not None:
        if before := nearly_made_before(body, lines, fresh_lines):
            return before
        words = "kept the file's text of context lines that were quoted a little differently"
        return on_lines(body, at, len(lines), changes, [words])
    return _done_within(body, fresh_lines) or miss


def _done_within(body: Body, new: Sequence[str]) -> Miss | None:
    """Return that new text which begins behind a line's indentation is there already.

    Text that replaced a part of a line is seldom quoted with the blanks before it.
    """
    if not new or not has_word(new[0]) or new[0][:1].isspace():
        return None
    first, rest = new[0].rstrip(" \t"), [line.rstrip(" \t") for line in new[1:]]
    for at, line in enumerate(body.lines):
        if line.strip(" \t") == first:
            following = body.lines[at + 1 : at + len(new)]
            if [row.rstrip(" \t") for row in following] == rest:
                return Miss(Reason.ALREADY_APPLIED, (at + 1,), count=len(new))
    return None


def missing(body: Body, new: Sequence[str]) -> Miss:
    """Return why nothing fits: what is wanted is there already, or nothing like it is."""
    if has_word("".join(new)):
        for level in (RAW, TRIMMED):
            if found := body.find_lines(new, level, 1):
                return Miss(Reason.ALREADY_APPLIED, (found[0] + 1,), count=len(new))
    return Miss(Reason.NOT_FOUND)


def made_elsewhere(body: Body, new: Sequence[str], level: int) -> Miss | None:
    """Return that new lines stand in the file, if the level at which old ones fit says less.

    The edit was made before, and the old lines are others that are nearly the same. One
    line may stand elsewhere by chance.
    """
    if level == RAW or (level != SHIFTED and len(new) < 2):
        return None
    miss = missing(body, new)
    return miss if miss.reason is Reason.ALREADY_APPLIED else None


def find_all(body: Body, old: str, new: str) -> list[Match] | Miss:
    """Return all places of the exact text, left to right and without overlap."""
    if marker := left_out(new, old, body.text):
        return Miss(Reason.PLACEHOLDER, detail=marker)
    found: list[Match] = []
    at = body.text.find(old)
    while at >= 0:
        following = body.text.find(old, at + len(old))
        found.append(_splice(body, at, old, new, following))
        at = following
    return found or Miss(Reason.NOT_FOUND)


def on_level(
    body: Body, places: Sequence[int], old: Sequence[str], changes: Sequence[Chunk], level: int
) -> list[tuple[int, Sequence[Chunk], str]]:
    """Return those places of equal lines that a level accepts, with the changes to write there.

    The words say how it fits; they are missing where the new lines do not take the
    indentation that the file has, so that nothing can be written.
    """
    if level != SHIFTED:
        return [(at, changes, WORDS[level]) for at in places]
    found: list[tuple[int, Sequence[Chunk], str]] = []
    quoted = fold(old, TYPOGRAPHIC)
    lines = [line for chunk in changes for line in chunk.new]
    most = most_places(level, len(old))
    keys = body.keys(TYPOGRAPHIC)
    for at in places:
        window = keys[at : at + len(old)]
        explained = mappings(window, quoted)
        if not explained:
            continue
        done = None
        if not (_is_bare(quoted, changes) or _is_about_blanks(old, keys, at, changes)):
            done = remap(explained, lines, [*old, *lines], body.lines)
        if done is None:
            found.append((at, changes, ""))
        else:
            fresh = iter(done[0])
            moved = [
                Chunk(chunk.first, chunk.last, tuple(next(fresh) for _ in chunk.new))
                for chunk in changes
            ]
            found.append((at, moved, done[1].words()))
        if len(found) > _SHOWN:
            break
    if len(places) >= most and len(found) < 2:
        # Too many to look at each: that there are several is certain enough.
        return [(at, changes, "") for at in places[:_SHOWN]]
    return found


def _is_bare(old: Sequence[str], changes: Sequence[Chunk]) -> bool:
    """Whether one line without indentation is all that was quoted, and new ones are added.

    It may have been copied without its blanks while the others have theirs.
    """
    solid = [line for line in old if not is_blank(line)]
    return (
        len(solid) == 1
        and not lead(solid[0])
        and any(
            len(chunk.new) > chunk.last - chunk.first or any(map(lead, chunk.new))
            for chunk in changes
        )
    )


def _is_about_blanks(
    old: Sequence[str], keys: Sequence[str], at: int, changes: Sequence[Chunk]
) -> bool:
    """Whether an edit changes indentation itself, so that a wrong one says nothing."""
    if changes and all(
        [line.strip() for line in old[chunk.first : chunk.last]]
        == [line.strip() for line in chunk.new]
        for chunk in changes
    ):
        return True
    return any(
        len(chunk.new) == chunk.last - chunk.first
        and lead(line) == lead(keys[at + index]) != lead(old[index])
        for chunk in changes
        for index, line in enumerate(chunk.new, chunk.first)
        if len(chunk.new) == chunk.last - chunk.first
    )


def most_places(level: int, size: int) -> int:
    """Return how many places of so many lines are looked at."""
    return max(_SHOWN + 1, _EXAMINED // size) if level == SHIFTED else _MOST


def landed(
    body: Body, place: tuple[int, Sequence[Chunk], str], count: int, level: int, words: str = ""
) -> Match | Miss:
    """Return the match of the one place that a level accepts."""
    at, changes, how = place
    if level == SHIFTED and not how:
        detail = "The new lines do not take the indentation that the file has there."
        return Miss(Reason.NOT_FOUND, (at + 1,), detail, count)
    return on_lines(body, at, count, changes, [each for each in (words, how) if each])


def _rows(old: str, new: str) -> tuple[list[str], list[str]]:
    """Return both texts as lines; new text may lack the last line end that the old one has."""
    if not new:
        return rows(old), []
    return rows(old), rows(new) if old.endswith("\n") else new.split("\n")


def _whole_lines(
    body: Body, old: list[str], new: list[str], levels: Sequence[int], words: str = ""
) -> Match | Miss | None:
    changes: list[Chunk] | None = None
    for level in levels:
        places = body.find_lines(old, level, most_places(level, len(old)))
        if not places:
            continue
        if changes is None:
            changes = chunks(old, new)
        accepted = on_level(body, places, old, changes, level)
        if len(accepted) > 1:
            return Miss(Reason.AMBIGUOUS, tuple(at + 1 for at, _, _ in accepted), words, len(old))
        if accepted:
            before = made_before(body, accepted[0][0], old, new)
            before = before or made_elsewhere(body, new, level)
            return before or landed(
                body, accepted[0], len(old), level, words and f"matched {words}"
            )
    return None


def exact(body: Body, old: str, new: str) -> Match | Miss | None:
    """Return the one place of the text itself, why it is no good, or None if it is not there."""
    text = body.text
    found: list[int] = []
    inside: list[int] = []
    at = text.find(old)
    while at >= 0 and len(found) <= _MOST:
        if not _cuts_word(text, at, at + len(old)):
            inside_blanks = _begins_in_indentation(text, at, old, new)
            (inside if inside_blanks else found).append(at)
        at = text.find(old, at + 1)
    if old.endswith("\n") and text.endswith("\n" + old[:-1]) and found:
        found.append(len(text) - len(old) + 1)  # The same at the end, where it has no line end.
    if inside and found:
        found = sorted(found + inside)
    if not found:
        return None
    if len(found) > 1:
        count = len(rows(old))
        return Miss(Reason.AMBIGUOUS, _lines_at(body, found), count=count)
    at = found[0]
    if (standing := _stands_there(text, at, old, new)) is not None:
        first, count = standing
        return Miss(Reason.ALREADY_APPLIED, (body.line_at(first),), count=count)
    if "\n" in new:
        line = body.text.count("\n", 0, at)
        if before := made_before(body, line, *_rows(old, new)):
            return before
    return _splice(body, at, old, new)


def _lines_at(body: Body, places: Sequence[int]) -> tuple[int, ...]:
    lines: list[int] = []
    line, done = 1, 0
    for at in places:
        line += body.text.count("\n", done, at)
        done = at
        lines.append(line)
    return tuple(lines)


def _cuts_word(text: str, start: int, end: int) -> bool:
    """Return whether a place begins or ends inside an identifier or number."""
    return _is_inside(text, start) or _is_inside(text, end)


def _is_inside(text: str, at: int) -> bool:
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    if _is_word(before) and _is_word(after):
        return True
    # The point of a decimal number.
    if after == "." and _is_digit(before):
        return _is_digit(text[at + 1 : at + 2])
    return before == "." and _is_digit(after) and at > 1 and _is_digit(text[at - 2])


def _is_word(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char == "_")


def _is_digit(char: str) -> bool:
    return char.isascii() and char.isdigit()


def _begins_in_indentation(text: str, at: int, old: str, new: str) -> bool:
    """Return whether text begins in or behind a line's indentation, and that matters.

    Spliced as it is, a line that goes would leave its blanks to the next one, and
    lines would get blanks twice or lose them. So it is no place to splice at.
    """
    begin = text.rfind("\n", 0, at) + 1
    if old[0] == "\n" and begin < at:
        # The blank line of the edit is only the end of the line above.
        if new:
            return not new.startswith("\n") and "\n" in new.rstrip("\n")
        return old.endswith("\n")
    if begin == at or text[begin:at].strip(" \t"):
        return False
    if not new:
        return old.endswith("\n")
    first, *rest = new.split("\n")
    quoted, *known = old.split("\n")
    if len(lead(first)) > len(lead(quoted)) or quoted in rest:
        return True
    return quoted[:1] in (" ", "\t") and any(
        line not in known for line in rest if not is_blank(line)
    )


def _splice(body: Body, at: int, old: str, new: str, following: int = -1) -> Match:
    """Return the match of exact text, with the two rules for line ends.

    Removing whole lines takes their last end too; whole lines with an end that
    get text without one keep it, or they would be glued to the next line.
    """
    text, end = body.text, at + len(old)
    drops = not new
    begin = text.rfind("\n", 0, at) + 1
    is_bare_end = not old.endswith("\n") and text[end : end + 1] == "\n" and end != following
    if begin == at and not new and is_bare_end:
        end += 1
    if is_blank(text[begin:at]) and new and old.endswith("\n") and not new.endswith("\n"):
        new += "\n"
    if end == len(text) and not text.endswith("\n"):
        new = new.removesuffix("\n")  # The text goes on without a final line end.
    return Match(at, end, tuple(_trimmed(body, at, end, new, drops=drops)))


def _trimmed(body: Body, start: int, end: int, new: str, *, drops: bool) -> list[Splice]:
    """Return the changes of a range without the lines that stay as they are."""
    old_lines, new_lines = _with_ends(body.text[start:end]), _with_ends(new)
    if not body.has_mixed_ends:
        head = tail = 0
        least = min(len(old_lines), len(new_lines))
        while head < least and old_lines[head] == new_lines[head]:
            head += 1
        while tail < least - head and old_lines[-1 - tail] == new_lines[-1 - tail]:
            tail += 1
        changes = [
            Chunk(head, len(old_lines) - tail, tuple(new_lines[head : len(new_lines) - tail]))
        ]
    else:
        changes = chunks(old_lines, new_lines)
    starts = [start]
    for line in old_lines:
        starts.append(starts[-1] + len(line))
    found = []
    for chunk in changes:
        first, last = starts[chunk.first], starts[chunk.last]
        like = -1
        if first == last:
            like = first - 1 if chunk.first else body.text.find("\n", first)
        found.append(Splice(first, last, "".join(chunk.new), like, drops))
    return found


def _with_ends(text: str) -> list[str]:
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    if not lines[-1]:
        lines.pop()
    return lines


def _stands_there(text: str, at: int, old: str, new: str) -> tuple[int, int] | None:
    """Return where text that an edit would add around its own stands already, and its lines.

    Sent twice, an insertion matches again. Text without a letter or digit, a brace
    say, may well be wanted twice.
    """
    while old.startswith("\n") and new.startswith("\n"):
        # It matched the end of any line above, and is no part of what is put around.
        old, new, at = old[1:], new[1:], at + 1
    place = new.find(old)
    if place < 0:
        return None
    if not new.startswith(old) and new.endswith(old):
        place = len(new) - len(old)
    above, below = new[:place], new[place + len(old) :]
    if not has_word(above + below) or above + below == "":
        return None
    end = at + len(old)
    first = at - len(above)
    if above:
        if first < 0 or not text.startswith(above, first):
            return None
        is_inside = above[-1] == "\n" and first and text[first - 1] != "\n"
        if is_inside or _is_inside(text, first):
            return None
    if below:
        is_line = below[0] == "\n" or old.endswith("\n")
        below = below.removesuffix("\n") if is_line else below
        behind = end + len(below)
        if not text.startswith(below, end) or _is_inside(text, behind):
            return None
        if is_line and text[behind : behind + 1] not in ("", "\n"):
            return None
    if above:
        return first, len(rows(above))
    added = below.removeprefix("\n") if not old.endswith("\n") else below
    return end + len(below) - len(added), len(rows(added))
