"""`outline`: what a file or the files of a directory define."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from qcode import beneath
from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools.base import Context, Effect, Result, Tool, Touch
from qcode.tools.clip import clip
from qcode.tools.files import failed, missing
from qcode.tools.ignore import walk

_FILES = 60
"""Of a directory, that are looked at."""


class Params(Record):
    path: str


class Outline(Tool[Params]):
    name = "outline"
    effect = Effect.READ
    params = Params

    def touches(self, params: Params) -> Touch:
        return Touch((params.path,))

    def summary(self, params: Params) -> str:
        return params.path

    async def run(self, params: Params, context: Context) -> Result:
        real = context.path(params.path)
        try:
            is_folder = real.is_dir()
            if not is_folder:
                return await asyncio.to_thread(_file, params.path, beneath.read(real), context)
        except FileNotFoundError:
            raise missing(context, params.path, real) from None
        except beneath.NotRegular as error:
            raise ToolError(f"{clip(params.path)} is {error}, no file with code.") from None
        except OSError as error:
            raise failed(error, params.path) from error
        return await asyncio.to_thread(_folder, params.path, real, context)


def _file(path: str, data: bytes, context: Context) -> Result:
    from qcode.repomap.symbols import symbols

    found = symbols(path, data)
    if found is None:
        raise ToolError(
            f"{clip(path)} is in no language whose definitions are known here. Use read_file."
        )
    if not found:
        return Result(f"{clip(path)} defines nothing.", "nothing")
    most = context.sizes.entries
    lines = [f"{each.line}: {'  ' * each.depth}{each.signature}" for each in found[:most]]
    if len(found) > most:
        lines.append(f"[{len(found) - most} more definitions not shown; read_file shows them]")
    return Result("\n".join(lines), f"{len(found)} definitions")


def _folder(path: str, real: Path, context: Context) -> Result:
    """Return what the files of a directory define at their outermost."""
    from qcode.repomap.symbols import symbols

    blocks: list[str] = []
    room, count, more = context.sizes.search_characters, 0, 0
    for entry in sorted(
        walk(context.workspace.root, real), key=lambda each: (each.path.count("/"), each.path)
    ):
        file = context.workspace.root / entry.path
        if entry.is_link or context.is_hidden(file):
            continue
        if len(blocks) >= _FILES or room <= 0:
            more += 1
            continue
        try:
            found = symbols(entry.path, beneath.read(file))
        except (OSError, beneath.NotRegular):
            continue
        outer = [each for each in found or () if not each.depth]
        if not outer:
            continue
        rows = [f"  {each.line}: {each.signature}" for each in outer]
        block = "\n".join([os.fsencode(entry.path).decode("utf-8", "replace"), *rows])
        room -= len(block) + 1
        count += len(outer)
        blocks.append(block)
    if not blocks:
        return Result(f"No file in {clip(path)} defines anything that is known here.", "nothing")
    if more:
        blocks.append(f"[{more} more files not looked at; name a directory below]")
    return Result("\n".join(blocks), f"{count} definitions in {len(blocks)} files")
