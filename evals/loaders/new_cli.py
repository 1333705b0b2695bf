"""`qcode eval new`: a task from a commit of one's own, or from a session that went well."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from qcode.errors import UsageError
from qcode.evals.loaders import kit, new, new_commit, new_session
from qcode.evals.loaders.new import Known


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(metavar="commit|session", required=True)
    commit = actions.add_parser("commit", help="do again what a commit did; its tests judge")
    commit.add_argument("revision", metavar="REVISION")
    commit.add_argument("--repo", default=".", metavar="DIR", help="of that repository")
    commit.add_argument(
        "--bundle", action="store_true", help="the files into a git bundle beside the task file"
    )
    _shared(commit)
    commit.set_defaults(makes=_of_commit)
    session = actions.add_parser("session", help="ask again what was asked in a session")
    session.add_argument("session", metavar="ID", nargs="?", help="by default the newest here")
    _shared(session)
    session.set_defaults(makes=_of_session)


def _shared(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-o", "--out", type=Path, default=Path("tasks.jsonl"), metavar="FILE",
        help="the task file that it is added to (tasks.jsonl)")  # fmt: skip
    add("--id", default="", metavar="NAME", help="of the task")
    add("--suite", default="own", metavar="NAME", help="that it belongs to (own)")
    add("--check", default="", metavar="COMMAND", help="that judges it, instead of the one found")
    add("--prompt", default="", metavar="TEXT", help="instead of the draft; @FILE reads it there")
    add("--debug", action="store_true", help="tracebacks on stderr")


def main(args: argparse.Namespace) -> int:
    """Make the task, prove it, write it; return the exit code.

    Raises:
        UsageError: there is no task in it; what is missing is said.
        SandboxError: its tests cannot be run in a sandbox here.
        QcodeError: the file cannot be written.
    """
    out: Path = args.out.absolute()
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent}")
    known: Known = args.makes(args, out, _prompt(args.prompt))
    line = kit.line(known.task)
    try:
        new.prove(line, known.answer, out, os.environ)
        new.append(line, known.task.id, out)
    except BaseException:
        out.with_name(f"{known.task.id}.bundle").unlink(missing_ok=True)
        raise
    more = known.task.check.more
    print(f"{known.task.id}: fails before the change, passes with it")
    if more.get("fail_to_pass"):
        count = len(more["fail_to_pass"])
        print(f"tests: {count} mended, {len(more['pass_to_pass'])} kept")
    print(f"added to {args.out}")
    if not args.prompt:
        print("read its prompt there: it must say what to do, and not how", file=sys.stderr)
    return 0


def _of_commit(args: argparse.Namespace, out: Path, prompt: str) -> Known:
    change = new_commit.read(Path(args.repo), args.revision)
    return new_commit.make(
        change, out, os.environ, name=args.id, suite=args.suite, check=args.check, prompt=prompt,
        in_bundle=args.bundle,
    )  # fmt: skip


def _of_session(args: argparse.Namespace, out: Path, prompt: str) -> Known:
    from qcode.cli.travel import open_checkpoints

    place = argparse.Namespace(session=args.session, cwd=None)
    kept, entry = open_checkpoints(place)
    try:
        return new_session.make(
            kept, entry.path, out, os.environ, name=args.id, suite=args.suite, check=args.check,
            prompt=prompt,
        )  # fmt: skip
    finally:
        kept.close()


def _prompt(text: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{text[1:]} cannot be read: {error}") from error
