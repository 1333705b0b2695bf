"""`multi_edit`: texts replaced at several places of one or more files, all or none."""

from __future__ import annotations

from typing import Annotated

from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools.base import Context, Result, Touch
from qcode.tools.rehearsed import FileTool
from qcode.tools.replacing import Wanted, replace_in_files
from qcode.tools.schema import ASKED, HIDDEN


class OneEdit(Record):
    file_path: Annotated[str, ASKED]
    old_string: Annotated[str, "exact and unique, with indentation; empty creates the file"]
    new_string: str
    replace_all: bool = False


class Params(Record):
    edits: list[OneEdit]
    file_path: Annotated[str, HIDDEN] = ""
    """Of the edits that name none: other harnesses' tool of this name has it here."""
    insist: Annotated[bool, HIDDEN] = False


class MultiEdit(FileTool[Params]):
    name = "multi_edit"
    params = Params

    def touches(self, params: Params) -> Touch:
        return Touch(_paths(params))

    def summary(self, params: Params) -> str:
        paths, count = _paths(params), len(params.edits)
        return f"{', '.join(paths)} ({count} edit{'s' if count != 1 else ''})"

    async def run(self, params: Params, context: Context) -> Result:
        if not params.edits:
            raise ToolError("`edits` is empty; give at least one edit.")
        paths = [each.file_path or params.file_path for each in params.edits]
        if "" in paths:
            raise ToolError(f"Edit {paths.index('') + 1} has no file_path; nothing was changed.")
        wanted = [
            Wanted(path, each.old_string, each.new_string, each.replace_all)
            for path, each in zip(paths, params.edits, strict=True)
        ]
        return await replace_in_files(context, wanted, insist=params.insist)


def _paths(params: Params) -> tuple[str, ...]:
    paths = (each.file_path or params.file_path for each in params.edits)
    return tuple(dict.fromkeys(path for path in paths if path))
