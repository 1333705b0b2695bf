"""The report for programs: all figures, and each trial with its class (`report.schema.json`)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from qcode.evals.reports.results import to_json
from qcode.evals.reports.summary import Row, Summary
from qcode.messages import JsonObject
from qcode.ui.printable import encodable, safe_json

VERSION = 1
_PLACES = 6
"""Of a figure: more would be noise, and differ from one machine to another."""


def report_json(summary: Summary) -> JsonObject:
    """Return the report; the same summary gives the same one."""
    return {
        "version": VERSION,
        "header": to_json(summary.header),
        "rows": [_row(row) for row in summary.rows],
        "trials": [
            {
                **to_json(trial),
                "class": summary.failures[trial.key].kind,
                "evidence": summary.failures[trial.key].evidence,
            }
            for trial in summary.trials
        ],
        "damaged_lines": summary.damaged,
    }


def written(report: JsonObject) -> str:
    """Return a report as the text of a file."""
    text = json.dumps(rounded(report), ensure_ascii=False, indent=1, allow_nan=False)
    return encodable(safe_json(text)) + "\n"


def rounded(value: Any) -> Any:
    """Return the value with its figures rounded, deep within as well."""
    match value:
        case float():
            return round(value, _PLACES)
        case dict():
            return {name: rounded(each) for name, each in value.items()}
        case list():
            return [rounded(each) for each in value]
        case _:
            return value


@cache
def schema(name: str) -> Any:
    """Return the JSON Schema of `report` or `compare`."""
    return json.loads(Path(__file__).with_name(f"{name}.schema.json").read_text(encoding="utf-8"))


def _row(row: Row) -> JsonObject:
    out = to_json(row)
    return {**out.pop("arm"), **out}
