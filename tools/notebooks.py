"""Jupyter notebooks as the tools meet them."""

from __future__ import annotations

from pathlib import Path

from qcode.errors import ToolError
from qcode.tools.clip import clip


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
            "and edit_mode (replace, insert or delete)."
        )


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
