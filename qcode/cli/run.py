"""`qcode run`: headless; the answer on stdout, all else on stderr, a code at the end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import paths
from qcode.approvals import Nobody
from qcode.cli.chosen import Chosen, NoModelError, choose_model
from qcode.cli.foreground import Foreground, Plan
from qcode.cli.noting import Note, note_on_stderr
from qcode.cli.options import add_shared, added_directories, enter_directory, settings_from
from qcode.cli.process import require_stdout, run_to_end
from qcode.cli.reports import Reports, add_reports
from qcode.cli.start import edit_format_of, newest_session, open_session
from qcode.cli.task import read_prompt, typed
from qcode.config import Settings
from qcode.context import estimate_tokens
from qcode.errors import QcodeError, UsageError
from qcode.events import TurnEnd
from qcode.headless.order import Order
from qcode.journal import listing
from qcode.permissions import Mode
from qcode.record import replace

if TYPE_CHECKING:
    from qcode.headless.work import Guard
    from qcode.session import Session

MOST_ATTEMPTS = 32


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("prompt", nargs="?", metavar="PROMPT", help="the task; `-` or none reads stdin")
    add_shared(parser)
    add("-o", "--output", choices=["text", "json", "stream-json"], default="text")
    add("--verify", metavar="CMD", action="append", default=[],
        help="done only when this exits 0 (`auto`: what tests the project; `none`: nothing is "
        "run); what fails goes back to the model")  # fmt: skip
    add("--json-schema", metavar="SCHEMA",
        help="the answer has to be JSON that fits it: a file, or the schema itself")  # fmt: skip
    add("--protect", metavar="GLOB", action="append", default=[],
        help="files that have to stay as they are, e.g. 'golden/**'")  # fmt: skip
    add("--may-change", metavar="GLOB", action="append", default=[],
        help="tests that the task is to change: else none may get weaker")  # fmt: skip
    add("--no-protect", action="store_true", help="let tests get weaker: --verify alone counts")
    add("--attempts", type=_count, metavar="N",
        help="N tries, each on a copy; the smallest change that is verified is kept")  # fmt: skip
    add("--at-once", type=_count, metavar="N",
        help="of these; by default as many as the server and this machine take")  # fmt: skip
    add("--worktree", action="store_true",
        help="work on a copy and leave it to you to take the change over")  # fmt: skip
    add("--commit", action="store_true", help="commit what was changed, if all went well")
    add("--patch", metavar="FILE", help="write what was changed as a patch; `-` for stdout")
    add("--resume", metavar="ID", help="go on with this session")
    add_reports(parser)
    add("--input-format", choices=["text", "stream-json"], default="text",
        help="stream-json: stdin says what each turn is about, one JSON object a line")  # fmt: skip
    add("--print-schema", choices=["stream", "report"],
        help="print the JSON Schema of what -o or --report gives, and end")  # fmt: skip
    add("--quiet", action="store_true", help="no progress and no notices on stderr")


def main(args: argparse.Namespace) -> int:
    """Run the task; return the exit code."""
    require_stdout("the answer")
    if args.print_schema:
        from qcode.ui.schema import schema_text

        sys.stdout.write(schema_text(args.print_schema))
        return 0
    try:
        return _main(args)
    except NoModelError as nothing:
        _tell_in_json(args, nothing)
        # The one message of several lines; the dispatcher would make one of them.
        print(nothing, file=sys.stderr)
        return nothing.exit_code
    except QcodeError as error:
        _tell_in_json(args, error)
        raise


def _tell_in_json(args: argparse.Namespace, error: QcodeError) -> None:
    """Print the result of a run that could not begin: whoever reads JSON gets some."""
    if args.output == "text" or error.is_told:
        return
    from qcode.headless.ended import Ended
    from qcode.messages import Usage
    from qcode.ui import wire

    why = str(error)
    ended = Ended(
        "", args.model or "", "", TurnEnd.ERROR, error.exit_code, "", why, 0, 0.0, Usage()
    )
    print(wire.dump(wire.result(ended)), flush=True)


def _count(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if not 1 <= value <= MOST_ATTEMPTS:
        raise argparse.ArgumentTypeError(f"`{text}` is no number from 1 to {MOST_ATTEMPTS}")
    return value


def _main(args: argparse.Namespace) -> int:
    if not all(command.strip() for command in args.verify):
        raise UsageError("--verify needs a command", hint='for instance --verify "make test"')
    if args.patch == "-" and args.output != "text":
        raise UsageError(f"--patch - and -o {args.output} would share stdout", hint="name a file")
    if args.input_format == "stream-json" and (args.output != "stream-json" or args.prompt):
        raise UsageError(
            "--input-format stream-json goes with -o stream-json and without a PROMPT",
            hint="the first message on stdin is the task",
        )
    _check_attempts(args)
    cwd = enter_directory(args)
    if args.commit:
        from qcode.landing.commit import check_can_commit

        check_can_commit(cwd)
    added = added_directories(args)
    settings = settings_from(args, cwd)
    reports = Reports(args, cwd)
    shape = None
    if args.json_schema:
        from qcode.headless.shaping import Shape

        shape = Shape.read(args.json_schema)
    note = (lambda _text: None) if args.quiet else note_on_stderr
    for warning in settings.warnings:
        note_on_stderr(warning)
    is_driven = args.input_format == "stream-json"
    prompt = "" if is_driven else read_prompt(args.prompt, note_on_stderr)
    entry = _entry(args, cwd)
    chosen = choose_model(settings, note, local=args.local)
    window = chosen.context_window
    if window and (size := estimate_tokens(prompt)) > window:
        model = chosen.target.model
        raise UsageError(
            f"the prompt is about {size:,} tokens, and {model} has room for {window:,}",
            hint="name files to read instead of pasting them",
        )
    order = Order(
        prompt,
        typed(args.prompt),
        verify=_commands(args.verify, cwd, note),
        look=_look(args, settings, chosen, cwd),
        protect=tuple(args.protect),
        guard_tests=not args.no_protect,
        may_change=tuple(args.may_change),
    )
    plan = Plan(args, note, reports, guard=_guard(order), shape=shape)
    if args.attempts is not None or args.worktree:
        from qcode.cli.attempting import Apartness, Wish

        wish = Wish(settings, chosen, cwd, added, args.attempts or 1, args.at_once, args.worktree)
        return run_to_end(lambda: Apartness(plan, wish).run(order))
    session = open_session(settings, chosen, Nobody(), cwd=cwd, added=added, note=note, entry=entry)
    if args.commit or args.patch:
        from qcode.cli.land import kept_of

        kept_of(session)
    warm = chosen if settings.warm_up and chosen.is_embedded else None
    front = Foreground(replace(plan, warm=warm), session)
    if args.input_format == "stream-json":
        return run_to_end(lambda: front.drive(order, sys.stdin.fileno()))
    return run_to_end(lambda: front.run(order))


def _look(
    args: argparse.Namespace, settings: Settings, chosen: Chosen, cwd: Path
) -> tuple[str, ...] | None:
    """Return the commands that show a small model how its work goes; None: none may be run.

    Those that the task quotes, and what tests the project. Only where commands run without a
    question, and nothing was said of verifying.
    """
    if args.verify or edit_format_of(settings, chosen) != "answer":
        return None
    if settings.approval_mode is not Mode.YOLO:
        return None
    from qcode.showing.wishes import read
    from qcode.verification.detecting import detect

    commands = list(read(typed(args.prompt)).commands)
    try:
        commands.append(detect(cwd).command)
    except UsageError:
        pass
    return tuple(dict.fromkeys(commands))


def _commands(given: Sequence[str], cwd: Path, note: Note) -> tuple[str, ...]:
    """Return the commands to verify by; `auto` among them is what tests the project."""
    out: list[str] = []
    for command in given:
        if command.strip() == "none":
            continue
        if command.strip() != "auto":
            out.append(command)
            continue
        from qcode.cli.composer import store_of
        from qcode.facts.store import today
        from qcode.verification.detecting import detect, whole

        facts = [fact for fact in store_of(cwd).valid(today()) if fact.purpose == "test"]
        known = [
            fact.command for fact in facts if fact.kept or (fact.passed and whole(fact.command))
        ]
        found = detect(cwd, known)
        note(f"verifying by `{found.command}` ({found.evidence})")
        out.append(found.command)
    return tuple(dict.fromkeys(out))


def _guard(order: Order) -> Callable[[Session], Guard] | None:
    if not (order.protect or (order.verify and order.guard_tests)):
        return None
    from qcode.headless.guarding import guard_of

    return guard_of


def _check_attempts(args: argparse.Namespace) -> None:
    """Raise UsageError for what does not go together with copies."""
    wanted = "--attempts" if args.attempts is not None else "--worktree" if args.worktree else ""
    if args.attempts is not None and args.attempts > 1 and not args.verify:
        raise UsageError(
            "--attempts needs --verify: that is what they are judged by",
            hint='for instance --verify "make test"',
        )
    if wanted and (args.resume or args.resume_last):
        raise UsageError(f"{wanted} begins anew, so there is nothing to resume")
    if wanted and args.input_format != "text":
        raise UsageError(f"{wanted} works on one task, not on what a driver says")
    if args.at_once is not None and args.attempts is None:
        raise UsageError("--at-once is about --attempts", hint="say how many with --attempts N")


def _entry(args: argparse.Namespace, cwd: Path) -> listing.Entry | None:
    if args.resume and args.resume_last:
        raise UsageError("--resume and --continue exclude each other")
    if args.resume:
        return listing.find(paths.state_dir() / "sessions", args.resume)
    return newest_session(cwd) if args.resume_last else None
