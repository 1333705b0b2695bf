"""SWE-bench's instances (Full, Lite, Verified): issues of real repositories, tests hidden.

Fields: swebench.com, github.com/SWE-bench/SWE-bench (MIT); of an instance's two patches only the
tests' goes into the task, and hints are left out. How a repository's tests are run is in
`swebench.json`, from that project's `swebench/harness/constants`.

Where an environment of an instance is described, its tests are run here (`swe_place.py`); all
others get no verdict here but an `error`, and are judged by the official harness from
`predictions.jsonl` (`predictions.py`, `official.py`).
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from qcode.errors import UsageError
from qcode.evals.harness.task import Check, Task
from qcode.evals.loaders import swe_judge
from qcode.evals.loaders.base import Loading, read_json, read_lines

_NEEDED = ("instance_id", "repo", "base_commit", "problem_statement", "test_patch",
           "FAIL_TO_PASS", "PASS_TO_PASS")  # fmt: skip
_FACTS = Path(__file__).with_name("swebench.json")
_NOT_CODE = frozenset(
    {".json", ".png", ".csv", ".txt", ".md", ".jpg", ".jpeg", ".pkl", ".yml", ".yaml", ".toml"}
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPO = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_PREFIX = "swebench-"

TIME_S = 1800.0
"""Of the agent; most instances take models five to twenty minutes."""


def load(path: Path, loading: Loading) -> list[Task]:
    """Return the instances of a file: JSON lines, or one JSON array as tables are exported to.

    Environments are read from the file beside it that ends in `.env.json`: an object whose keys
    are instance ids, or `owner/name@version`, and whose values are as `env` in our task files.

    Raises:
        UsageError: the file is none of instances, or one of them lacks a field.
    """
    if path.suffix == ".parquet":
        raise UsageError(
            f"{path} is a Parquet file", hint="export it as JSON: `datasets`' to_json writes it"
        )
    environments = _environments(path)
    facts = read_json(_FACTS)
    tasks: list[Task] = []
    seen: dict[str, int] = {}
    unjudged = 0
    for number, row in read_lines(path):
        where = f"{path}:{number}"
        lacking = [name for name in _NEEDED if not isinstance(row.get(name), (str, list))]
        if lacking:
            raise UsageError(f"{where}: an instance of SWE-bench has `{lacking[0]}`")
        task = _task(row, where, environments, facts)
        if task.id in seen:
            raise UsageError(f"{where}: {task.id} stands in line {seen[task.id]} already")
        seen[task.id] = number
        unjudged += task.check.cmd == swe_judge.UNJUDGED
        tasks.append(task)
    if not tasks:
        raise UsageError(f"{path} has no instances")
    if unjudged:
        loading.note(
            f"{unjudged} of {len(tasks)} instances have no environment described here: they are "
            "solved and not judged; `qcode eval report DIR --official DATASET` has them judged"
        )
    return tasks


def instance_of(task_id: str) -> str:
    """Return the instance that a task is made of, by the task's id."""
    return task_id.removeprefix(_PREFIX).removeprefix("swe-")


def test_files(patch: str) -> tuple[str, ...]:
    """Return the files of a patch that hold tests to be run: those that are code."""
    return tuple(
        name for name in patched(patch) if PurePosixPath(name).suffix.lower() not in _NOT_CODE
    )


def patched(patch: str) -> tuple[str, ...]:
    """Return the paths that a patch touches, as they are after it, without those it removes."""
    names: list[str] = []
    for match in re.finditer(r"^diff --git a/(.+?) b/(.+)$", patch, re.MULTILINE):
        end = patch.find("\ndiff --git ", match.end())
        part = patch[match.end() : end if end >= 0 else len(patch)]
        if "\n+++ /dev/null" not in part and match[2] not in names:
            names.append(match[2])
    return tuple(names)


def _task(
    row: Mapping[str, Any], where: str, environments: Mapping[str, Any], facts: Mapping[str, Any]
) -> Task:
    repo, commit = str(row["repo"]), str(row["base_commit"])
    if not _REPO.fullmatch(repo) or not _COMMIT.fullmatch(commit):
        raise UsageError(f"{where}: `repo` is owner/name, `base_commit` has 40 hexadecimal digits")
    instance = str(row["instance_id"])
    version = str(row.get("version") or "")
    patch = str(row["test_patch"])
    env = environments.get(instance) or environments.get(f"{repo}@{version}")
    known = facts["repositories"].get(repo, facts["others"])
    more: dict[str, Any] = {
        "base": {"git": {"url": f"https://github.com/{repo}", "commit": commit}},
        "instance_id": instance,
        "repo": repo,
        "version": version,
    }
    command = swe_judge.UNJUDGED
    if env is not None:
        more["env"] = env
        command = str(env.get("cmd") or _command(known, patch))
    return Task(
        id=_PREFIX + instance,
        suite="swebench",
        prompt=_prompt(str(row["problem_statement"]), is_installed=env is not None),
        check=Check(
            command,
            1800.0,
            more={
                "patch": patch,
                "fail_to_pass": list(_names(row["FAIL_TO_PASS"], where)),
                "pass_to_pass": list(_names(row["PASS_TO_PASS"], where)),
                "parser": known["parser"],
            },
        ),
        category="issue",
        difficulty=str(row.get("difficulty") or ""),
        time_limit_s=TIME_S,
        source=f"SWE-bench {instance}",
        licence=f"MIT (SWE-bench); the licence of {repo}",
        more=more,
    )


def _prompt(issue: str, *, is_installed: bool) -> str:
    installed = "It is installed in the Python environment that is active. " if is_installed else ""
    return (
        "This repository has the problem that the issue below tells of. Solve it in the source "
        f"code. {installed}Leave the tests and the build's settings as they are: tests that you "
        f"cannot see will be run.\n\n<issue>\n{issue.strip()}\n</issue>"
    )


def _command(known: Mapping[str, Any], patch: str) -> str:
    files = test_files(patch)
    if known.get("labels"):
        # Django's runner takes modules, from its folder of tests.
        files = tuple(
            name.removeprefix("tests/").removesuffix(".py").replace("/", ".") for name in files
        )
    return " ".join([known["cmd"], *map(shlex.quote, files)])


def _names(value: object, where: str) -> Iterator[str]:
    """Yield names of tests, which the official files have as a list or as a list in a text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise UsageError(f"{where}: a list of tests is no JSON: {error}") from error
    if not isinstance(value, list):
        raise UsageError(f"{where}: FAIL_TO_PASS and PASS_TO_PASS are lists of tests")
    yield from map(str, value)


def _environments(path: Path) -> Mapping[str, Any]:
    beside = path.with_name(path.name.split(".")[0] + ".env.json")
    if not beside.is_file():
        return {}
    found = read_json(beside)
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise UsageError(f"{beside} is to be an object of environments by instance")
    return found
