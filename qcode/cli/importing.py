"""`qcode config import`: take over the settings of Qwen Code, Claude Code and Codex."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qcode import config
from qcode.cli.options import enter_directory
from qcode.errors import UsageError
from qcode.secrets import Masker
from qcode.settings_file import rewrite, written
from qcode.ui.printable import printable

if TYPE_CHECKING:
    from qcode.importing.plan import Kept, Plan
    from qcode.importing.taken import Left, One, Taken

_TOOLS = ("qwen", "claude", "codex")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("tool", nargs="?", choices=[*_TOOLS, "all"], default="all", metavar="TOOL",
        help="whose settings: qwen, claude, codex, or all (by default)")  # fmt: skip
    add("--project", action="store_true", help="those that come with this folder, too")
    add("--overwrite", action="store_true", help="replace what your file says otherwise")
    add("--dry-run", action="store_true", help="only show what would be written")
    add("-y", "--yes", action="store_true", help="do not ask")


def main(args: argparse.Namespace, file: Path) -> int:
    """Show what would be written to a person's file, ask, and write it; return the exit code.

    Raises:
        UsageError: a file cannot be read or written, or nobody is there to ask.
    """
    from qcode.importing.plan import planned
    from qcode.importing.sources import NAMES, TOOLS, Sources

    cwd, home = enter_directory(args), Path.home()
    tools = TOOLS if args.tool == "all" else tuple(t for t in TOOLS if t == args.tool)
    taken = Sources(cwd, home, os.environ, with_project=args.project).read(tools)
    plan = planned(taken, config.read(file), file, overwrite=args.overwrite)
    if not taken.files and not plan.left:
        names = " or ".join(NAMES[tool] for tool in tools)
        print(f"no settings of {names} are there, so nothing is taken over")
        return 0
    lines = described(plan, taken, file)
    print("\n".join(lines))
    if plan.is_empty:
        print(f"nothing is new to {printable(str(file))}")
        return 0
    if args.dry_run:
        return 0
    if not args.yes and not _agrees(file):
        print("nothing was written")
        return 1
    rewrite(file, "what was found", plan.written)
    print(f"written to {printable(str(file))}; `qcode config` shows what is set")
    return 0


def described(plan: Plan, taken: Taken, file: Path) -> list[str]:
    """Return what a plan comes to, for a person; no secret is in it."""
    parts: list[tuple[str, list[str]]] = [
        (f"for {file}:", list(_changes(plan))),
        ("stays as it is there, unless with --overwrite:", [*map(_kept, plan.kept)]),
        ("left out:", list(_left(plan.left))),
        ("mind that:", [] if plan.is_empty else list(taken.notes)),
        (
            "to be set in your environment:",
            [f"{name}  ({why})" for name, why in _wanted(plan, taken)],
        ),
    ]
    lines = []
    for title, rows in parts:
        if rows:
            lines += [_line(title), *(f"  {_line(row)}" for row in rows)]
    return lines


def _changes(plan: Plan) -> Iterable[str]:
    for key in plan.removed:
        yield f"{key} is taken out: it was for the model that is replaced"
    for one in plan.values:
        yield f"{_set(one.key, one.value)}  # {one.source}"
    for one in plan.items:
        yield f"{one.key} += {written(one.value)}  # {one.source}"
    for one in (*plan.servers, *plan.hooks):
        brackets = ("[[", "]]") if one.key.startswith("hooks.") else ("[", "]")
        yield f"{brackets[0]}{one.key}{brackets[1]} {_table(one)}  # {one.source}"


def _table(one: One) -> str:
    return ", ".join(_set(key, value) for key, value in one.value.items())


def _set(key: str, value: Any) -> str:
    return f"{key} = {written(value)}"


def _kept(kept: Kept) -> str:
    if kept.here is None:
        return f"{kept.key}: your file names another model ({kept.source})"
    return f"{_set(kept.key, kept.here)}  # {kept.source}: {written(kept.there)}"


def _left(left: Iterable[Left]) -> Iterable[str]:
    """Yield what is left out, a line for each reason."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for one in left:
        by_reason.setdefault((one.why, one.source), []).append(one.what)
    for (why, source), what in by_reason.items():
        yield f"{', '.join(what)}: {why}{f'  # {source}' if source else ''}"


def _wanted(plan: Plan, taken: Taken) -> list[tuple[str, str]]:
    """Return the variables that what is written refers to and that are not set."""
    told = "\n".join(written(one.value) for one in (*plan.values, *plan.servers))
    return [
        (name, why)
        for name, why in taken.variables.items()
        if name not in os.environ and (f"${{{name}" in told or not why.startswith("the MCP"))
    ]


def _line(text: str) -> str:
    return printable(Masker().mask(" ".join(text.split("\n"))))


def _agrees(file: Path) -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            "nobody is there to ask", hint="-y writes what is shown, --dry-run only shows it"
        )
    try:
        return input(f"write that to {printable(str(file))}? [y/N] ").strip().lower() in (
            "y",
            "yes",
        )
    except EOFError:
        return False
