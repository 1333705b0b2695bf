"""`apply_patch`: files changed, created, deleted and moved by one patch, all or nothing.

The patch may be written in Codex's grammar, as a unified diff or as
SEARCH/REPLACE blocks.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from qcode import beneath
from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools.base import Context, Result, Touch
from qcode.tools.change import Opened, Planned, carry_out, open_text
from qcode.tools.clip import clip
from qcode.tools.failures import failed_edit
from qcode.tools.files import same_name
from qcode.tools.notebooks import check_not_by_text, check_whole
from qcode.tools.rehearsed import FileTool
from qcode.tools.schema import HIDDEN

if TYPE_CHECKING:
    from qcode.editing.patch import FileChange


class Params(Record):
    input: Annotated[str, "the whole patch"]
    insist: Annotated[bool, HIDDEN] = False


class ApplyPatch(FileTool[Params]):
    name = "apply_patch"
    params = Params

    def touches(self, params: Params) -> Touch:
        from qcode.editing.patch import paths

        return Touch(paths(params.input))

    def summary(self, params: Params) -> str:
        from qcode.editing.patch import paths

        return ", ".join(paths(params.input))

    async def run(self, params: Params, context: Context) -> Result:
        from qcode.editing.outcome import Refused
        from qcode.editing.patch import apply

        files = _Files(context)
        outcome = await asyncio.to_thread(apply, params.input, files, files.relative)
        if isinstance(outcome, Refused):
            raise self._refused(params, context, files, outcome.text.replace(_OUTSIDE, "/"))
        plans = [_plan(context, files, change) for change in outcome]
        reals = [plan.real for plan in plans]
        reals += [plan.moved_from.real for plan in plans if plan.moved_from is not None]
        if twice := {each for each in reals if reals.count(each) > 1}:
            shown = context.workspace.show(min(twice))
            raise ToolError(f"The patch names {shown} in two ways; nothing was changed.")
        return await carry_out(context, plans, insist=params.insist)

    def _refused(self, params: Params, context: Context, files: _Files, said: str) -> ToolError:
        """Return the error, counted against the file that it is about."""
        opened = [each for each in files.opened.values() if each.path in said]
        opened = opened or list(files.opened.values())[-1:]
        if not opened:
            return ToolError(said)
        check_not_by_text(opened[0].path, opened[0].real, opened[0].text)
        lines = params.input.split("\n")
        sought = "\n".join(line[1:] for line in lines if line[:1] in (" ", "-"))
        return failed_edit(context, opened[0].real, opened[0].text, said, sought=sought)


_OUTSIDE = "outside:/"
"""Instead of the first `/` of paths in other directories that may be worked in.

A patch has only paths below one root; so these are, too.
"""


class _Files:
    """The workspace's files as a patch is applied to them; each is read once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.opened: dict[str, Opened] = {}
        """By the path as the patch has it."""

    def read(self, path: str) -> str | None:
        """Return a file's text; None if there is no such file."""
        if path not in self.opened:
            written = _written(path)
            if not beneath.exists(self._context.path(written, write=True)):
                return None
            self.opened[path] = open_text(self._context, written)
        return self.opened[path].text

    def similar(self, path: str) -> Sequence[str]:
        """Return files of the same name elsewhere."""
        return same_name(self._context, Path(path).name)

    def relative(self, path: str) -> str | None:
        """Return an absolute path relative to the workspace's root.

        Raises:
            ToolError: it is outside, and nobody allowed it.
        """
        shown = self._context.workspace.show(_unresolved(self._context, path))
        return _OUTSIDE + shown[1:] if os.path.isabs(shown) else shown

    def changed_since_seen(self, path: str) -> bool:
        """Whether the model knows another content of the file."""
        return path in self.opened and self.opened[path].is_changed


def _plan(context: Context, files: _Files, change: FileChange) -> Planned:
    """Return what is to become of a file.

    Raises:
        ToolError: a patch is not the way to do that.
    """
    written = _written(change.path)
    path = clip(written)
    if change.after is None:
        before = files.opened[change.path]
        # A link that is deleted goes itself, and not what it leads to.
        return Planned(_unresolved(context, written), before, None)
    real = context.path(written, write=True)
    if change.before is None:
        check_whole(path, real, change.after)
        return Planned(real, None, change.after, is_whole=True)
    source = files.opened[change.moved_from or change.path]
    if change.after != change.before:
        check_not_by_text(path, source.real, source.text)
    lines = tuple(first for first, _ in change.places)
    if not change.moved_from:
        return Planned(real, source, change.after, lines, change.places, change.notes)
    if _unresolved(context, _written(change.moved_from)) != source.real:
        raise ToolError(
            f"{source.path} is a symbolic link, so nothing was changed. "
            "Move it with a shell command."
        )
    return Planned(real, None, change.after, lines, change.places, change.notes, moved_from=source)


def _written(path: str) -> str:
    """Return a path as it names the file outside of the patch."""
    return "/" + path.removeprefix(_OUTSIDE) if path.startswith(_OUTSIDE) else path


def _unresolved(context: Context, path: str) -> Path:
    """Return a path with its folder's links resolved and its own not."""
    return context.entry(path, write=True)
