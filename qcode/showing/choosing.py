"""Which files a task is about."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qcode.record import Record
from qcode.repomap import ask, rank_files
from qcode.repomap.request import read
from qcode.repomap.standing import is_installed

if TYPE_CHECKING:
    from qcode.repomap.index import Index

MOST_UNNAMED = 6
"""Files of a larger repository that nobody named, and that are shown all the same."""

_WORTH = 0.4
"""Of the highest rank: what is worth less is not shown unless all files are."""
_HARDLY = 0.05
"""The weight of what nobody writes by hand (`qcode.repomap.standing`)."""
_LISTED = 5_000


BY_STEM = ("README", "CHANGELOG", "CONTRIBUTING", "LICENSE")
"""Files at the top that people name without what they end in."""
_PATH = re.compile(
    r"(?<![\w/.@:-])(?:\./)?(?:[\w@+-][\w@.+-]*/)*[\w+-]+(?:\.[\w+-]+)*\.[A-Za-z]\w{0,5}(?![\w/(@-])"
)


class Files(Record):
    """The files of a workspace, as a task sees them."""

    named: tuple[str, ...] = ()
    """In the order in which the task names them."""
    likely: tuple[str, ...] = ()
    """Others, those that matter most first."""
    rest: tuple[str, ...] = ()
    """All that are left, by path."""


def choose(root: Path, task: str, is_hidden: Callable[[Path], bool], room: int) -> Files:
    """Return a workspace's files by how much a task is about them.

    All of them are `likely` where all have room, in bytes.
    """

    def question(index: Index) -> Files:
        return _chosen(index, task, is_hidden, room)

    return ask(root, question)


def _chosen(index: Index, task: str, is_hidden: Callable[[Path], bool], room: int) -> Files:
    ranked = rank_files(index, task)
    visible = [
        one
        for one in ranked[:_LISTED]
        if one.row.weight > _HARDLY
        and one.row.size
        and not is_installed(one.row.path)
        and not is_hidden(index.root / one.row.path)
    ]
    sizes = {one.row.path: one.row.size for one in visible}
    named = named_in(task, sizes)
    others = [one for one in visible if one.row.path not in named]
    if sum(sizes.values()) <= room:
        likely = [one.row.path for one in others]
    else:
        least = _WORTH * max((one.score for one in others), default=0.0)
        worth = [one.row.path for one in others if one.row.grammar and one.score >= least > 0]
        likely = worth[:MOST_UNNAMED]
    rest = sorted(set(sizes) - set(named) - set(likely))
    return Files(tuple(named), tuple(likely), tuple(rest))


def named_in(task: str, paths: Mapping[str, int]) -> list[str]:
    """Return the files that a task names, by their path or by a name that only one has."""
    by_name: dict[str, list[str]] = {}
    for path in paths:
        by_name.setdefault(path.rpartition("/")[2], []).append(path)
    found: dict[str, int] = {}
    for path in paths:
        at = _at(task, path)
        name = path.rpartition("/")[2]
        if at < 0 and len(by_name[name]) == 1 and _is_telling(name):
            at = _at(task, name)
        if at < 0 and name == path and (stem := name.partition(".")[0]) in BY_STEM:
            at = _at(task, stem)
        if at >= 0:
            found[path] = at
    for frame in read(task).frames:  # by the end of its path, as it may be an absolute one
        for path in paths:
            if path not in found and (frame.path == path or frame.path.endswith(f"/{path}")):
                found[path] = len(task)
    return sorted(found, key=lambda path: (found[path], path))


def _at(task: str, name: str) -> int:
    if name not in task:  # soon known, of thousands of names
        return -1
    match = re.search(rf"(?<![\w/.-]){re.escape(name)}(?![\w/-])", task)
    return match.start() if match else -1


def _is_telling(name: str) -> bool:
    """Whether a name can hardly stand in a task for anything but the file."""
    return "." in name.strip(".") or name in ("Makefile", "Dockerfile")


def paths_in(task: str) -> list[str]:
    """Return what a task names that looks like a file of the workspace, there or not."""
    found = [match[0].removeprefix("./") for match in _PATH.finditer(task)]
    return list(dict.fromkeys(path for path in found if not path.startswith("..")))


def listed(paths: Sequence[str], most: int = 40, some: int = 10) -> str:
    """Return paths in one line; of more than `most` only `some`, and how many more there are."""
    shown = len(paths) if len(paths) <= most else some
    more = f" and {len(paths) - shown:,} more" if len(paths) > shown else ""
    return ", ".join(paths[:shown]) + more
