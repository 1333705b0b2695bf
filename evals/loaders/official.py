"""SWE-bench's own harness called, where Docker and its package are; else it is said what is not.

`qcode eval report DIR --official DATASET` does it.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from qcode.errors import QcodeError, UsageError
from qcode.record import Record

_PACKAGE = "swebench"
DATASETS: Mapping[str, str] = {
    "verified": "princeton-nlp/SWE-bench_Verified",
    "lite": "princeton-nlp/SWE-bench_Lite",
    "full": "princeton-nlp/SWE-bench",
}


class Report(Record):
    """What the official harness found."""

    resolved: tuple[str, ...]
    unresolved: tuple[str, ...]
    errors: tuple[str, ...]
    empty: tuple[str, ...]
    """Instances whose patch is empty."""


def problem(environ: Mapping[str, str], python: str = sys.executable) -> str:
    """Return why the official harness cannot be run here; nothing: it can."""
    docker = shutil.which("docker", path=environ.get("PATH", ""))
    if docker is None:
        return "Docker is not installed"
    try:
        up = subprocess.run([docker, "info"], env=dict(environ), capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return "Docker does not answer"
    if up.returncode:
        return "Docker's daemon is not running"
    if python == sys.executable:
        is_there = importlib.util.find_spec(_PACKAGE) is not None
    else:
        asked = [python, "-c", f"import importlib.util as u; u.find_spec('{_PACKAGE}') or 1/0"]
        is_there = subprocess.run(asked, capture_output=True).returncode == 0
    return "" if is_there else f"the Python package `{_PACKAGE}` is not installed beside qcode"


def command(
    predictions: Path, dataset: str, run_id: str, *, workers: int, python: str = sys.executable
) -> list[str]:
    """Return the command; `dataset` is `verified`, `lite`, `full`, or a file or a name of its own.

    Raises:
        UsageError: the id of the run is none.
    """
    if not re.fullmatch(r"[\w.-]+", run_id):
        raise UsageError(f"{run_id!r} is no id of a run", hint="take letters, digits, . _ -")
    return [
        *(python, "-m", "swebench.harness.run_evaluation"),
        *("--dataset_name", DATASETS.get(dataset, dataset)),
        *("--predictions_path", str(predictions)),
        *("--max_workers", str(workers), "--run_id", run_id),
    ]


def run(
    predictions: Path,
    dataset: str,
    run_id: str,
    environ: Mapping[str, str],
    *,
    workers: int = 1,
    python: str = sys.executable,
) -> Report:
    """Judge predictions officially; its own output goes to stderr.

    Raises:
        UsageError: it cannot be run here, or the predictions are of several agents or models,
            which it would take for one.
        QcodeError: it failed, or left no report.
    """
    if why := problem(environ, python):
        raise UsageError(
            f"the official harness cannot be run here: {why}",
            hint=f"{predictions} is complete; judge it where both are",
        )
    if len(names := _names(predictions)) > 1:
        raise UsageError(
            f"the official harness judges one agent and model, and {predictions} has "
            f"{', '.join(names)}",
            hint="part its lines by `model_name_or_path`",
        )
    folder = predictions.resolve().parent
    words = command(predictions.resolve(), dataset, run_id, workers=workers, python=python)
    done = subprocess.run(words, cwd=folder, env=dict(environ), stdin=subprocess.DEVNULL, stdout=2)
    if done.returncode:
        raise QcodeError(f"the official harness ended with exit code {done.returncode}")
    reports = sorted(folder.glob(f"*.{run_id}.json"), key=lambda each: each.stat().st_mtime)
    if not reports:
        raise QcodeError(f"the official harness left no report *.{run_id}.json in {folder}")
    return read(reports[-1])


def _names(predictions: Path) -> list[str]:
    try:
        rows = [json.loads(line) for line in predictions.read_text(encoding="utf-8").splitlines()]
        return sorted({str(row["model_name_or_path"]) for row in rows})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{predictions} has no predictions: {error}") from error


def read(file: Path) -> Report:
    """Return a report of the official harness.

    Raises:
        UsageError: it is none.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        names = ("resolved_ids", "unresolved_ids", "error_ids", "empty_patch_ids")
        return Report(*(tuple(map(str, value.get(name, ()))) for name in names))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(f"{file} is no report of SWE-bench: {error}") from error
