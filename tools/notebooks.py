"""Jupyter notebooks as the tools meet them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qcode.errors import ToolError
from qcode.tools import syntax
from qcode.tools.clip import clip

if TYPE_CHECKING:
    from qcode.editing.notebook import Cell
    from qcode.editing.outcome import Refused
    from qcode.editing.replace import Replacement


def is_notebook(real: Path, text: str) -> bool:
    """Whether a file is a notebook that can be edited by cell."""
    if real.suffix != ".ipynb":
        return False
    from qcode.editing import notebook
    from qcode.editing.outcome import Refused

    return not isinstance(notebook.cells(text), Refused)


def check_not_by_text(path: str, real: Path, text: str) -> None:
    """Refuse to edit a notebook as the JSON that it is.

    Raises:
        ToolError: it is a notebook.
    """
    if is_notebook(real, text):
        raise ToolError(
            f"{path} is a notebook, which is edited by cell. Call notebook_edit with "
            "notebook_path, cell_id (`#0` is the first cell; read_file shows them), new_source "
            "and edit_mode (replace, insert or delete), or edit with text of one cell."
        )


def replaced(
    text: str, edits: Sequence[Replacement], *, insist: bool
) -> tuple[str, tuple[str, ...]] | Refused:
    """Return a notebook with texts in its cells replaced, and in which cells, in words.

    Each text must stand in one cell alone, like in a file in one place.

    Raises:
        ToolError: a cell would newly not parse.
    """
    cells: dict[str, None] = {}
    for edit in edits:
        outcome = _replaced_once(text, edit, insist=insist)
        if not isinstance(outcome, tuple):
            return outcome
        text, where = outcome
        cells.update(dict.fromkeys(where))
    return text, tuple(cells)


def _replaced_once(
    text: str, edit: Replacement, *, insist: bool
) -> tuple[str, tuple[str, ...]] | Refused:
    from qcode.editing import notebook
    from qcode.editing.outcome import Edited, Reason, Refused
    from qcode.editing.replace import replace

    cells = notebook.cells(text)
    if isinstance(cells, Refused):
        return cells
    outcomes = [(cell, replace(cell.source, [edit])) for cell in cells]
    fitting = [(cell, found) for cell, found in outcomes if isinstance(found, Edited)]
    exact = [(cell, found) for cell, found in fitting if not found.notes]
    several = [found for _, found in outcomes if _is_several(found)]
    if several and not edit.replace_all:
        return Refused(Reason.AMBIGUOUS, f"Within one cell: {several[0].text}")
    chosen = exact or fitting
    if not chosen:
        refusals = [found for _, found in outcomes if isinstance(found, Refused)]
        telling = [found for found in refusals if found.reason is not Reason.NOT_FOUND]
        missing = Refused(
            Reason.NOT_FOUND,
            "old_string is in no cell of the notebook. Nothing was changed. Read it again: "
            "the text of one cell is meant, without the lines that name cells and outputs.",
        )
        return telling[0] if telling else missing
    if len(chosen) > 1 and not edit.replace_all:
        names = ", ".join(f"#{cell.number}" for cell, _ in chosen[:10])
        return Refused(
            Reason.AMBIGUOUS,
            f"old_string is in {len(chosen)} cells: {names}. Nothing was changed. Add lines "
            "until it is unique, or set replace_all.",
        )
    for cell, found in chosen:
        after = notebook.edit(text, f"#{cell.number}", partial(_given, found.text))
        if isinstance(after, Refused):
            return after
        if after.after is not None:
            check_source(text, after.before, after.after, insist=insist)
        text = after.text
    return text, tuple(f"#{cell.number}" for cell, _ in chosen)


def _is_several(found: object) -> bool:
    from qcode.editing.outcome import Reason, Refused

    return isinstance(found, Refused) and found.reason is Reason.AMBIGUOUS


def _given(source: str, _present: str) -> str:
    return source


def check_source(text: str, before: Cell | None, after: Cell, *, insist: bool) -> None:
    """Refuse a code cell's source that newly does not parse, magic commands aside.

    Raises:
        ToolError: it does not.
    """
    from qcode.editing import notebook

    is_plain = not any(line.lstrip()[:1] in ("%", "!", "?") for line in after.source.split("\n"))
    if after.kind == "code" and is_plain and not insist:
        old = before.source if before is not None and before.kind == "code" else ""
        syntax.check(f"cell{notebook.language(text)}", old, after.source)


def check_whole(path: str, real: Path, content: str) -> None:
    """Refuse a whole text that would be no notebook.

    Raises:
        ToolError: the file's name says it is one, and the text is none.
    """
    if real.suffix != ".ipynb":
        return
    from qcode.editing import notebook
    from qcode.editing.outcome import Refused

    cells = notebook.cells(content)
    if isinstance(cells, Refused):
        raise ToolError(
            f"{path} would not be a valid notebook, so nothing was written: {clip(cells.text)} "
            "Write the whole JSON of one (nbformat 4), or use notebook_edit on an existing one."
        )
