"""`edit`: one text replaced by another."""

from __future__ import annotations

from typing import Annotated

from qcode.record import Record
from qcode.tools.base import Context, Result, Touch
from qcode.tools.rehearsed import FileTool
from qcode.tools.replacing import Wanted, replace_in_files
from qcode.tools.schema import HIDDEN


class Params(Record):
    file_path: str
    old_string: Annotated[str, "exact and unique, with indentation; empty creates the file"]
    new_string: str
    replace_all: bool = False
    insist: Annotated[bool, HIDDEN] = False


class Edit(FileTool[Params]):
    name = "edit"
    params = Params

    def touches(self, params: Params) -> Touch:
        return Touch((params.file_path,))

    def summary(self, params: Params) -> str:
        return params.file_path

    async def run(self, params: Params, context: Context) -> Result:
        wanted = Wanted(params.file_path, params.old_string, params.new_string, params.replace_all)
        return await replace_in_files(context, [wanted], insist=params.insist)
