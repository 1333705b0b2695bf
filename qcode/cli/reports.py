"""The reports of a headless run, and what the CI system that it runs in reads of it."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from qcode.errors import QcodeError
from qcode.headless.ended import Ended
from qcode.sandbox.repositories import enclosing
from qcode.secrets import Masker
from qcode.ui.reports.details import NONE, Details
from qcode.ui.reports.writing import Wanted, check_wanted, write_reports


def add_reports(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("--report", metavar="FILE", default="", help="write all that is known of the run, as JSON")
    add("--junit", metavar="FILE", default="", help="write the verification as JUnit XML")
    add("--summary", metavar="FILE",
        help="append a summary in Markdown; by default $GITHUB_STEP_SUMMARY")  # fmt: skip
    add("--code-quality", metavar="FILE", default="", help="write findings as GitLab reads them")


class Reports:
    """Where the reports of one run go."""

    def __init__(
        self, args: argparse.Namespace, cwd: Path, environ: Mapping[str, str] = os.environ
    ) -> None:
        """Raises UsageError if a report would have no place."""
        self._is_github = environ.get("GITHUB_ACTIONS") == "true"
        summary = args.summary
        if summary is None:
            summary = environ.get("GITHUB_STEP_SUMMARY", "") if self._is_github else ""
        top = enclosing(str(cwd))
        inside = os.path.relpath(cwd, top) if top else "."
        self._wanted = Wanted(
            report=args.report,
            summary=summary,
            code_quality=args.code_quality,
            junit=args.junit,
            prefix="" if inside == "." else f"{inside}/",
        )
        check_wanted(self._wanted)
        self._token = secrets.token_hex(16)

    @property
    def are_wanted(self) -> bool:
        """Whether anything is written at the end."""
        its = self._wanted
        return any((its.report, its.summary, its.code_quality, its.junit, self._is_github))

    def begin(self) -> None:
        """Keep GitHub from obeying what a model, a file or a test says.

        Its runner looks for commands in all that a job prints, on stdout and stderr.
        """
        if self._is_github:
            from qcode.ui.reports.annotations import Commands

            self._tell(Commands(self._token).stop)

    def deliver(self, ended: Ended, masker: Masker) -> None:
        """Write the reports, and annotate where GitHub shows it.

        Raises:
            QcodeError: one of them could not be written; the others are.
        """
        try:
            write_reports(ended, self._wanted, masker, _details(ended))
        finally:
            if self._is_github:
                from qcode.ui.reports.annotations import Commands, annotate
                from qcode.ui.reports.writing import without_secrets

                self._tell(Commands(self._token).resume)
                for line in annotate(without_secrets(ended, masker), self._wanted.prefix):
                    self._tell(line)
                self._tell(Commands(self._token).stop)

    def end(self) -> None:
        """Let GitHub obey again: what comes after is another program's."""
        if self._is_github:
            from qcode.ui.reports.annotations import Commands

            self._tell(Commands(self._token).resume)

    @staticmethod
    def _tell(line: str) -> None:
        try:
            print(line, file=sys.stderr, flush=True)
        except (OSError, AttributeError):
            return  # stderr is closed, so that nobody obeys it


def _details(ended: Ended) -> Details:
    from qcode.verification.comparing import compare

    if not ended.baseline or not ended.verification:
        return NONE
    return Details(comparison=compare(ended.baseline, ended.verification).to_json())


def delivered(reports: Reports, ended: Ended, masker: Masker) -> str:
    """Deliver the reports; return what went wrong, in a line."""
    try:
        reports.deliver(ended, masker)
    except QcodeError as error:
        return str(error)
    return ""
