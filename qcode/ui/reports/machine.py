"""The report for programs: all that is known of a run (`schema/report.schema.json`)."""

from __future__ import annotations

from collections import Counter

from qcode.headless.ended import Ended
from qcode.messages import JsonObject
from qcode.ui import wire
from qcode.ui.reports.details import NONE, ChangedFile, Details
from qcode.ui.reports.verdict import meaning
from qcode.verification.outcome import Case, Outcome

VERSION = 1
OUTPUT_CHARS = 20_000
"""Of a command's output, its end."""


def report_json(ended: Ended, details: Details = NONE) -> JsonObject:
    """Return all that is known of how a run ended."""
    from qcode import __version__

    result = wire.result(ended)
    report: JsonObject = {
        "version": VERSION,
        "qcode_version": __version__,
        "session_id": ended.session_id,
        "model": ended.model,
        "task": ended.task,
        "subtype": result["subtype"],
        "exit_code": ended.exit_code,
        "meaning": meaning(ended),
        "error": ended.error,
        "answer": ended.answer,
        "verification": [_outcome(outcome) for outcome in ended.verification],
        "baseline": [_outcome(outcome) for outcome in ended.baseline],
        "comparison": details.comparison,
        "violations": result["violations"],
        "files_changed": [
            {"path": file.path, "added": file.added, "removed": file.removed}
            for file in changed_files(ended, details)
        ],
        "commit": ended.commit,
        "steps": ended.steps,
        "duration_ms": result["duration_ms"],
        "duration_api_ms": result["duration_api_ms"],
        "usage": result["usage"],
        "total_cost_usd": result["total_cost_usd"],
        "modelUsage": result["modelUsage"],
        "calls_repaired": ended.calls_repaired,
        "permission_denials": result["permission_denials"],
        "receipt": ended.receipt,
        "attempts": list(ended.attempts),
        "attempt": ended.attempt,
    }
    if ended.structured is not None:
        report["structured_output"] = ended.structured
    return report


def changed_files(ended: Ended, details: Details) -> list[ChangedFile]:
    """Return the files that were changed, with what is known of each."""
    return list(details.files) or [ChangedFile(path) for path in ended.files_changed]


def _outcome(outcome: Outcome) -> JsonObject:
    counted = Counter[str](case.status for case in outcome.cases)
    return {
        **outcome.to_json(),
        "runs": outcome.runs,
        "flaky": list(outcome.flaky),
        "output": outcome.output[-OUTPUT_CHARS:],
        "counts": {name: counted[name] for name in ("passed", "failed", "error", "skipped")},
        "cases": [_case(case) for case in outcome.cases],
    }


def _case(case: Case) -> JsonObject:
    return {
        "name": case.name,
        "status": case.status,
        "file": case.file,
        "line": case.line,
        "message": case.message,
        "duration_ms": None if case.duration_s is None else round(case.duration_s * 1000),
    }
