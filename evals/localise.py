"""`make localise`: whether the map finds the file that an issue is about, from its text alone.

    make localise                                 # the tasks of swe-lite-offline.jsonl
    make localise ARGS="--commits 300 --in DIR"   # the last commits of a repository instead
    make localise ARGS="--aider PYTHON"           # beside aider's map, from where it is installed

Each repository is fetched as a source distribution with pip, and read, never run. Beside
the map's order stand two by plain grep: how many of the issue's words a file has, of all
files, and of those that are no tests. recall@5 is the part of the tasks for which a file
that the accepted change touched is among the first five. With `--commits`, the message of
each commit is the issue and the files it changed are the answer, in the tree as it is now.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from qcode.repomap import ask, standing
from qcode.repomap.index import Index
from qcode.repomap.languages import grammar
from qcode.repomap.rank import ranked
from qcode.repomap.request import read
from qcode.tools.ignore import walk

ROOT = Path(__file__).resolve().parents[1]
TASKS = ROOT.parent / "shared" / "evals" / "swe-lite-offline.jsonl"
GOLD = {
    "pallets__flask-5014": ("src/flask/blueprints.py",),
    "psf__requests-6028": ("requests/utils.py",),
    "pytest-dev__pytest-7432": ("src/_pytest/skipping.py",),
    "pytest-dev__pytest-7571": ("src/_pytest/logging.py",),
    "pytest-dev__pytest-10051": ("src/_pytest/logging.py",),
    "pytest-dev__pytest-7236": ("src/_pytest/unittest.py",),
    "sphinx-doc__sphinx-10323": ("sphinx/directives/code.py",),
    "sympy__sympy-24539": ("sympy/polys/rings.py",),
    "django__django-16819": ("django/db/migrations/operations/models.py",),
}
"""By instance, the source files that the accepted change touched."""
_STOP = frozenset(
    ["the", "and", "for", "that", "this", "with", "not", "are", "from", "have", "has", "was"]
)


class Case(NamedTuple):
    """One issue, the tree it is about, and the files that answer it."""

    name: str
    root: Path
    text: str
    gold: frozenset[str]


def tasks(file: Path, folder: Path) -> Iterator[Case]:
    """Yield the tasks whose repositories can be had."""
    for line in file.read_text(encoding="utf-8").splitlines():
        task = json.loads(line)
        gold = GOLD.get(task["instance_id"])
        if gold is None:
            print(f"left out: {task['id']}: its answer is not known", file=sys.stderr)
            continue
        try:
            root = _fetched(task["base"]["sdist"], folder)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            print(f"left out: {task['id']}: {error}", file=sys.stderr)
            continue
        if all((root / path).is_file() for path in gold):
            yield Case(task["instance_id"], root, task["problem_statement"], frozenset(gold))
        else:
            print(f"left out: {task['id']}: its answer is not there", file=sys.stderr)


def _fetched(sdist: dict[str, str], folder: Path) -> Path:
    """Return the unpacked source distribution, from pip unless it is there.

    Raises:
        OSError, subprocess.SubprocessError, ValueError: it cannot be had, or is another.
    """
    target = folder / f"{sdist['package']}-{sdist['version']}"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=folder) as place:
            words = ("download", "-qq", "--no-deps", "--no-binary", ":all:", "-d", place)
            wanted = f"{sdist['package']}=={sdist['version']}"
            subprocess.run([sys.executable, "-m", "pip", *words, wanted], check=True, timeout=300)
            (archive,) = Path(place).glob("*.tar.gz")
            if hashlib.sha256(archive.read_bytes()).hexdigest() != sdist["sha256"]:
                raise ValueError(f"{archive.name} is not the one of the task")
            with tarfile.open(archive) as tar:
                tar.extractall(Path(place) / "x", filter="data")
            (unpacked,) = (Path(place) / "x").iterdir()
            unpacked.rename(target)
    return target


def commits(root: Path, count: int) -> Iterator[Case]:
    """Yield the last commits that changed one to three source files that are still there."""
    form = "--format=%x01%H%x00%B%x00"
    log = subprocess.run(
        ["git", "log", "--no-merges", f"-{count}", "--name-only", form],
        cwd=root, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for commit in log.split("\x01")[1:]:
        name, text, files = commit.split("\0")
        gold = {
            path
            for path in files.split("\n")
            if path and grammar(path) and not standing.is_test(path) and (root / path).is_file()
        }
        if 1 <= len(gold) <= 3:
            yield Case(name[:8], root, text, frozenset(gold))


# ------------------------------------------------------------------ who answers


def by_map(case: Case) -> list[str]:
    """Order by the map; without git, whose last commits would tell the answer."""

    def question(index: Index) -> list[str]:
        return [one.row.path for one in ranked(index, read(case.text), {})]

    return ask(case.root, question)


def by_grep(case: Case, *, tests: bool = True) -> list[str]:
    """Order by how many of the issue's words are in a file, then by how often."""
    wanted = {word.lower() for word in re.findall(r"[A-Za-z_]\w{2,}", case.text)} - _STOP
    scores: list[tuple[int, int, str]] = []
    for entry in walk(case.root, case.root):
        if entry.is_link or not grammar(entry.path) or (standing.is_test(entry.path) > tests):
            continue
        text = (case.root / entry.path).read_text(encoding="utf-8", errors="replace").lower()
        found = [word for word in re.findall(r"[a-z_]\w{2,}", text) if word in wanted]
        scores.append((-len(set(found)), -len(found), entry.path))
    return [path for _, _, path in sorted(scores)]


_AIDER = """
import json, os, re, sys
from aider.io import InputOutput
from aider.models import Model
from aider.repomap import RepoMap
root, files, text = json.load(sys.stdin)
os.chdir(root)
class Quiet(InputOutput):
    def __init__(self): super().__init__(pretty=False, yes=True)
    def tool_output(self, *a, **k): pass
    def tool_warning(self, *a, **k): pass
paths = [os.path.join(root, name) for name in files]
model = Model("gpt-4o")
map = RepoMap(map_tokens=8192, root=root, main_model=model, io=Quiet(), refresh="always")
idents = set(re.split(r"\\W+", text))
words = set(word.strip(",.!;:?\\"'`*_()") for word in text.split())
lower = {ident.lower() for ident in idents if len(ident) >= 5}
named = {name for name in files if name in words or os.path.basename(name) in words}
for name in files:
    if os.path.splitext(os.path.basename(name))[0].lower() in lower:
        named.add(name)
tags = map.get_ranked_tags([], paths, named, idents, progress=lambda *a: None)
print(json.dumps(list(dict.fromkeys(tag[0] for tag in tags))))
"""


def by_aider(case: Case, python: str) -> list[str]:
    """Order by aider's map, given what aider itself would give it."""
    files = [
        entry.path
        for entry in walk(case.root, case.root)
        if not entry.is_link and grammar(entry.path)
    ]
    done = subprocess.run(
        [python, "-c", _AIDER], input=json.dumps([str(case.root), files, case.text]),
        capture_output=True, text=True, timeout=550, env={**os.environ, "AIDER_ANALYTICS": "false"},
    )  # fmt: skip
    if done.returncode:
        raise ValueError(done.stderr.strip().rpartition("\n")[2])
    return [str(path) for path in json.loads(done.stdout.strip().splitlines()[-1])]


def place(order: Sequence[str], gold: frozenset[str]) -> int:
    """Return at which place, from 1, the first answer stands; a large number if nowhere."""
    return next((number for number, path in enumerate(order, 1) if path in gold), 10**6)


def main(argv: Sequence[str] | None = None) -> int:
    """Ask for each case, print the places and the recalls, return the exit code."""
    parser = argparse.ArgumentParser(prog="make localise", description=__doc__)
    add = parser.add_argument
    add("--tasks", type=Path, default=TASKS, help="tasks as JSON lines")
    add("--folder", type=Path, default=ROOT / ".localise", help="where repositories are kept")
    add("--commits", type=int, help="so many commits of a repository instead")
    add("--in", dest="repository", type=Path, default=ROOT, help="the repository of the commits")
    add("--aider", metavar="PYTHON", help="an interpreter that has aider")
    options = parser.parse_args(argv)
    options.folder.mkdir(exist_ok=True)
    answering: dict[str, Callable[[Case], list[str]]] = {
        "map": by_map,
        "grep": by_grep,
        "grep, no tests": lambda case: by_grep(case, tests=False),
    }
    if options.aider:
        answering["aider"] = lambda case: by_aider(case, options.aider)
    cases = (
        commits(options.repository, options.commits)
        if options.commits
        else tasks(options.tasks, options.folder)
    )
    places: dict[str, list[int]] = {name: [] for name in answering}
    for case in cases:
        row: list[Any] = []
        for name, answer in answering.items():
            at = place(answer(case), case.gold)
            places[name].append(at)
            row.append(f"{name} {at if at < 10**6 else '-'}")
        if not options.commits:
            print(f"{case.name:28} {', '.join(row)}", flush=True)
    print()
    for name, found in places.items():
        if found:
            recalls = ", ".join(
                f"recall@{most} {sum(at <= most for at in found) / len(found):.2f}"
                for most in (1, 5, 10)
            )
            mean = sum(1 / at for at in found) / len(found)
            print(f"{name:16} {recalls}, mean reciprocal place {mean:.2f} ({len(found)} cases)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
