"""`notebook_edit`: one cell of a Jupyter notebook replaced, inserted or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools.base import Context, Result, Touch
from qcode.tools.change import Planned, aside, carry_out, is_large, open_text
from qcode.tools.clip import clip
from qcode.tools.failures import failed_edit
from qcode.tools.lines import numbered
from qcode.tools.notebooks import check_source
from qcode.tools.rehearsed import FileTool
from qcode.tools.schema import HIDDEN

if TYPE_CHECKING:
    from qcode.editing.notebook import Cell


class Params(Record):
    notebook_path: str
    new_source: Annotated[str, "not needed to delete"] = ""
    cell_id: Annotated[str, "`#0` is the first; an inserted cell comes after it"] = ""
    cell_type: Literal["code", "markdown", "raw"] | None = None
    edit_mode: Literal["replace", "insert", "delete"] = "replace"
    cell_number: Annotated[int | None, HIDDEN] = None
    insist: Annotated[bool, HIDDEN] = False


class NotebookEdit(FileTool[Params]):
    name = "notebook_edit"
    params = Params

    def touches(self, params: Params) -> Touch:
        return Touch((params.notebook_path,))

    def summary(self, params: Params) -> str:
        return f"{params.edit_mode} {_cell(params)} in {params.notebook_path}".replace("  ", " ")

    async def run(self, params: Params, context: Context) -> Result:
        from qcode.editing import notebook
        from qcode.editing.outcome import Refused

        path = clip(params.notebook_path)
        if not params.notebook_path.endswith(".ipynb"):
            raise ToolError(f"{path} is no notebook (.ipynb); use edit.")
        before = open_text(context, params.notebook_path)
        if before.is_changed:
            raise ToolError(f"{path} has changed since you read it. Read it again, then edit.")
        cell, source = _cell(params), params.new_source
        if not cell and params.edit_mode != "insert":
            raise ToolError(
                f"Which cell? Give its cell_id; `#0` is the first. {path} is as it was."
            )
        size = is_large(before.text)
        if params.edit_mode == "insert":
            kind: str = params.cell_type or "code"
            outcome = await aside(size, notebook.insert, before.text, cell, source, kind)
        elif params.edit_mode == "delete":
            outcome = await aside(size, notebook.delete, before.text, cell)
        else:
            kind = params.cell_type or ""
            outcome = await aside(size, notebook.replace, before.text, cell, source, kind)
        if isinstance(outcome, Refused):
            raise failed_edit(
                context, before.real, "", f"{path}: {outcome.text}", may_rewrite=False
            )
        if outcome.after is not None:
            check_source(before.text, outcome.before, outcome.after, insist=params.insist)
        plan = Planned(before.real, before, outcome.text)
        done = await carry_out(context, [plan], insist=True)
        return Result(_told(context, plan, outcome.before, outcome.after), done.summary, done.diff)


def _cell(params: Params) -> str:
    if params.cell_id or params.cell_number is None:
        return params.cell_id
    return f"#{params.cell_number}"


def _told(context: Context, plan: Planned, before: Cell | None, after: Cell | None) -> str:
    shown = context.workspace.show(plan.real)
    if after is None:
        assert before is not None
        return f"Deleted cell #{before.number} of {shown}; those behind it moved up by one."
    lines = after.source.split("\n")
    rows = "\n".join(numbered(lines, 1, min(len(lines), 20)))
    what = "Inserted" if before is None else "Replaced"
    moved = "; those behind it moved down by one" if before is None else ""
    name = f"#{after.number}" + (f" (id {after.id})" if after.id else "")
    return f"{what} {after.kind} cell {name} of {shown}{moved}:\n{rows}"
