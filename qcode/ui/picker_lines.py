"""The lines of the session picker; all foreign text in them is made printable here."""

from __future__ import annotations

import time
from collections.abc import Sequence

from qcode.journal.listing import Entry
from qcode.messages import Message, UserMessage
from qcode.ui.picking import Picking
from qcode.ui.printable import fit, one_line, printable, width

_WIDE = 72
"""Columns from which on there is room for when and by which model."""
_LIST, _PREVIEW = 10, 9
"""Rows at most."""


def rows_of(screen: int, count: int) -> tuple[int, int]:
    """Return how many rows the list and the preview take on a screen of so many rows.

    Besides them there are three lines, and one of what stands above should be seen.
    """
    room = max(1, screen - 4)
    rows = max(1, min(count, _LIST, room if room < 10 else room // 2))
    left = room - rows
    return rows, min(left, _PREVIEW) if left >= 3 else 0


def header(picking: Picking, columns: int) -> str:
    """Return the line above: which sessions are shown, and how many."""
    where = "of all directories" if picking.everywhere else "of this directory"
    count = f"{len(picking.shown()):,} session{'s' if len(picking.shown()) != 1 else ''} {where}"
    return fit(f"{count}{'' if picking.is_complete else ' …'}", columns)


def line_of(entry: Entry, picking: Picking, columns: int) -> str:
    """Return a session in one line."""
    words = entry.title
    if entry.parent:
        words += " (copy)"
    if entry.cwd != str(picking.cwd):
        words += f"  [{entry.cwd}]"
    if columns < _WIDE:
        return one_line(words, columns)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.modified))
    model = one_line(entry.model, 20)
    line = one_line(f"{when}  {words}", columns - width(model) - 2)
    return f"{line}{' ' * (columns - width(line) - width(model))}{model}" if model else line


def preview_of(
    messages: Sequence[Message] | None, found: str, columns: int, rows: int
) -> list[str]:
    """Return the end of a session in so many lines at most, or what was found in it."""
    lines = []
    if found:
        lines.append(one_line(f"found: {found}", columns))
    if messages is None:
        return [*lines, "…"][:rows]
    said: list[str] = []
    for message in messages:
        mark = "> " if isinstance(message, UserMessage) else "  "
        text = printable(message.text).strip().split("\n")
        kept = [line for line in text if line.strip()]
        most = 2 if isinstance(message, UserMessage) else 4
        said += [
            one_line(f"{mark}{kept[0]}", columns),
            *("  " + one_line(line, columns - 2) for line in kept[1:most]),
        ]
        if len(kept) > most:
            said[-1] = fit(said[-1] + " …", columns)
    room = rows - len(lines)
    return lines + (said[-room:] if room > 0 else [])


def footer(picking: Picking, columns: int, *, is_searching: bool, can_remove: bool) -> str:
    """Return the line below: what is asked, what went wrong, or the keys."""
    if picking.is_removing and picking.chosen is not None:
        question = " remove it for good, with its file states? [y/N]"
        title = one_line(picking.chosen.title, max(8, columns - len(question) - 2))
        return fit(f"“{title}”{question}", columns)
    if picking.note:
        return one_line(picking.note, columns)
    if is_searching:
        return fit("looking into what was said …", columns)
    keys = ["Enter opens", "Esc leaves", f"Tab {'this directory' if picking.everywhere else 'all'}"]
    keys += ["Ctrl-F what was said"] + ["Ctrl-D removes"] * can_remove
    line = ""
    for key in keys:
        longer = f"{line} · {key}" if line else key
        if len(longer) > columns:
            break
        line = longer
    return line
