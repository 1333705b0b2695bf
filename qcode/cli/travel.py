"""What undo and redo share, outside the interactive session as inside: options, steps, words."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

from qcode import paths
from qcode.checkpoints.keeper import Checkpoints
from qcode.checkpoints.shown import Part, named, parts, preview
from qcode.checkpoints.timeline import Point, Timeline
from qcode.checkpoints.travel import Clash, Plan
from qcode.cli.options import add_place, enter_directory
from qcode.errors import QcodeError, UsageError
from qcode.journal import listing
from qcode.prompts import load
from qcode.record import Record
from qcode.ui.printable import printable

_NAMED = 10
"""Paths named to the model."""


class Finished(Exception):
    """What was asked for turned out to be the end of something cut off earlier."""


class Prepared(Record):
    """What is about to be done, and what a person is shown of it."""

    verb: str
    plan: Plan
    lines: Sequence[str]
    parts: Sequence[Part]
    """Only filled in when some are to be picked."""


def checkpoints_folder() -> Path:
    """Return where what belongs to checkpoints is kept outside of repositories."""
    return paths.state_dir() / "checkpoints"


def add_step(parser: argparse.ArgumentParser, verb: str) -> None:
    """Declare what undo and redo take, outside and inside a session."""
    add = parser.add_argument
    first = "take back this step and all after it" if verb == "undo" else "go on to after this step"
    add("step", nargs="?", type=_step, metavar="STEP", help=f"{first}; without: the last one")
    add("-n", "--dry-run", action="store_true", help="only show what would be done")
    add("--merge", action="store_true", help="keep what others changed since, where lines allow")
    add("--force", action="store_true", help="overwrite what others changed since")
    if verb == "undo":
        add("-p", "--pick", action="store_true", help="ask for each part whether to take it back")
        add("--hunks", metavar="1,3-5", help="take back only these parts, as -n -p numbers them")
        add("--give-up", action="store_true",
            help="leave an undo that was cut off and cannot be finished as it is")  # fmt: skip
    add("--conversation", action="store_true", help="take the conversation along")


def say(*lines: str) -> None:
    """Print lines that hold what a model or a file may have written."""
    coding = sys.stdout.encoding or "utf-8"
    for line in lines:
        # The terminal may not know all signs.
        print(printable(line).encode(coding, "replace").decode(coding))


def add_range(parser: argparse.ArgumentParser) -> None:
    """Declare what diff takes."""
    add = parser.add_argument
    add("step", nargs="?", type=_step, metavar="STEP",
        help="since before this step; without: since the session began")  # fmt: skip
    add("--only", action="store_true", help="of that step alone")
    add("--stat", action="store_true", help="only the files and how many lines")
    add("--editor", action="store_true",
        help="open it in a diff editor; what you edit of the new side is taken over")  # fmt: skip
    add("--quickfix", action="store_true",
        help="`path:line: text` for each part, as vim -q and others take it")  # fmt: skip


def add_session(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say which session is meant."""
    add_place(parser)
    parser.add_argument("--session", metavar="ID", help="not the newest of this directory")


def _step(text: str) -> int:
    if not re.fullmatch(r"[tT#]?0*[1-9]\d{0,5}", text):
        raise argparse.ArgumentTypeError(f"`{text}` is not the number of a step")
    return int(text.lstrip("tT#"))


def span(timeline: Timeline, step: int | None, *, only: bool) -> tuple[int, int]:
    """Return the indices of the points to compare.

    Raises:
        UsageError: there is no such step.
    """
    if step is None:
        if only:
            raise UsageError("--only needs a step")
        return 0, timeline.last.index
    point = timeline.step(step)
    if point is None:
        raise UsageError(f"there is no step {step}", hint="`qcode checkpoints` lists them")
    return point.index - 1, point.index if only else timeline.last.index


def open_checkpoints(args: argparse.Namespace) -> tuple[Checkpoints, listing.Entry]:
    """Return the checkpoints of the session that the options name.

    Raises:
        UsageError: there is none.
    """
    cwd = enter_directory(args)
    folder = paths.state_dir() / "sessions"
    if args.session:
        entry = listing.find(folder, args.session)
        kept = _open(entry)
        if kept is None and not Path(entry.cwd).is_dir():
            raise UsageError(f"the directory of session `{entry.id}`, `{entry.cwd}`, is gone")
        if kept is None:
            raise UsageError(f"no file states of session `{entry.id}` are kept")
        return kept, entry
    # From below a session's directory, too; the nearest first.
    for place in (cwd, *cwd.parents):
        for entry in listing.entries(folder):
            if entry.cwd == str(place) and (kept := _open(entry)) is not None:
                return kept, entry
    raise UsageError(
        f"no file states of a session in `{cwd}` are kept", hint="`qcode sessions --all` lists all"
    )


def _open(entry: listing.Entry) -> Checkpoints | None:
    root = Path(entry.cwd)
    if not root.is_dir():
        return None
    kept = Checkpoints(root, entry.id, checkpoints_folder())
    if kept.timeline.is_empty:
        kept.close()
        return None
    return kept


def prepare(kept: Checkpoints, verb: str, args: argparse.Namespace) -> Prepared:
    """Look at the files and return what would be done.

    Raises:
        UsageError: there is no such step, or the options contradict each other.
    """
    if args.merge and args.force:
        raise UsageError("--merge and --force exclude each other")
    clash = Clash.MERGE if args.merge else Clash.OVERWRITE if args.force else Clash.REFUSE
    picking = verb == "undo" and (args.pick or args.hunks is not None)
    if picking and args.conversation:
        raise UsageError("a conversation cannot go back in part")
    if args.dry_run and (title := kept.unfinished()):
        raise QcodeError(f"`{title}` was cut off", hint=f"`{verb}` finishes it first")
    if title := kept.look():
        raise Finished(f"`{title}` had been cut off and is finished now")
    make = kept.undo_plan if verb == "undo" else kept.redo_plan
    plan = make(args.step, clash)
    numbered = list(parts(kept, plan)) if picking else []
    if picking and args.hunks is not None:
        wanted = numbers(args.hunks, len(numbered))
        if args.dry_run:
            numbered = [part for part in numbered if part.number in wanted]
    return Prepared(verb, plan, preview(kept, plan), numbered)


def refused(prepared: Prepared) -> str:
    """Return why nothing is done yet, or nothing."""
    if not prepared.plan.conflicts or prepared.parts:
        return ""
    count = len(prepared.plan.conflicts)
    files = "a file was" if count == 1 else f"{count} files were"
    return (
        f"{files} changed by somebody else since; nothing was done. "
        "--merge keeps both where lines allow, --force overwrites (undo brings it back)"
    )


def numbers(text: str, most: int) -> set[int]:
    """Return the numbers that a text such as `1,3-5` names.

    Raises:
        UsageError: it does not, or there are not so many.
    """
    out: set[int] = set()
    for word in text.replace(" ", ",").split(","):
        if not word:
            continue
        match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", word)
        if match is None:
            raise UsageError(f"`{word}` names no parts", hint="for instance 1,3-5")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= most:
            raise UsageError(f"there is no part {word}", hint=f"the parts are 1 to {most}")
        out.update(range(first, last + 1))
    return out


ABORT = "abort"
"""The answer of a person who leaves instead of answering: nothing is done."""

PICK = "take this back? [y/N/a(ll)/q(uit)] "


def picking(prepared: Prepared) -> Generator[Part, str, set[int]]:
    """Yield each part to ask about, take the answers, return the numbers of those wanted."""
    chosen: set[int] = set()
    for part in prepared.parts:
        answer = yield part
        if answer == ABORT:
            return set()
        if answer in ("a", "all"):
            return chosen | {
                other.number for other in prepared.parts if other.number >= part.number
            }
        if answer in ("q", "quit"):
            break
        if answer in ("y", "yes"):
            chosen.add(part.number)
    return chosen


def described(part: Part) -> str:
    """Return a part as it is shown: its number, its file, its lines."""
    return f"\n{part.number}  {named(part.path)}\n{part.text}"


def taken(prepared: Prepared, chosen: set[int]) -> Mapping[str, set[int]]:
    """Return the picked parts by path."""
    out: dict[str, set[int]] = {}
    for part in prepared.parts:
        if part.number in chosen:
            out.setdefault(part.path, set()).add(part.index)
    return out


def done(prepared: Prepared, point: Point) -> str:
    """Return the line that says what was done."""
    plan = prepared.plan
    files = len(plan.changes)
    size = f"{files} file{'s' if files != 1 else ''}"
    if prepared.parts:
        return f"took back a part, as step {point.step}"
    said = "; ".join(
        f"{verb} step{'s' if len(steps) != 1 else ''} {', '.join(str(p.step) for p in steps)}"
        for verb, steps in (("took back", plan.back), ("made anew", plan.forth))
        if steps
    )
    rest = f"; {len(plan.conflicts)} left alone" if plan.conflicts else ""
    if plan.overwritten:
        return f"{said} ({size}{rest}), as step {point.step}; `undo` brings all of it back"
    other = "redo" if prepared.verb == "undo" else "undo"
    return f"{said} ({size}{rest}); `{other}` reverts"


def first_call(prepared: Prepared) -> str:
    """Return the id of the earliest call that is taken back."""
    calls = [point.call_id for point in prepared.plan.back if point.call_id]
    return calls[-1] if calls else ""


def aside(prepared: Prepared) -> str:
    """Return what the model is told with the next message."""
    paths_changed = sorted(prepared.plan.changes)
    more = f" and {len(paths_changed) - _NAMED} more" if len(paths_changed) > _NAMED else ""
    name = "undone" if prepared.verb == "undo" else "redone"
    steps = "; ".join(point.title for point in (*prepared.plan.back, *prepared.plan.forth))
    return load(
        name, steps=steps[:500], paths=", ".join(paths_changed[:_NAMED]) + more or "no file"
    )
