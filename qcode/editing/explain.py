"""Refusals in words that a model can act on without reading the whole file again."""

from __future__ import annotations

from qcode.editing.body import Body
from qcode.editing.differences import describe
from qcode.editing.fold import rows
from qcode.editing.landing import Miss
from qcode.editing.listing import enclosing, numbered
from qcode.editing.outcome import Reason, Refused

_PLACES = 5

NO_EFFECT = "The file has exactly this text already, so nothing was changed."
OLD = "old_string"
"""What the text to be replaced is called, where an edit has that as a field of its own."""


def same(what: str) -> str:
    """Return the message for new text that is the old one."""
    hint = (
        " If something is still wrong, put the corrected code into new_string."
        if what == OLD
        else ""
    )
    return f"{what} and what replaces it are the same, so nothing was changed.{hint}"


def blank(what: str) -> str:
    """Return the message for old text without a sign."""
    return (
        f"{what} is blank, which names no place in a file that has text. Nothing was changed. "
        "Give the lines to be replaced."
    )


def explain(miss: Miss, body: Body, old: str, *, what: str = OLD, more: str = "") -> Refused:
    """Return the refusal for text that has no place; `more` is what else makes it unique."""
    return Refused(miss.reason, _text(miss, body, old, what, more))


def _text(miss: Miss, body: Body, old: str, what: str, more: str) -> str:
    match miss.reason:
        case Reason.AMBIGUOUS:
            return _ambiguous(miss, body, what, more)
        case Reason.ALREADY_APPLIED:
            return (
                f"The change is there already:\n{numbered(body.lines, miss.lines[0], miss.count)}\n"
                "Nothing was changed; go on if that is what you want."
            )
        case Reason.PLACEHOLDER:
            return (
                f"The edit has a line that stands for left-out code: {miss.detail!r}. It would "
                "replace that code. Nothing was changed. Write the code out, or edit a smaller "
                "part."
            )
        case Reason.STALE:
            return (
                "The file has changed since you read it, and this text is not in it exactly. "
                + describe(body.lines, rows(old), what)
            )
        case Reason.NOT_FOUND if miss.detail and miss.lines:
            shown = numbered(body.lines, miss.lines[0], miss.count)
            return (
                f"{what} is only there with another indentation:\n{shown}\n{miss.detail} "
                "Nothing was changed. Send the edit again with the file's exact text."
            )
        case Reason.NOT_FOUND if miss.detail:
            return f"{miss.detail} Nothing was changed."
        case _:
            return _only_in_words(body, old, what) or describe(body.lines, rows(old), what)


def _ambiguous(miss: Miss, body: Body, what: str, more: str) -> str:
    total = len(miss.lines)
    verb = "fits" if miss.detail else "is there"
    how = f" {miss.detail}" if miss.detail else ""
    shown = []
    for line in miss.lines[:_PLACES]:
        around = enclosing(body.lines, line - 1)
        text = body.lines[line - 1].strip()[:100] if line <= len(body.lines) else ""
        shown.append(f"{line}| {text}" + (f"   ({around})" if around else ""))
    listed = "\n".join(shown)
    numbers = ", ".join(map(str, miss.lines[:10])) + (", …" if total > 10 else "")
    many = "more than 1,000" if total > 1000 else str(total)
    return (
        f"{what} {verb} {many} times{how}, at lines {numbers}:\n{listed}\n"
        f"Nothing was changed. Add lines above or below until it is unique{more}."
    )


def _only_in_words(body: Body, old: str, what: str) -> str:
    at = body.text.find(old)
    if at < 0 or "\n" in old.strip("\n"):
        return ""
    hint = ", or set replace_all to change parts of words" if what == OLD else ""
    return (
        f"{what} is only there inside a longer word or number:\n"
        f"{numbered(body.lines, body.line_at(at), 1)}\n"
        f"Nothing was changed. Give whole words{hint}."
    )
