"""`grep_search`: lines that match a regular expression, by ripgrep or without it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from qcode import beneath
from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools import search
from qcode.tools.base import Context, Effect, Result, Tool, Touch
from qcode.tools.clip import clip
from qcode.tools.files import missing, same_name
from qcode.tools.ignore import check_glob

LINE_CHARACTERS = 300
PATTERN_CHARACTERS = 10_000


class Params(Record):
    pattern: str
    glob: Annotated[str | None, "files, e.g. *.py"] = None
    path: str | None = None
    limit: int | None = None


class GrepSearch(Tool[Params]):
    name = "grep_search"
    effect = Effect.READ
    params = Params

    def touches(self, params: Params) -> Touch:
        return Touch((params.path or ".",))

    def summary(self, params: Params) -> str:
        where = " in ".join(part for part in (params.glob, params.path) if part)
        return f"{params.pattern!r} in {where}" if where else repr(params.pattern)

    async def run(self, params: Params, context: Context) -> Result:
        limit = context.sizes.search_matches if params.limit is None else params.limit
        if limit < 1:
            raise ToolError("limit must be 1 or more.")
        if not params.pattern:
            raise ToolError("pattern is empty; give what to search for.")
        if "\n" in params.pattern:
            raise ToolError("The search goes line by line; give a pattern without a line break.")
        if "\0" in params.pattern or "\0" in (params.glob or ""):
            raise ToolError("pattern and glob cannot have a NUL byte; search without it.")
        if len(params.pattern) > PATTERN_CHARACTERS:
            raise ToolError(
                f"pattern is longer than {PATTERN_CHARACTERS:,} characters; shorten it."
            )
        check_glob(params.glob)
        start = context.path(params.path or ".")
        if not beneath.exists(start):
            raise missing(context, params.path or ".", start)
        query = search.Query(
            context.workspace.root, start, params.pattern, params.glob, min(limit, search.COUNTED)
        )
        from qcode.tools.searching import searched

        found = await searched(query, context)
        return _result(found, params, context)


def _files_called(pattern: str, context: Context) -> list[str]:
    """Return files whose name was searched for in texts: small models mix that up."""
    name = pattern.replace("\\.", ".").rpartition("/")[2]
    return same_name(context, name) if re.fullmatch(r"[\w-]+(?:\.[\w-]+)+", name) else []


def _result(found: search.Found, params: Params, context: Context) -> Result:
    if not found.matches:
        where = f" in {clip(params.path)}" if params.path else ""
        files = f" (files {clip(params.glob)})" if params.glob else ""
        stopped = f" {found.stopped}" if found.stopped else ""
        text = f"No matches{where}{files}.{stopped}"
        if found.left_out:
            text += f" {_left_out(found)}."
        if found_files := _files_called(params.pattern, context):
            text += f" There is a file of that name: {', '.join(found_files)}; read_file shows it."
        return Result(text, "no matches")
    lines: list[str] = []
    last, room, shown = "", context.sizes.search_characters, 0
    for match in found.matches:
        path = _show(match.path, context.workspace.root)
        text = match.text if len(match.text) <= LINE_CHARACTERS else _cut(match.text)
        rows = [f"{match.line}:{text}"] if path == last else [path, f"{match.line}:{text}"]
        room -= sum(map(len, rows)) + len(rows)
        if room < 0 and lines:
            break
        lines += rows
        last = path
        shown += 1
    rest = found.count - shown
    if rest:
        more = "more than " if found.stopped else ""
        lines.append(f"[{more}{rest} more matches not shown; use a narrower pattern, glob or path]")
    if found.stopped:
        lines.append(f"[{found.stopped}]")
    if found.left_out:
        lines.append(f"[{_left_out(found)}]")
    return Result("\n".join(lines), f"{found.count}{'+' if found.stopped else ''} matches")


def _left_out(found: search.Found) -> str:
    names = list(found.left_out)
    some = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return f"Left out, as the content is hidden: {_utf8(some)}"


def _show(path: str, root: Path) -> str:
    if os.path.isabs(path):
        path = os.path.relpath(path, root) if path.startswith(f"{root}{os.sep}") else path
    return _utf8(path)


def _utf8(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "replace")


def _cut(text: str) -> str:
    return f"{text[:LINE_CHARACTERS]}… [line cut here]"
