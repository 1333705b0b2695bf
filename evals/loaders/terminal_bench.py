"""Terminal-Bench's first format: `task.yaml`, a Dockerfile, tests/test_outputs.py.

From a checkout of github.com/laude-institute/terminal-bench (Apache-2.0), or one of its tasks.
All of it is made for containers; what is the same in a folder is played, the rest is listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from qcode.errors import UsageError
from qcode.evals.harness.task import Task
from qcode.evals.loaders.base import Loading
from qcode.evals.loaders.containers import Place, make, seconds, yaml_in
from qcode.evals.loaders.dockerfile import CannotBe

_HIDDEN = ("task.yaml", "Dockerfile", "docker-compose*", "solution*", "tests/*", "run-tests.sh",
           ".dockerignore", "oracle*")  # fmt: skip
_AGENT_S = 360.0
_CHECK_S = 180.0
"""What the format says where a task does not."""


def load(path: Path, loading: Loading) -> list[Task]:
    """Return the tasks that can be played without Docker.

    Raises:
        UsageError: there are none of the format at all.
    """
    places = list(_places(path, loading))
    if not places and not loading.left_out:
        raise UsageError(
            f"{path} has no tasks of Terminal-Bench",
            hint="give a folder with task.yaml; tasks with task.toml are harbor:PATH",
        )
    return [task for place in places if (task := make(place, loading)) is not None]


def _places(path: Path, loading: Loading) -> Iterator[Place]:
    for file in sorted(path.rglob("task.yaml")):
        folder = file.parent
        name = f"terminal-bench-{folder.name}"
        try:
            about = yaml_in(file)
        except CannotBe as reason:
            loading.leave_out(name, str(reason))
            continue
        dockerfile, compose = folder / "Dockerfile", folder / "docker-compose.yaml"
        script = folder / "run-tests.sh"
        yield Place(
            id=name,
            suite="terminal-bench",
            folder=folder,
            instruction=str(about.get("instruction") or ""),
            dockerfile=dockerfile if dockerfile.is_file() else None,
            context=folder,
            compose=compose if compose.is_file() else None,
            tests=folder / "tests",
            script=script if script.is_file() else None,
            hidden=_HIDDEN,
            agent_s=seconds(about.get("max_agent_timeout_sec"), _AGENT_S),
            check_s=seconds(about.get("max_test_timeout_sec"), _CHECK_S),
            difficulty=str(about.get("difficulty") or ""),
            category=str(about.get("category") or ""),
            source=f"Terminal-Bench: {folder.name}",
            licence="Apache-2.0 (Terminal-Bench)",
        )
