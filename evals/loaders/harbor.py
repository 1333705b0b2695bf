"""Harbor's task folders, Terminal-Bench 2's format: task.toml, instruction.md, tests/test.sh.

Format: harborframework.com/docs/tasks. A reward of 1 in `/logs/verifier` is a pass.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qcode.errors import UsageError
from qcode.evals.harness.task import Task
from qcode.evals.loaders.base import Loading
from qcode.evals.loaders.containers import Place, make, seconds

_AGENT_S = 600.0
_CHECK_S = 600.0


def load(path: Path, loading: Loading) -> list[Task]:
    """Return the tasks that can be played without Docker.

    Raises:
        UsageError: there are none of the format at all.
    """
    places = list(_places(path, loading))
    if not places and not loading.left_out:
        raise UsageError(f"{path} has no tasks of Harbor", hint="give a folder with task.toml")
    return [task for place in places if (task := make(place, loading)) is not None]


def _places(path: Path, loading: Loading) -> Iterator[Place]:
    for file in sorted(path.rglob("task.toml")):
        folder = file.parent
        name = f"harbor-{folder.name}"
        try:
            about = tomllib.loads(file.read_text(encoding="utf-8"))
            words = (folder / "instruction.md").read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            what = "it has several steps" if (folder / "steps").is_dir() else f"{error}"
            loading.leave_out(name, what.replace(f"{folder}/", ""))
            continue
        environment, place = _part(about, "environment"), folder / "environment"
        if environment.get("docker_image"):
            loading.leave_out(name, f"its image is ready-made: {environment['docker_image']}")
            continue
        dockerfile = place / "Dockerfile"
        composes = [place / f"docker-compose.{ending}" for ending in ("yaml", "yml")]
        script = folder / "tests/test.sh"
        metadata = _part(about, "metadata")
        yield Place(
            id=name,
            suite="harbor",
            folder=folder,
            instruction=words,
            dockerfile=dockerfile if dockerfile.is_file() else None,
            context=place,
            compose=next((each for each in composes if each.is_file()), None),
            tests=folder / "tests",
            script=script if script.is_file() else None,
            hidden=("Dockerfile", "docker-compose*", ".dockerignore"),
            agent_s=seconds(_part(about, "agent").get("timeout_sec"), _AGENT_S),
            check_s=seconds(_part(about, "verifier").get("timeout_sec"), _CHECK_S),
            difficulty=str(metadata.get("difficulty") or ""),
            category=str(metadata.get("category") or ""),
            source=f"Harbor: {folder.name}",
            licence=str(metadata.get("license") or "its data set's"),
        )


def _part(about: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = about.get(name)
    return value if isinstance(value, dict) else {}
