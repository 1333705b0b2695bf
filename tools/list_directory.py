"""`list_directory`: the entries of one directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from qcode import beneath
from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools.base import Context, Effect, Result, Tool, Touch
from qcode.tools.clip import clip
from qcode.tools.files import failed, missing
from qcode.tools.ignore import check_glob, rules_at, translate
from qcode.tools.schema import HIDDEN


class Params(Record):
    path: str
    ignore: Annotated[list[str] | None, HIDDEN] = None


class ListDirectory(Tool[Params]):
    name = "list_directory"
    effect = Effect.READ
    params = Params

    def touches(self, params: Params) -> Touch:
        return Touch((params.path,))

    def summary(self, params: Params) -> str:
        return params.path

    async def run(self, params: Params, context: Context) -> Result:
        real = context.path(params.path)
        for pattern in params.ignore or ():
            check_glob(pattern)
        try:
            entries = _entries(real)
        except FileNotFoundError:
            raise missing(context, params.path, real) from None
        except NotADirectoryError:
            raise ToolError(f"{clip(params.path)} is a file. Use read_file.") from None
        except OSError as error:
            raise failed(error, params.path) from error
        root = context.workspace.root
        inside = real == root or root in real.parents
        top = root if inside else real
        rules = rules_at(top, real)
        base = "" if real == top else f"{real.relative_to(top).as_posix()}/"
        unwanted = [
            translate(pattern.removeprefix("/"), braces=True) for pattern in params.ignore or ()
        ]
        shown, ignored = [], []
        for entry in entries:
            if any(pattern.match(entry.name) for pattern in unwanted):
                continue
            if entry.name == ".git" or (
                rules is not None
                and rules.ignore(base + entry.name, is_directory=entry.is_directory)
            ):
                ignored.append(_show(entry))
            else:
                shown.append(_show(entry))
        ignored = [name for name in ignored if name != ".git/"]
        return _result(shown, ignored, context.sizes.entries)


class _Entry(Record):
    name: str
    is_directory: bool
    target: str
    """Where a link leads; empty for all else."""


def _entries(real: Path) -> list[_Entry]:
    with beneath.folder(real, listing=True) as folder:
        with os.scandir(folder) as found:
            entries = [
                _Entry(
                    entry.name,
                    entry.is_dir(follow_symlinks=False),
                    os.readlink(entry.name, dir_fd=folder) if entry.is_symlink() else "",
                )
                for entry in found
            ]
    return sorted(entries, key=lambda entry: os.fsencode(entry.name))


def _show(entry: _Entry) -> str:
    name = _text(entry.name)
    if entry.target:
        return f"{name} -> {_text(entry.target)}"
    return name + "/" if entry.is_directory else name


def _text(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")


def _result(shown: list[str], ignored: list[str], most: int) -> Result:
    lines = shown[:most]
    if len(shown) > most:
        lines.append(f"[{len(shown) - most} more entries not shown; use glob to narrow]")
    if not shown:
        lines.append("(empty)")
    if ignored:
        some = ", ".join(ignored[:10]) + (", …" if len(ignored) > 10 else "")
        lines.append(f"[ignored: {some}]")
    return Result("\n".join(lines), f"{len(shown)} entries")
