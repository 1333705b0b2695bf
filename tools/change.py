"""What the editing tools have in common: files read to be changed, and the changes made."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple, Unpack

from qcode import beneath
from qcode.editing.diff import Change, changes
from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools import syntax
from qcode.tools.base import Context, Result
from qcode.tools.clip import clip
from qcode.tools.failures import failed_edit
from qcode.tools.files import (
    Coding,
    binary_kind,
    changed_since_seen,
    decode,
    failed,
    land,
    line_count,
    read_existing,
)
from qcode.tools.lines import excerpt
from qcode.tools.notebooks import is_notebook
from qcode.transaction import Change as FileChange
from qcode.transaction import Delete, Write

if TYPE_CHECKING:
    from qcode.editing.effects import FileEffect

A = TypeVarTuple("A")
T = TypeVar("T")

LARGEST = 32 * 1024 * 1024
"""Bytes of a file that is edited; a larger one would take several times that of memory."""
_ASIDE = 1024 * 1024
"""Bytes from which work on a text would make all else wait, so it is done in a thread."""


class Opened(Record):
    """A text file as it was read to be changed."""

    real: Path
    path: str
    """As the model wrote it, clipped."""
    data: bytes
    text: str
    coding: Coding
    status: os.stat_result
    is_changed: bool
    """Whether the model knows another content of it."""


class Planned(Record):
    """What is to become of one file."""

    real: Path
    before: Opened | None
    """None: it is to be created, or moved to."""
    after: str | None
    """None: it is to go."""
    lines: tuple[int, ...] = ()
    """First line of each place that changes, in the new text."""
    places: tuple[tuple[int, int], ...] = ()
    """First and last lines of what is shown of the new text, as it was adjusted."""
    notes: tuple[str, ...] = ()
    """How it was adjusted."""
    moved_from: Opened | None = None
    """The file moved here, which goes."""
    is_whole: bool = False
    """Whether the model wrote the whole text."""
    cells: tuple[str, ...] = ()
    """Of a notebook: which of its cells change."""


async def aside(is_large: bool, work: Callable[[Unpack[A]], T], *arguments: *A) -> T:
    """Do work here, or in a thread if it takes long; it writes nothing."""
    return await asyncio.to_thread(work, *arguments) if is_large else work(*arguments)


def is_large(*texts: str | bytes | None) -> bool:
    """Whether work on these would make all else wait."""
    return sum(len(text) for text in texts if text) > _ASIDE


def open_text(context: Context, path: str) -> Opened:
    """Return a text file that may be changed.

    Raises:
        ToolError: there is none, or it is none.
    """
    real, path = context.path(path, write=True), clip(path)
    status, data = read_existing(context, path, real, LARGEST)
    if kind := binary_kind(data):
        raise ToolError(f"{path} is {kind}, not text; it cannot be edited.")
    text, coding = decode(data)
    is_changed = changed_since_seen(context, real, data)
    return Opened(real, path, data, text, coding, status, is_changed)


def check_writable(context: Context, real: Path, status: os.stat_result) -> None:
    """Refuse to replace a file that its owner protected: a rename would not ask.

    Raises:
        ToolError: it is write-protected.
    """
    if not status.st_mode & 0o222 or not beneath.may_write(real):
        mode = stat.S_IMODE(status.st_mode)
        raise ToolError(
            f"{context.workspace.show(real)} is write-protected (mode {mode:o}), so nothing was "
            "changed. It may be generated, or kept from changes on purpose: ask the person, "
            "or change it with chmod first."
        )


def check_unmasked(path: str, before: str, after: str) -> None:
    """Refuse to put what stands for a secret in the place of one.

    Raises:
        ToolError: the new text has a mark of which the old one has fewer.
    """
    if "[masked: " not in after:
        return
    from collections import Counter

    from qcode.secrets import MARK

    added = Counter(MARK.findall(after)) - Counter(MARK.findall(before))
    if added:
        raise ToolError(
            f"{path}: {min(added)} stands for a secret that you are not shown; nothing was "
            "changed. Edit around it: replace only lines without it, and leave that one as it is. "
            "To have a secret put in, ask the person."
        )


def new_file(real: Path, content: str) -> Planned:
    """Return the plan for a file that does not exist."""
    return Planned(real, None, content, is_whole=True)


async def carry_out(context: Context, plans: Sequence[Planned], *, insist: bool = False) -> Result:
    """Make all the changes or none; return what to tell.

    With `insist`, a file may be one that does not parse any more.

    Raises:
        ToolError: they could not be made; nothing was changed.
    """
    part = context.part
    if part is not None:
        from qcode.tools import partly

        plans = partly.allowed_part(plans, [_effect(context, plan) for plan in plans], part)
    writes: list[FileChange] = []
    for plan in plans:
        # What a person chose is not for the model to write anew.
        writes += await _writes(context, plan, insist=insist or part is not None)
    if context.rehearsal is not None:
        context.rehearsal([_effect(context, plan) for plan in plans])
        return Result("")
    stale = [
        plan.real for plan in plans if (old := plan.before or plan.moved_from) and old.is_changed
    ]
    land(context, writes, unknown=stale)
    if context.landed is not None:
        context.landed([_effect(context, plan) for plan in plans])
    told, totals, diffs = [], [0, 0], []
    for plan in plans:
        context.failures.pop(plan.real, None)
        shown = context.workspace.show(plan.real)
        source = plan.before or plan.moved_from
        was, now = source.text if source else "", plan.after or ""
        change = await aside(is_large(was, now), changes, was, now, shown)
        totals = [totals[0] + change.added, totals[1] + change.removed]
        diffs.append(change.diff)
        told.append(_told(context, plan, shown, change))
    summary = f"+{totals[0]} −{totals[1]}"
    if len(plans) > 1:
        summary = f"{len(plans)} files, {summary}"
    elif plans[0].before is None and plans[0].moved_from is None:
        summary = f"created, {lines_of(line_count(plans[0].after or ''))}"
    text = "\n".join(told)
    if part is not None:
        from qcode.tools import partly

        text += partly.told(part, [_effect(context, plan) for plan in plans])
    return Result(text, summary, "\n".join(diffs))


def _effect(context: Context, plan: Planned) -> FileEffect:
    """Return what a plan makes of a file, as a person is shown it."""
    from qcode.editing.effects import FileEffect

    source, show = plan.before or plan.moved_from, context.workspace.show
    return FileEffect(
        show(plan.real),
        source.text if source else None,
        plan.after,
        show(plan.moved_from.real) if plan.moved_from else "",
        is_one=is_notebook(plan.real, source.text if source else ""),
    )


async def _writes(context: Context, plan: Planned, *, insist: bool) -> list[FileChange]:
    """Return what is to be written for a plan, having checked that it may be."""
    old = plan.before or plan.moved_from
    if plan.after is None:
        assert old is not None
        if plan.real != old.real:
            try:
                return [Delete(plan.real, beneath.status(plan.real))]
            except OSError as error:
                raise failed(error, context.workspace.show(plan.real)) from error
        check_writable(context, old.real, old.status)
        return [Delete(plan.real, old.status)]
    if old is not None:
        check_writable(context, old.real, old.status)
    check_unmasked(context.workspace.show(plan.real), old.text if old else "", plan.after)
    size = is_large(plan.after)
    if old is None:
        return [Write(plan.real, await aside(size, plan.after.encode), None)]
    if plan.before is None or plan.after != old.text:
        check = partial(syntax.check, insist=insist)
        try:
            await aside(size, check, plan.real.name, old.text, plan.after)
        except ToolError as error:
            at = plan.lines[0] if plan.lines else None
            raise failed_edit(
                context, old.real, old.text, str(error), line=at, may_rewrite=not plan.is_whole
            ) from None
    data = await aside(size, old.coding.encode, plan.after)
    if plan.before is not None:
        return [Write(plan.real, data, old.status)]
    return [Write(plan.real, data, None, old.real), Delete(old.real, old.status)]


def _told(context: Context, plan: Planned, shown: str, change: Change) -> str:
    """Return what the model is told of one file."""
    size = f"+{change.added} −{change.removed}"
    if plan.after is None:
        return f"Deleted {shown} ({lines_of(change.removed)})."
    count = lines_of(line_count(plan.after))
    if plan.moved_from is not None:
        text = f"Moved {context.workspace.show(plan.moved_from.real)} to {shown} ({size})"
    elif plan.before is None:
        return f"Created {shown} ({count}).{syntax.warning(plan.real.name, plan.after)}"
    elif plan.is_whole:
        text = f"Overwrote {shown} ({count}, {size})"
    else:
        where = f"in cell {', '.join(plan.cells)}" if plan.cells else _at(plan.lines)
        text = f"Edited {shown} {where} ({size})"
    if plan.notes:
        text = f"{text}; {'; '.join(plan.notes)}. It now reads:\n{excerpt(plan.after, plan.places)}"
    else:
        text += "."
    return text + _aftermath(plan)


def _aftermath(plan: Planned) -> str:
    """Return what a person may wonder about later, having replaced a file by another."""
    old = plan.before
    if old is None:
        return ""
    notes = []
    if old.is_changed and not plan.is_whole:
        notes.append("The file has changed since you read it; read it before you edit it further.")
    if old.status.st_nlink > 1:
        notes.append(
            f"It had {old.status.st_nlink} hard links; under its other names the old text stays."
        )
    try:
        now = beneath.status(plan.real)
    except OSError:
        now = old.status
    if (now.st_uid, now.st_gid) != (old.status.st_uid, old.status.st_gid):
        notes.append("Its owner or group could not be kept.")
    return "".join(f"\n{note}" for note in notes)


def _at(lines: Sequence[int]) -> str:
    if len(lines) == 1:
        return f"at line {lines[0]}"
    some = ", ".join(map(str, lines[:10])) + (", …" if len(lines) > 10 else "")
    return f"at {len(lines)} places, lines {some}"


def lines_of(count: int) -> str:
    """Return a number of lines in words."""
    return f"{count} line{'s' if count != 1 else ''}"
