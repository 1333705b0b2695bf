"""Reports to their files: whole or not at all, without secrets, a failure as one line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from qcode.errors import QcodeError, UsageError
from qcode.files_whole import check_free, write_whole
from qcode.headless.ended import Ended
from qcode.masked import masked
from qcode.record import Record
from qcode.secrets import Masker
from qcode.ui.printable import encodable, safe_json
from qcode.ui.reports.annotations import code_quality
from qcode.ui.reports.details import NONE, Details
from qcode.ui.reports.machine import report_json
from qcode.ui.reports.summary import MOST_BYTES, summary_markdown

R = TypeVar("R", bound=Record)


class Wanted(Record):
    """Where reports go; empty: there is to be none."""

    report: str = ""
    """The JSON report (`schema/report.schema.json`); replaced."""
    summary: str = ""
    """Markdown; appended to what is there, as GitHub asks it of a step's summary."""
    code_quality: str = ""
    """GitLab's findings; replaced."""
    junit: str = ""
    """The verification as JUnit XML; replaced."""
    prefix: str = ""
    """From the repository's top to the workspace, with a slash at its end."""


def check_wanted(wanted: Wanted) -> None:
    """Check, before a run, that its reports will have a place.

    Raises:
        UsageError: a folder is missing, or is where a file is to be.
    """
    for name in filter(None, (wanted.report, wanted.summary, wanted.code_quality, wanted.junit)):
        path = Path(name)
        check_free(path, force=True)
        if not path.parent.is_dir():
            raise UsageError(f"cannot write `{path}`: there is no folder `{path.parent}`")


def write_reports(ended: Ended, wanted: Wanted, masker: Masker, details: Details = NONE) -> None:
    """Write what is wanted; what can be written is, even if something else cannot.

    Raises:
        QcodeError: something could not be written.
    """
    ended, details = without_secrets(ended, masker), without_secrets(details, masker)
    failed: list[str] = []

    def attempt(write: Any, *arguments: Any) -> None:
        try:
            write(*arguments)
        except QcodeError as error:
            failed.append(error.message)

    if wanted.report:
        attempt(_write_json, wanted.report, report_json(ended, details))
    if wanted.code_quality:
        attempt(_write_json, wanted.code_quality, code_quality(ended, wanted.prefix))
    if wanted.junit:
        # Few runs want it, and what escapes XML loads 25 ms of the standard library.
        from qcode.verification.junit import to_junit

        attempt(_write_bytes, wanted.junit, to_junit(ended.verification))
    if wanted.summary:
        attempt(_append_summary, wanted.summary, ended, details)
    if failed:
        raise QcodeError("; ".join(failed))


def without_secrets(record: R, masker: Masker) -> R:
    """Return a record, and all records in it, with their texts masked."""
    names: tuple[str, ...] = type(record).__match_args__
    values = (getattr(record, name) for name in names)
    return type(record)(*(_masked(value, masker) for value in values))


def _masked(value: Any, masker: Masker) -> Any:
    if isinstance(value, Enum):
        return value
    if isinstance(value, Record):
        return without_secrets(value, masker)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_masked(each, masker) for each in value)
    if isinstance(value, Mapping):
        return {name: _masked(each, masker) for name, each in value.items()}
    return masked(value, masker)


def _write_json(path: str, value: Any) -> None:
    text = safe_json(json.dumps(value, ensure_ascii=False, indent=2))
    write_whole(Path(path), encodable(text) + "\n", force=True)


def _write_bytes(path: str, data: bytes) -> None:
    write_whole(Path(path), data.decode(), force=True)


def _append_summary(path: str, ended: Ended, details: Details) -> None:
    try:
        with open(path, "ab") as file:
            # Other steps' parts of the job do not count; what this one said before does.
            left = MOST_BYTES - os.fstat(file.fileno()).st_size
            text = summary_markdown(ended, details, most_bytes=left)
            file.write(encodable(text).encode())
    except OSError as error:
        raise QcodeError(f"cannot write the summary `{path}`: {error.strerror}") from error
