"""Texts replaced by others in one or more files: what `edit` and `multi_edit` share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from qcode import beneath
from qcode.errors import AlreadySo, ToolError
from qcode.record import Record
from qcode.tools.base import Context, Result
from qcode.tools.change import Opened, Planned, aside, carry_out, is_large, new_file, open_text
from qcode.tools.clip import clip
from qcode.tools.failures import failed_edit
from qcode.tools.notebooks import is_notebook, replaced


class Wanted(Record):
    """One text to be replaced."""

    path: str
    old: str
    new: str
    replace_all: bool = False


async def replace_in_files(
    context: Context, wanted: Sequence[Wanted], *, insist: bool = False
) -> Result:
    """Make all the replacements or none.

    Raises:
        ToolError: one does not fit; nothing was changed.
    """
    by_file: dict[Path, list[Wanted]] = {}
    for each in wanted:
        by_file.setdefault(context.path(each.path, write=True), []).append(each)
    plans: list[Planned] = []
    for real, edits in by_file.items():
        try:
            plans.append(await _plan(context, real, edits, insist=insist))
        except ToolError as error:
            if len(by_file) == 1:
                raise
            others = ", ".join(context.workspace.show(each) for each in by_file if each != real)
            note = f"No file was changed; send the edits of {others} again too."
            if len(edits) > 1:
                note = f"(Edits are counted file by file.) {note}"
            raise ToolError(f"{error}\n{note}", essence=error.essence) from None
    return await carry_out(context, plans, insist=insist)


async def _plan(context: Context, real: Path, edits: Sequence[Wanted], *, insist: bool) -> Planned:
    from qcode.editing.outcome import Reason, Refused
    from qcode.editing.replace import Replacement, replace

    path = clip(edits[0].path)
    if not edits[0].old and len(edits) == 1 and not beneath.exists(real):
        return new_file(real, edits[0].new)
    if not edits[0].old and not beneath.exists(real):
        text, before = "", None
    else:
        before = open_text(context, edits[0].path)
        text = before.text
        if text and any(not each.old for each in edits):
            raise ToolError(
                f"{path} exists, and an empty old_string only creates files. "
                "Give the lines to replace, copied from the file."
            )
        if not text and len(edits) == 1 and not edits[0].old:
            return Planned(real, before, edits[0].new, (1,))
    if before is not None and is_notebook(real, text):
        return await _plan_cells(context, before, edits, insist=insist)
    work = partial(replace, changed_since_seen=before is not None and before.is_changed)
    asked = [Replacement(each.old, each.new, each.replace_all) for each in edits]
    outcome = await aside(is_large(text), work, text, asked)
    if isinstance(outcome, Refused):
        if outcome.reason in (Reason.ALREADY_APPLIED, Reason.NO_CHANGE):
            raise AlreadySo(f"{path}: {outcome.text}")
        sought = "\n".join(each.old for each in edits)
        raise failed_edit(context, real, text, f"{path}: {outcome.text}", sought=sought)
    if before is None:
        return new_file(real, outcome.text)
    lines = tuple(first for first, _ in outcome.places)
    return Planned(real, before, outcome.text, lines, outcome.places, outcome.notes)


async def _plan_cells(
    context: Context, before: Opened, edits: Sequence[Wanted], *, insist: bool
) -> Planned:
    """Plan for a notebook: the texts are those of cells, as it is read."""
    from qcode.editing.outcome import Refused
    from qcode.editing.replace import Replacement

    if before.is_changed:
        raise ToolError(f"{before.path} has changed since you read it. Read it again, then edit.")
    asked = [Replacement(each.old, each.new, each.replace_all) for each in edits]
    work = partial(replaced, insist=insist)
    outcome = await aside(is_large(before.text), work, before.text, asked)
    if isinstance(outcome, Refused):
        said = f"{before.path}: {outcome.text}"
        raise failed_edit(context, before.real, "", said, may_rewrite=False)
    text, cells = outcome
    return Planned(before.real, before, text, cells=cells)
