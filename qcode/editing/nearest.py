"""What the text has where an edit expected something else, for a model to read."""

from __future__ import annotations

from collections import Counter

SHOWN = 10
"""Lines shown at most."""
_SEARCHED = 20_000
"""Lines compared one by one at most, as fuzzy comparison is slow."""


def numbered(lines: list[str], first: int, count: int) -> str:
    """Return lines as `12| text`; `first` is 1-based."""
    shown = lines[first - 1 : first - 1 + min(count, SHOWN)]
    text = "\n".join(f"{first + index}| {line[:300]}" for index, line in enumerate(shown))
    return text + ("\n…" if count > SHOWN else "")


def describe(lines: list[str], old: list[str]) -> str:
    """Return the message for lines that are not there: the nearest ones and the difference."""
    at = _nearest(lines, old)
    if at is None:
        return (
            "old_string is not in the file, nor anything like it. Nothing was changed. "
            "Read the file, or search for where the text is."
        )
    last = min(at + len(old), len(lines))
    return (
        "old_string is not in the file. The nearest lines are:\n"
        f"{numbered(lines, at + 1, last - at)}\n{_difference(lines, old, at)}\n"
        "Nothing was changed. Send the edit again with the file's exact text, "
        "without the line numbers."
    )


def _nearest(lines: list[str], old: list[str]) -> int | None:
    """Return where the window that has most of the wanted lines begins (0-based)."""
    wanted = {line.strip(): index for index, line in reversed(list(enumerate(old))) if line.strip()}
    votes: Counter[int] = Counter()
    for number, line in enumerate(lines):
        index = wanted.get(line.strip())
        if index is not None:
            # A line with letters says more about the place than a bracket.
            votes[number - index] += 1 + 3 * any(char.isalnum() for char in line)
    if votes:
        best = max(votes.values())
        return max(0, min(at for at, count in votes.items() if count == best))
    return _similar(lines, old)


def _similar(lines: list[str], old: list[str]) -> int | None:
    import difflib

    index, line = max(enumerate(old), key=lambda item: len(item[1].strip()))
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(line.strip()[:300])
    best, found = 0.6, None
    for number, candidate in enumerate(lines[:_SEARCHED]):
        matcher.set_seq1(candidate.strip()[:300])
        if (
            matcher.real_quick_ratio() > best
            and matcher.quick_ratio() > best
            and matcher.ratio() > best
        ):
            best, found = matcher.ratio(), number
    return None if found is None else max(0, found - index)


def _difference(lines: list[str], old: list[str], at: int) -> str:
    for index, wanted in enumerate(old):
        if at + index >= len(lines):
            return f"The file ends before line {index + 1} of old_string: {wanted[:200]!r}."
        real = lines[at + index]
        if real != wanted:
            return f"Line {at + index + 1} {_words(real, wanted)}"
    return "The lines are the same but for blank lines or line ends around them."


def _words(real: str, wanted: str) -> str:
    if real.strip() == wanted.strip():
        if real.rstrip() == wanted.rstrip():
            return "differs in blanks at its end."
        return f"is indented by {_indent(real)}, old_string by {_indent(wanted)}."
    return f"differs: file {real[:200]!r}, old_string {wanted[:200]!r}."


def _indent(line: str) -> str:
    blank = line[: len(line) - len(line.lstrip())]
    tabs, spaces = blank.count("\t"), blank.count(" ")
    parts = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in ((tabs, "tab"), (spaces, "space"))
             if n]  # fmt: skip
    return " and ".join(parts) or "nothing"
