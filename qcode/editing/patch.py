"""Edits as text, of any number of files: SEARCH/REPLACE blocks, `apply_patch`, unified diffs.

All or nothing: a refusal changes no file.
"""

from __future__ import annotations

from collections.abc import Sequence

from qcode.editing import blocks, codex, unified
from qcode.editing.draft import Draft, FileChange, Source
from qcode.editing.fold import rows as lines_of
from qcode.editing.hunks import apply_hunks, is_same
from qcode.editing.operations import Add, Delete, Operation, Update
from qcode.editing.outcome import Edited, Reason, Refused
from qcode.editing.pathname import Refusal, Relative, normal
from qcode.editing.placeholder import left_out
from qcode.editing.replace import Replacement, replace

__all__ = ["FileChange", "Source", "apply", "paths"]

_FORMATS = (
    "Nothing in it is an edit. Write `*** Begin Patch` … `*** End Patch`, a unified diff with "
    "`---` and `+++` lines, or blocks of `<<<<<<< SEARCH`, `=======`, `>>>>>>> REPLACE` below the "
    "file's path. Nothing was changed."
)


def apply(
    text: str, source: Source, relative: Relative | None = None
) -> tuple[FileChange, ...] | Refused:
    """Return what an edit makes of the files, or why it was refused.

    The format is told from the first marker. Absolute paths are outside of the
    root unless `relative` makes them relative to it.
    """
    rows = _rows(text)
    draft = Draft(source)
    try:
        kind = _kind(rows)
        if kind == "blocks":
            _apply_blocks(blocks.parse(rows), draft, relative)
        elif kind:
            parse = codex.parse if kind == "codex" else unified.parse
            operations = parse(rows)
            for operation in operations:
                _apply(operation, draft, relative, len(operations))
        else:
            return Refused(Reason.MALFORMED, _FORMATS)
    except Refusal as refusal:
        return refusal.refused
    changes = draft.changes()
    return changes or Refused(Reason.NO_CHANGE, "The edit changes nothing. Nothing was changed.")


def paths(text: str) -> tuple[str, ...]:
    """Return every path that an edit names, in any format; none that it touches is missing.

    Paths that lead out of the root are given as they are.
    """
    rows = _rows(text)
    found = {"blocks": blocks.named, "codex": codex.named, "unified": unified.named}
    kind = _kind(rows)
    names: dict[str, None] = {}
    for name in found[kind](rows) if kind else ():
        try:
            names[normal(name)] = None
        except Refusal as refusal:
            if refusal.refused.reason is Reason.OUTSIDE_ROOT:
                names[name] = None
    return tuple(names)


def _rows(text: str) -> list[str]:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")


def _kind(rows: Sequence[str]) -> str:
    for at, row in enumerate(rows):
        if blocks.is_start(row):
            return "blocks"
        if codex.is_start(row):
            return "codex"
        if unified.is_start(rows, at):
            return "unified"
    return ""


def _apply(operation: Operation, draft: Draft, relative: Relative | None, total: int) -> None:
    path = normal(operation.path, relative)
    try:
        match operation:
            case Add():
                _add(operation, path, draft)
            case Delete():
                _delete(operation, path, draft)
            case Update():
                if operation.unprefixed and draft.read(path) is None:
                    path = normal(operation.unprefixed, relative)
                to = normal(operation.to, relative) if operation.to else ""
                _update(operation, path, to, draft)
    except Refusal as refusal:
        also = " No file was changed." if total > 1 else ""
        raise Refusal(refusal.refused.reason, refusal.refused.text + also) from None


def _add(operation: Add, path: str, draft: Draft) -> None:
    if draft.read(path) is not None:
        raise Refusal(
            Reason.EXISTS,
            f"{path} exists, so it cannot be added. Nothing was changed. Update it, or delete it "
            "first in the same patch to replace it.",
        )
    old = draft.original(path)
    if old is not None and (marker := left_out(operation.content, old)):
        raise Refusal(
            Reason.PLACEHOLDER,
            f"{path}: the new text has a line that stands for left-out code: {marker!r}. Nothing "
            "was changed. Write the code out, or update a part of the file.",
        )
    draft.write(path, operation.content, [(1, max(1, len(lines_of(operation.content))))])


def _delete(operation: Delete, path: str, draft: Draft) -> None:
    text = _existing(path, draft)
    is_stale = draft.is_stale(path)
    if operation.stated is None:
        if is_stale:
            raise Refusal(
                Reason.STALE,
                f"{path} has changed since you read it, so it was not deleted. Read it again.",
            )
    elif not is_same(lines_of(text.removeprefix("\ufeff").replace("\r\n", "\n")), operation.stated):
        reason = Reason.STALE if is_stale else Reason.NOT_FOUND
        raise Refusal(
            reason,
            f"{path} has other content than the diff removes, so it was not deleted. Nothing was "
            "changed. Read it again and give its exact text.",
        )
    draft.write(path, None)


def _update(operation: Update, path: str, to: str, draft: Draft) -> None:
    text = _existing(path, draft)
    if to and to != path and draft.read(to) is not None:
        raise Refusal(
            Reason.EXISTS, f"{to} exists, so {path} cannot be moved there. Nothing was changed."
        )
    if operation.hunks:
        outcome = apply_hunks(text, operation.hunks, exact_only=draft.is_stale(path))
        if isinstance(outcome, Refused):
            raise Refusal(outcome.reason, f"{path}: {outcome.text}")
        draft.write(path, outcome.text, outcome.places, outcome.notes)
    if to and to != path:
        draft.move(path, to)


def _existing(path: str, draft: Draft) -> str:
    text = draft.read(path)
    if text is None:
        raise _missing(path, draft)
    return text


def _missing(path: str, draft: Draft) -> Refusal:
    others = list(draft.similar(path))[:5]
    hint = f" Files with the same name: {', '.join(others)}." if others else ""
    return Refusal(Reason.MISSING_FILE, f"{path} does not exist.{hint} Nothing was changed.")


def _apply_blocks(found: Sequence[blocks.Block], draft: Draft, relative: Relative | None) -> None:
    edits: dict[str, list[blocks.Block]] = {}
    path = ""
    for block in found:
        path = _path_of(block, path, draft, relative)
        edits.setdefault(path, []).append(block)
    for path, own in edits.items():
        text = draft.read(path)
        replacements = [blocks.replacement(block, text) for block in own]
        if text is None and replacements[0].old.strip():
            raise _missing(path, draft)
        is_stale = draft.is_stale(path)
        outcome = replace(
            text or "", replacements, changed_since_seen=is_stale, what="The SEARCH part"
        )
        if isinstance(outcome, Refused) and not (text is None and _is_empty(replacements)):
            also = " No file was changed." if len(edits) > 1 else ""
            raise Refusal(outcome.reason, f"{path}: {outcome.text}{also}")
        if isinstance(outcome, Edited):
            draft.write(path, outcome.text, outcome.places, outcome.notes)
        else:
            draft.write(path, "")


def _is_empty(replacements: Sequence[Replacement]) -> bool:
    return all(not each.old.strip() and not each.new for each in replacements)


def _path_of(block: blocks.Block, before: str, draft: Draft, relative: Relative | None) -> str:
    if block.maybe:
        try:
            name = normal(block.maybe, relative)
        except Refusal:
            name = ""
        if name and draft.read(name) is not None:
            return name
    if block.path:
        return normal(block.path, relative)
    if not before:
        raise Refusal(
            Reason.MALFORMED,
            f"Line {block.line} of the edit: no path is above the block. Put the file's path alone "
            "on the line above it. Nothing was changed.",
        )
    return before
