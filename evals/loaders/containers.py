"""What Terminal-Bench and Harbor have in common: a task in a container, made one in a folder."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcode.errors import QcodeError
from qcode.evals.harness.task import Check, Content, Task
from qcode.evals.loaders.base import Loading, as_bytes, content, tree
from qcode.evals.loaders.dockerfile import CannotBe, Folder, as_folder
from qcode.frontmatter import split
from qcode.record import Record

_JUDGE = Path(__file__).with_name("folder_judge.py")
_ABSOLUTE = re.compile(r"(?<![\w.$)}\]/:<~*-])/([A-Za-z][\w.-]*)(?:/[\w./-]*)?")
_EVERYWHERE = frozenset({"dev", "bin", "usr/bin/env", "tests", "logs"})
_INSTALLS = re.compile(r"\b(?:apt-get|apt|curl|wget|uvx?|pip3?|npm|git clone|docker)\b")
_RUNS_PYTEST = re.compile(r"\bpytest\b")
_CANARY = re.compile(r"\A(?:[ \t]*(?:#|<!--).*canary.*\n|\s*\n)+", re.IGNORECASE)
_SERVICE = frozenset(
    {"build", "image", "container_name", "command", "environment", "volumes", "init", "tty",
     "stdin_open", "deploy", "pull_policy", "platform", "working_dir"}
)  # fmt: skip


class Place(Record):
    """A task's folder as its format has it."""

    id: str
    suite: str
    folder: Path
    instruction: str
    dockerfile: Path | None
    """None: there is none, so nothing is in the image."""
    context: Path
    compose: Path | None
    tests: Path
    script: Path | None
    """What runs the tests there."""
    hidden: tuple[str, ...]
    """Globs of what stands in the context and is not for the agent."""
    agent_s: float
    check_s: float
    difficulty: str
    category: str
    source: str
    licence: str


def make(place: Place, loading: Loading) -> Task | None:
    """Return the task that a folder holds; None: it cannot be one here, and the reason is said."""
    try:
        return _made(place, loading)
    except CannotBe as reason:
        loading.leave_out(place.id, str(reason))
        return None


def _made(place: Place, loading: Loading) -> Task:
    if not place.instruction.strip():
        raise CannotBe("it has no instruction")
    if place.compose is not None:
        _one_plain_service(place.compose)
    image = Folder("/app", {}, "", {}, False)
    if place.dockerfile is not None:
        text = place.dockerfile.read_text(encoding="utf-8", errors="replace")
        path = loading.environ.get("PATH", "")
        image = as_folder(text, place.context, path, hidden=place.hidden)
    if not place.tests.is_dir():
        raise CannotBe("it has no tests")
    tests = tree(place.tests)
    kind, files = _how(place, tests)
    instruction = _CANARY.sub("", place.instruction).strip()
    _names_nothing_else("its instruction", instruction, image.root, ())
    for name in files if kind == "script" else tests:
        held = as_bytes(tests[name]).decode("utf-8", "replace")
        _names_nothing_else(f"its test {name}", held, image.root, ("tmp", "usr", "proc"))
    for name, held_there in image.files.items():
        held = as_bytes(held_there).decode("utf-8", "replace")
        if re.search(rf"(?<![\w./-]){re.escape(image.root)}(?![\w-])", held):
            raise CannotBe(f"its file {name} names {image.root}")
    wanted = {"root": image.root, "kind": kind, "files": files, "environ": dict(image.environ)}
    checking: dict[str, Content] = {f"tests/{name}": held for name, held in tests.items()}
    checking["judge.json"] = json.dumps(wanted)
    checking["judge.py"] = content(_JUDGE)
    more: dict[str, Any] = {"root": image.root}
    if image.environ:
        more["environ"] = dict(image.environ)
    return Task(
        id=place.id,
        suite=place.suite,
        prompt=_here(instruction, image.root),
        check=Check('python "$EVAL_CHECK/judge.py"', place.check_s, files=checking),
        files=image.files,
        category=place.category,
        difficulty=place.difficulty,
        time_limit_s=place.agent_s,
        setup=image.setup,
        git=not image.is_repository,
        source=place.source,
        licence=place.licence,
        more=more,
    )


def _how(place: Place, tests: Mapping[str, Content]) -> tuple[str, list[str]]:
    """Return how the tests are run: by pytest, or by their own script."""
    script = ""
    if place.script is not None:
        script = place.script.read_text(encoding="utf-8", errors="replace")
    cases = [name for name in tests if re.fullmatch(r"(?:.*/)?test_\w+\.py", name)]
    if cases and (not script or _RUNS_PYTEST.search(script)):
        # The script would install pytest and run it; what it installs besides is not here.
        named = re.findall(r"(?:-w|--with)[ =](\S+)", script)
        others = [each for each in named if not re.match(r"pytest\b", each.strip("\"'"))]
        if others:
            raise CannotBe(f"its tests need {others[0]}")
        return "pytest", cases
    if place.script is None:
        raise CannotBe("it has neither a pytest file nor a script of tests")
    if found := _INSTALLS.search(script):
        raise CannotBe(f"its script of tests runs `{found.group()}`")
    if not place.script.is_relative_to(place.tests):
        raise CannotBe("its script of tests is not among them")
    return "script", [str(place.script.relative_to(place.tests))]


def _names_nothing_else(what: str, text: str, root: str, also: tuple[str, ...]) -> None:
    """See that a text names no path that a folder cannot have."""
    for found in _ABSOLUTE.finditer(text):
        path = found.group().rstrip(".")
        if path == root or path.startswith(f"{root}/"):
            continue
        if found[1] in (*_EVERYWHERE, *also) or path == "/usr/bin/env":
            continue
        raise CannotBe(f"{what} names {path}, outside {root}")


def _here(instruction: str, root: str) -> str:
    """Return an instruction whose paths are those of the folder that the agent stands in."""
    below = re.sub(rf"(?<![\w./-]){re.escape(root)}/(?=[\w.-])", "", instruction)
    return re.sub(rf"(?<![\w./-]){re.escape(root)}/?(?![\w-])", "the current folder", below)


def _one_plain_service(file: Path) -> None:
    about = yaml_in(file)
    services = about.get("services")
    if not isinstance(services, dict) or len(services) != 1:
        raise CannotBe("it needs several containers")
    (service,) = services.values()
    for key in service if isinstance(service, dict) else ():
        if key not in _SERVICE:
            raise CannotBe(f"its container has `{key}`")


def yaml_in(file: Path) -> Mapping[str, Any]:
    """Return what a YAML file says.

    Raises:
        CannotBe: it cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8")
        return split(f"---\n{text}\n---\n").fields
    except (OSError, UnicodeDecodeError, QcodeError) as error:
        raise CannotBe(f"{file.name} cannot be read: {error}") from error


def seconds(value: object, default: float) -> float:
    """Return a time limit as a format gives it."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and value > 0 else default  # type: ignore[arg-type, operator]
