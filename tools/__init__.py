"""What the model may do: one module a tool, and the list of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qcode.tools.base import Tool


def default_tools() -> tuple[Tool[Any], ...]:
    """Return the tools of which a model is told, in that order, unless another form suits it.

    The order is part of what servers cache of a request; new ones go to the end.
    """
    from qcode.tools.edit import Edit
    from qcode.tools.glob import Glob
    from qcode.tools.grep_search import GrepSearch
    from qcode.tools.list_directory import ListDirectory
    from qcode.tools.read_file import ReadFile
    from qcode.tools.run_shell_command import RunShellCommand
    from qcode.tools.todo_write import TodoWrite
    from qcode.tools.write_file import WriteFile

    return (
        ReadFile(),
        WriteFile(),
        Edit(),
        ListDirectory(),
        Glob(),
        GrepSearch(),
        RunShellCommand(),
        TodoWrite(),
    )


def all_tools() -> tuple[Tool[Any], ...]:
    """Return the tools that are understood when they are called, those told of first."""
    from qcode.tools.apply_patch import ApplyPatch
    from qcode.tools.find_references import FindReferences
    from qcode.tools.find_symbol import FindSymbol
    from qcode.tools.multi_edit import MultiEdit
    from qcode.tools.notebook_edit import NotebookEdit
    from qcode.tools.outline import Outline

    others = (MultiEdit(), ApplyPatch(), NotebookEdit(), Outline(), FindSymbol(), FindReferences())
    return (*default_tools(), *others)
