"""`read_file`: a text file or a part of it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, BinaryIO

from qcode import beneath
from qcode.errors import ToolError
from qcode.prompts import load
from qcode.record import Record
from qcode.tools.base import Context, Effect, Result, Tool, Touch
from qcode.tools.clip import clip
from qcode.tools.files import (
    WHOLE_LIMIT,
    Coding,
    binary_kind,
    decode,
    failed,
    fingerprint,
    line_count,
    missing,
    not_a_file,
)
from qcode.tools.sizes import Sizes

LINE_CHARACTERS = 2000
"""Longer lines are cut; they are data or minified code."""
_CHUNK = 1024 * 1024


class Params(Record):
    file_path: str
    offset: Annotated[int | None, "lines to skip"] = None
    limit: Annotated[int | None, "lines to read"] = None


class _Part(Record):
    lines: list[str]
    total: int | None
    """Lines of the whole file; None if the rest was not looked at."""
    coding: Coding
    note: str = ""


class ReadFile(Tool[Params]):
    name = "read_file"
    effect = Effect.READ
    params = Params

    def described(self, sizes: Sizes) -> str:
        return load("tools/read_file", lines=str(sizes.read_lines))

    def touches(self, params: Params) -> Touch:
        return Touch((params.file_path,))

    def summary(self, params: Params) -> str:
        if not params.offset and params.limit is None:
            return params.file_path
        first = (params.offset or 0) + 1
        last = "" if params.limit is None else str(first + params.limit - 1)
        return f"{params.file_path}:{first}-{last}"

    async def run(self, params: Params, context: Context) -> Result:
        real = context.path(params.file_path)
        sizes = context.sizes
        offset = params.offset or 0
        limit = sizes.read_lines if params.limit is None else params.limit
        if offset < 0 or limit < 1:
            raise ToolError("offset must be 0 or more and limit 1 or more; offset 0 is line 1.")
        try:
            if (unsaved := context.buffers.get(real)) is not None:
                part = _part(unsaved, params.file_path, offset, limit, sizes.read_characters)
                context.seen[real] = fingerprint(real, unsaved)
                return _result(part, offset)
            file, status = beneath.open_stream(real)
            if status.st_size > WHOLE_LIMIT:
                path, size = params.file_path, status.st_size
                most = sizes.read_characters
                work = partial(_read_part, file, size, path, offset, limit, most)
                part = await asyncio.to_thread(work)
                context.seen[real] = fingerprint(real)
            else:
                with file:
                    data = file.read()
                part = _part(data, params.file_path, offset, limit, sizes.read_characters)
                context.seen[real] = fingerprint(real, data)
        except beneath.NotRegular as error:
            raise not_a_file(error, params.file_path, "Use list_directory.") from None
        except FileNotFoundError:
            raise missing(context, params.file_path, real) from None
        except OSError as error:
            raise failed(error, params.file_path) from error
        return _result(part, offset)


def _check_text(data: bytes, path: str, size: int) -> None:
    kind = binary_kind(data)
    if kind:
        raise ToolError(
            f"{clip(path)} is {kind} ({size:,} bytes), not text, and cannot be shown. "
            "If its content matters, inspect it with a shell command."
        )


def _part(data: bytes, path: str, offset: int, limit: int, most: int) -> _Part:
    _check_text(data, path, len(data))
    text, coding = decode(data)
    note = ""
    if path.endswith(".ipynb") and (cells := _cells(text)):
        text = cells
        note = "change cells with notebook_edit: notebook_path, cell_id, new_source, edit_mode"
    total = line_count(text)
    if offset and offset >= total:
        raise ToolError(f"{clip(path)} has {total} lines; offset must be less.")
    lines = text.replace("\r\n", "\n").split("\n")[offset : min(offset + limit, total)]
    return _Part(_fit(lines, most), total, coding, note)


def _cells(text: str) -> str:
    """Return a notebook by cell, as it is edited; nothing if it cannot be."""
    from qcode.editing import notebook
    from qcode.editing.outcome import Refused

    shown = notebook.show(text)
    return "" if isinstance(shown, Refused) else shown


def _read_part(file: BinaryIO, size: int, path: str, offset: int, limit: int, most: int) -> _Part:
    """Return lines of a large file without holding more of it than is shown; closes it."""
    with file:
        start = file.read(8192)
        _check_text(start, path, size)
        if b"\0" in start:
            raise ToolError(f"{clip(path)} is UTF-16 and too large to show; convert it with iconv.")
        file.seek(0)
        _skip_lines(file, path, offset)
        lines: list[bytes] = []
        used = 0
        while len(lines) < limit and used < 4 * most:
            line = file.readline(4 * LINE_CHARACTERS + 4)
            if not line:
                break
            if not line.endswith(b"\n"):
                _skip_line(file)
            lines.append(line)
            used += len(line)
        at_end = not file.read(1)
    if not lines:
        raise ToolError(f"{clip(path)} has {offset} lines; offset must be less.")
    text, coding = decode(b"\n".join(line.rstrip(b"\r\n") for line in lines))
    shown = _fit(text.split("\n"), most)
    whole = at_end and len(shown) == len(lines)
    return _Part(shown, offset + len(lines) if whole else None, coding)


def _skip_lines(file: BinaryIO, path: str, count: int) -> None:
    seen = 0
    while count:
        chunk = file.read(_CHUNK)
        if not chunk:
            raise ToolError(f"{clip(path)} has {seen} lines; offset must be less.")
        here = chunk.count(b"\n")
        if here < count:
            count -= here
            seen += here
            continue
        at = 0
        for _ in range(count):
            at = chunk.index(b"\n", at) + 1
        file.seek(at - len(chunk), 1)
        return


def _skip_line(file: BinaryIO) -> None:
    while chunk := file.readline(_CHUNK):
        if chunk.endswith(b"\n"):
            return


def _fit(lines: list[str], room: int) -> list[str]:
    """Return as many lines as fit into so many characters, at least one, long ones cut."""
    shown: list[str] = []
    for line in lines:
        if len(line) > LINE_CHARACTERS:
            line = f"{line[:LINE_CHARACTERS]}… [line cut here]"
        room -= len(line) + 1
        if room < 0 and shown:
            break
        shown.append(line)
    return shown


def _result(part: _Part, offset: int) -> Result:
    count = len(part.lines)
    if part.total == 0:
        return Result("(the file is empty)", "empty")
    last = offset + count
    notes = []
    if part.total is None:
        notes.append(f"lines {offset + 1}-{last}; the file goes on, continue with offset {last}")
    elif last < part.total:
        notes.append(f"lines {offset + 1}-{last} of {part.total}; continue with offset {last}")
    elif offset:
        notes.append(f"lines {offset + 1}-{last} of {part.total}")
    if part.coding.label:
        notes.append(part.coding.label)
    if part.note:
        notes.append(part.note)
    text = "\n".join(part.lines)
    if notes:
        text = f"{text}\n[{'; '.join(notes)}]"
    return Result(text, f"{count} line{'s' if count != 1 else ''}")
