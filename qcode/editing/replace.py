"""Search and replace that is sure of its places or refuses: one edit or several, all or none."""

from __future__ import annotations

from collections.abc import Sequence

from qcode.editing.assembly import Assembly
from qcode.editing.body import BOM, Body, Splice
from qcode.editing.explain import NO_EFFECT, OLD, blank, explain, same
from qcode.editing.ladder import exact, find, find_all
from qcode.editing.landing import Match, Miss
from qcode.editing.outcome import Edited, Reason, Refused
from qcode.record import Record


class Replacement(Record):
    """One text to be replaced by another where it stands exactly once, or everywhere."""

    old: str
    new: str
    replace_all: bool = False


def replace(
    text: str,
    edits: Sequence[Replacement],
    *,
    changed_since_seen: bool = False,
    what: str = OLD,
) -> Edited | Refused:
    """Return the text with all edits made, or why it was left alone.

    All edits are located in the text as it is; one that is not there may mean what
    the edits before it write. `text` has its own line ends; those of the edits do
    not matter. With `changed_since_seen` the model last saw another text, and only
    exact places count. `what` is what refusals call the text to be replaced.
    """
    if not edits:
        return Refused(Reason.MALFORMED, "There are no edits. Give at least one.")
    body = Body(text)
    assembly = Assembly(body)
    refusals: dict[int, Refused] = {}
    for number, edit in enumerate(edits):
        refusal = _add(assembly, number, _folded(edit, body), changed_since_seen, what)
        if refusal:
            refusals[number] = refusal
    if refusals:
        return _numbered(refusals, len(edits))
    edited = assembly.finish()
    return Refused(Reason.NO_CHANGE, NO_EFFECT) if edited.text == text else edited


def _folded(edit: Replacement, body: Body) -> Replacement:
    """Return an edit with plain line ends, and without a byte order mark of its own."""
    old, new = edit.old.replace("\r\n", "\n"), edit.new.replace("\r\n", "\n")
    if old.startswith(BOM) or body.text or body.bom:
        old, new = old.removeprefix(BOM), new.removeprefix(BOM)
    return Replacement(old, new, edit.replace_all)


def _add(
    assembly: Assembly, number: int, edit: Replacement, is_stale: bool, what: str
) -> Refused | None:
    body = assembly.body
    if edit.old == edit.new:
        return Refused(Reason.NO_CHANGE, same(what))
    if not edit.old.strip():
        if body.text:
            return Refused(Reason.EMPTY_SEARCH, blank(what))
        found: list[Match] | Match | Miss = Match(0, 0, (Splice(0, 0, edit.new),))
    elif edit.replace_all:
        found = find_all(body, edit.old, edit.new)
        if isinstance(found, Miss) and found.reason is Reason.NOT_FOUND and is_stale:
            found = Miss(Reason.STALE)
    else:
        found = find(body, edit.old, edit.new, exact_only=is_stale)
    if isinstance(found, Miss):
        if not assembly.is_empty and edit.old not in body.text:
            behind = exact(assembly.now(), edit.old, edit.new)
            if isinstance(behind, Match):
                assembly.add_behind(number, behind)
                return None
        # All places are changed only where the text stands exactly.
        is_exact = what == OLD and not found.detail and edit.old in body.text
        more = ", or set replace_all to change all" if is_exact else ""
        return explain(found, body, edit.old, what=what, more=more)
    for match in found if isinstance(found, list) else [found]:
        other = assembly.add(number, match)
        if other is not None:
            line = body.line_at(match.start)
            return Refused(
                Reason.OVERLAP,
                f"It touches the same text as edit {other + 1}, at line {line}, or inserts at the "
                "same place. Nothing was changed. Make one edit of both.",
            )
    return None


def _numbered(refusals: dict[int, Refused], total: int) -> Refused:
    """Return the first refusal with its number and what is true of the other edits."""
    first = min(refusals)
    refusal = refusals[first]
    if total == 1:
        return refusal
    others = [str(number + 1) for number in sorted(refusals) if number != first]
    good = [str(number + 1) for number in range(total) if number not in refusals]
    rest = []
    if good:
        rest.append(f"{_listed(good)} would apply")
    if others:
        rest.append(f"{_listed(others)} would not either")
    also = f" Of the others, {'; '.join(rest)}." if rest else ""
    return Refused(
        refusal.reason,
        f"Edit {first + 1} of {total}: {refusal.text}{also} None of the edits was made.",
    )


def _listed(numbers: Sequence[str]) -> str:
    if len(numbers) > 20:
        return f"{', '.join(numbers[:20])} and {len(numbers) - 20} more"
    return " and ".join([", ".join(numbers[:-1]), numbers[-1]] if len(numbers) > 1 else numbers)
