"""`write_file`: a whole file, new or replaced."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from qcode import beneath
from qcode.editing.placeholder import left_out
from qcode.errors import ToolError
from qcode.record import Record, replace
from qcode.tools.base import Context, Result, Touch
from qcode.tools.change import (
    Opened,
    Planned,
    aside,
    carry_out,
    is_large,
    lines_of,
    new_file,
)
from qcode.tools.clip import clip
from qcode.tools.files import (
    Coding,
    binary_kind,
    changed_since_seen,
    decode,
    fingerprint,
    line_count,
    read_existing,
)
from qcode.tools.notebooks import check_whole
from qcode.tools.rehearsed import FileTool
from qcode.tools.schema import HIDDEN

if TYPE_CHECKING:
    from qcode.editing.imported import Other

_SHOWN_LINES = 300
_LONG, _PIECE = 12, 3
"""Of a file with so many lines or more, less than one in so many is taken for a piece."""


class Params(Record):
    file_path: str
    content: str
    insist: Annotated[bool, HIDDEN] = False


class WriteFile(FileTool[Params]):
    name = "write_file"
    params = Params

    def touches(self, params: Params) -> Touch:
        return Touch((params.file_path,))

    def summary(self, params: Params) -> str:
        return f"{params.file_path} ({lines_of(line_count(params.content))})"

    async def run(self, params: Params, context: Context) -> Result:
        real = context.path(params.file_path, write=True)
        if params.file_path.endswith("/"):
            raise ToolError(f"{clip(params.file_path)} names a directory; give the file's path.")
        check_whole(clip(params.file_path), real, params.content)
        if not beneath.exists(real):
            content, added = _with_imports(context, real, params, params.content)
            result = await carry_out(context, [new_file(real, content)])
            return _also(result, added)
        before = await _known(context, real, clip(params.file_path))
        if not params.content.strip() and context.is_to_go(real):
            # Asked to remove a file, a model that only writes files writes it without a line.
            going = context.entry(params.file_path, write=True)
            return await carry_out(context, [Planned(going, before, None)])
        if marker := left_out(params.content, before.text):
            raise ToolError(
                f"The content has a line that stands for left-out code: {clip(marker)!r}. It would "
                f"replace that code; {before.path} was not changed. "
                "Write it out whole, or use edit."
            )
        written, kept = params.content, ""
        if context.whole_files and not params.insist:
            own = like(before.text, params.content)  # else the two line ends would be mixed
            written, kept = _with_the_rest(context, real, before, own)
        written, added = _with_imports(context, real, params, written)
        content = like(before.text, written)
        if context.whole_files and not params.insist:
            content = _spaced(context, before.text, content)
        if before.coding.encode(content) == before.data:
            shown = context.workspace.show(real)
            return Result(f"{shown} already has exactly this content.", "unchanged")
        plan = Planned(real, before, content, is_whole=True)
        result = await carry_out(context, [plan], insist=params.insist)
        return _also(result, kept + added)


def _also(result: Result, said: str) -> Result:
    """Return a result that says more."""
    return replace(result, text=f"{result.text}{said}") if said else result


def _with_imports(context: Context, real: Path, params: Params, content: str) -> tuple[str, str]:
    """Return the content with imports that it forgot, and what is said of them."""
    if not context.whole_files or params.insist or real.suffix != ".py":
        return content, ""
    from qcode.editing.imported import imported

    found = imported(content, _seen_python(context, real))
    if found is None:
        return content, ""
    return found.text, f"\n[{'; '.join(found.added)}: missing in what you wrote, and added.]"


def _spaced(context: Context, before: str, content: str) -> str:
    """Return the content with the blanks that were there, unless the task may be about them."""
    from qcode.editing import spacing

    return content if spacing.is_about(context.named) else spacing.kept(before, content)


def _seen_python(context: Context, real: Path) -> Iterator[Other]:
    """Return the Python files that the model has seen, without the one that it writes."""
    from qcode.editing.imported import Other

    # Of a package's files it is said how they import each other; of others' it is not known.
    dot = "." if beneath.exists(real.parent / "__init__.py") else ""
    for other in sorted(context.seen):
        if other != real and other.suffix == ".py":
            is_beside = other.parent == real.parent and other.stem.isidentifier()
            module = f"{dot}{other.stem}" if is_beside and other.stem != "__init__" else ""
            with contextlib.suppress(OSError, UnicodeDecodeError):
                yield Other(beneath.read(other).decode("utf-8"), module)


def _with_the_rest(context: Context, real: Path, before: Opened, content: str) -> tuple[str, str]:
    """Return the content with definitions that were left out, and what is said of them.

    Raises:
        ToolError: it is not clear where they belong; the same content again is taken as it is.
    """
    from qcode.editing.lost import defined, lost

    gone = lost(before.path, before.text, content, context.named)
    if gone and before.path.endswith((".py", ".pyi")):
        from qcode.editing.merged import merged

        whole = merged(before.text, content, context.named)
        if whole is not None:
            names = ", ".join(whole.kept[:8])
            return whole.text, f"\n[{names}: left out of what you wrote, and still there.]"
    had, has = line_count(before.text), line_count(content)
    if not gone and had >= _LONG and has * _PIECE < had and not defined(before.path, before.text):
        gone = (f"most of the {had} lines",)  # an example of a setting, say
    if not content.strip() and before.text.strip():
        gone = ("all of it",)  # an answer that broke off, or nonsense
    if gone and context.told_lost.get(real) != gone:
        context.told_lost[real] = gone
        raise ToolError(
            f"{before.path} was not changed: what you wrote leaves out {', '.join(gone[:8])}, "
            "which it has now. Write all of the file again, with what is to stay."
        )
    return content, ""


async def _known(context: Context, real: Path, path: str) -> Opened:
    """Return an existing file whose present content the model knows."""
    status, data = read_existing(context, path, real)
    if data and real not in context.seen:
        if kind := binary_kind(data):
            raise ToolError(
                f"{path} exists and is {kind}. If it has to go, remove it with a shell command."
            )
        raise _not_known(
            context, real, path, data, f"exists ({len(data):,} bytes) and you have not read it"
        )
    if changed_since_seen(context, real, data):
        raise _not_known(context, real, path, data, "has changed since you read it")
    text, coding = await aside(is_large(data), decode, data) if data else ("", Coding())
    return Opened(real, path, data, text, coding, status, is_changed=False)


def _not_known(context: Context, real: Path, path: str, data: bytes, why: str) -> ToolError:
    """Return why a file is not replaced, with what it has where the model cannot ask for it."""
    if context.whole_files:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        if text and text.count("\n") <= _SHOWN_LINES:
            context.seen[real] = fingerprint(real, data)
            return ToolError(f"{path} {why}, so it was not changed. It has:\n{text}")
        return ToolError(f"{path} {why}. Look at it first, by a command.")
    if why.startswith("exists"):
        return ToolError(f"{path} {why}. Read it first, or change it with edit.")
    return ToolError(f"{path} {why}. Read it again.")


def like(old: str, new: str) -> str:
    r"""Return new content with the line ends of the old, unless it has `\r\n` of its own."""
    if old.count("\r\n") * 2 > old.count("\n") and "\r\n" not in new:
        return new.replace("\n", "\r\n")
    return new
