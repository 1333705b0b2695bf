"""An edit of which a person allowed only some changes: what becomes of it, and what is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qcode.editing.effects import FileEffect, Part, applied, diff, hunks, joined, pieces
from qcode.errors import ToolError
from qcode.record import replace
from qcode.tools import syntax

if TYPE_CHECKING:
    from qcode.tools.change import Planned


def allowed_part(
    plans: Sequence[Planned], effects: Sequence[FileEffect], part: Part
) -> list[Planned]:
    """Return the plans for what was allowed.

    Raises:
        ToolError: they are others than the person was shown.
    """
    others = [now.path for now, then in zip(effects, part.shown, strict=False) if now != then]
    if others or len(effects) != len(part.shown):
        raise ToolError(
            f"{others[0] if others else 'A file'} changed after the person was shown the edit, so "
            "nothing was changed. Read it again."
        )
    chosen: list[Planned] = []
    number = 0
    for plan, effect in zip(plans, effects, strict=True):
        count = len(pieces([effect]))
        taken = {at for at in range(count) if number + at not in part.left_out}
        number += count
        if len(taken) == count:
            chosen.append(plan)
        elif taken:
            chosen.append(_some(plan, effect, taken))
    if not chosen:
        raise ToolError("The person allowed none of these changes. Ask what they want instead.")
    return chosen


def told(part: Part, made: Sequence[FileEffect]) -> str:
    """Return what the model is told, behind what it is told of any edit."""
    every = pieces(part.shown)
    if not part.left_out:
        return ""
    left = [piece for number, piece in enumerate(every) if number in part.left_out]
    broken = "".join(
        syntax.warning(file.path.rpartition("/")[2], file.after)
        for file in made
        if file.before is not None and file.after is not None
    )
    return (
        f"\nThe person refused {len(left)} of the {len(every)} changes, which were not made:\n"
        f"{joined(left)}What was made:\n{diff(made)}".rstrip("\n")
        + broken
    )


def _some(plan: Planned, effect: FileEffect, taken: set[int]) -> Planned:
    before = effect.before or ""
    after = applied(before, hunks(before, effect.after or ""), taken)
    lines = tuple(hunk.first_changed for hunk in hunks(before, after))
    return replace(plan, after=after, lines=lines, places=(), notes=(), is_whole=False)
