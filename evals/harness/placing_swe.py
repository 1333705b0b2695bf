"""Laying out a project at the state of an issue: its source, and an environment to run it in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qcode import paths
from qcode.errors import QcodeError
from qcode.evals.harness.placing import Placed, PlacingError
from qcode.evals.harness.task import Task
from qcode.evals.harness.threads import in_thread
from qcode.evals.loaders import swe_place
from qcode.evals.loaders.base import Loading

CLONES = "QCODE_EVAL_CLONES"
"""The variable that names a folder of git clones (`owner__name`) to take sources from first."""


async def place_swe(task: Task, placed: Placed, environ: Mapping[str, str]) -> Placed:
    """Lay out a task with `more["base"]`, and make what `more["env"]` describes.

    Raises:
        PlacingError: the Python, the source or a package it names cannot be had.
    """
    clones = environ.get(CLONES)
    loading = Loading(
        paths.cache_dir() / "evals", clones=Path(clones) if clones else None, environ=environ
    )
    venv = placed.top / "venv"
    try:
        await in_thread(lambda stop: swe_place.lay_out(task, placed.repo, loading, stop=stop))
        await in_thread(lambda stop: swe_place.build(task, placed.repo, venv, environ, stop=stop))
    except PlacingError:
        raise
    except QcodeError as error:
        raise PlacingError(str(error)) from error
    wanted = (task.more.get("env") or {}).get("vars") or {}
    variables = {str(name): str(value) for name, value in wanted.items()}
    return Placed(placed.top, venv=venv if venv.is_dir() else None, variables=variables)
