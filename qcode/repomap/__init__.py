"""The map of a repository: what its files define, and which of them matter for a request.

    text = render_map(root, 1000, request)
    order = ask(root, lambda index: rank_files(index, request))

Symbols come from tree-sitter, what is known is kept on disk (`store`), and only files
that changed are read again. Nothing of the repository is run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from qcode.repomap.index import Index, Tell
    from qcode.repomap.rank import Ranked

T = TypeVar("T")


def ask(root: Path, question: Callable[[Index], T], tell: Tell | None = None) -> T:
    """Return the answer of what is known of a workspace as it is now.

    Where what was kept turns out to be damaged, it is made anew and asked again. `tell` hears
    how many files were read, of how many, while they are.
    """
    from qcode.repomap.index import Index, forget
    from qcode.repomap.store import Damaged

    try:
        with Index(root, tell=tell) as index:
            return question(index)
    except Damaged:
        forget(root)
        with Index(root, tell=tell) as index:
            return question(index)


def rank_files(index: Index, request: str) -> list[Ranked]:
    """Return all files of a workspace, those that matter most for a request first."""
    from qcode.git import recent_files
    from qcode.repomap.rank import ranked
    from qcode.repomap.request import read

    return ranked(index, read(request), recent_files(index.root))


def render_map(
    workspace_root: Path,
    budget_tokens: int,
    request: str = "",
    *,
    is_hidden: Callable[[Path], bool] = lambda _path: False,
) -> str:
    """Return the map of a workspace for a request: signatures by file, within a budget.

    `is_hidden` tells of a file's real path whether it is not to be read. Equal files, history
    and request give equal text.
    """
    from qcode.repomap.render import render
    from qcode.repomap.request import read

    def question(index: Index) -> str:
        order = rank_files(index, request)
        shown = [one for one in order[:1000] if not is_hidden(index.root / one.row.path)]
        return render(index, shown, read(request), budget_tokens)

    return ask(workspace_root, question)
