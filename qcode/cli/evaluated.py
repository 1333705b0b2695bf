"""What `qcode eval` tells without running anything: tasks, reports, comparisons, a run again."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from qcode import paths
from qcode.cli.process import require_stdout
from qcode.errors import UsageError
from qcode.evals.harness import suites
from qcode.evals.harness.records import to_json
from qcode.evals.harness.store import Read, read
from qcode.evals.harness.task import Task
from qcode.evals.harness.trial import Trial
from qcode.ui.printable import printable, safe_json

_REPORTS = "qcode.evals.reports"


def list_tasks(args: argparse.Namespace) -> int:
    """Print the tasks of suites, or which suites there are."""
    require_stdout("the tasks")
    if not args.suites:
        names = suites.names(os.environ)
        print(json.dumps(names) if args.json else "\n".join(names))
        return 0
    found = suites.load(args.suites, os.environ, paths.cache_dir() / "evals")
    if args.json:
        print(json.dumps({
            "tasks": [_brief(task) for task in found.tasks],
            "left_out": [{"id": name, "reason": why} for name, why in found.left_out],
        }))  # fmt: skip
        return 0
    width = max(len(task.id) for task in found.tasks)
    for task in found.tasks:
        line = f"{task.id:{width}}  {task.suite}  {task.category}  {task.difficulty}"
        print(printable(f"{line}  {task.time_limit_s:g} s"))
    for name, why in found.left_out:
        print(printable(f"{name:{width}}  left out: {why}"))
    return 0


def _brief(task: Task) -> dict[str, object]:
    return {"id": task.id, "suite": task.suite, "category": task.category,
            "difficulty": task.difficulty, "time_limit_s": task.time_limit_s,
            "is_scripted": bool(task.script)}  # fmt: skip


def show_task(args: argparse.Namespace) -> int:
    """Print one task."""
    require_stdout("the task")
    words = args.suites or suites.names(os.environ)
    for word in words:
        found = suites.load([word], os.environ, paths.cache_dir() / "evals")
        for task in found.tasks:
            if task.id == args.task:
                print("\n".join(_shown(task)) if not args.json else _json(task))
                return 0
    raise UsageError(
        f"no task is called {args.task}", hint=f"`qcode eval list {words[0]}` lists some"
    )


def _json(task: Task) -> str:
    return safe_json(json.dumps(to_json(task), ensure_ascii=False))


def _shown(task: Task) -> list[str]:
    """Return a task to read; the hidden tests are named and not shown."""
    lines = [f"{task.id} ({task.suite}, {task.category or 'no category'})", "", task.prompt, ""]
    rows = {
        "time limit": f"{task.time_limit_s:g} s",
        "files": ", ".join(sorted(task.files)) or "none",
        "set up by": "code of its own" if task.setup or task.post_git else "",
        "must stay": ", ".join(task.protect),
        "only to change": "nothing"
        if task.only_change == ()
        else ", ".join(task.only_change or ()),
        "judged by": task.check.cmd,
        "hidden": ", ".join(sorted({**task.check.overlay, **task.check.files})),
        "source": " ".join(filter(None, (task.source, task.licence))),
    }
    lines += [f"{name + ':':16}{value}" for name, value in rows.items() if value]
    return [printable(line) for part in lines for line in part.split("\n")]


def _only(task: Task) -> str:
    return "nothing" if task.only_change == () else ", ".join(task.only_change or ())


# ------------------------------------------------------------------ results


def report(args: argparse.Namespace) -> int:
    """Write the reports of a results folder anew, and say where they are."""
    require_stdout("where the report is")
    folder = Path(args.folder)
    read(folder)  # what is no results folder is told of in one way everywhere
    written: Sequence[Path] = import_module(f"{_REPORTS}.writing").write(folder)
    if args.json:
        print(json.dumps([str(path) for path in written]))
    else:
        print("\n".join(map(str, written)))
    return 0


def compare(args: argparse.Namespace) -> int:
    """Print how two evaluations compare."""
    require_stdout("the comparison")
    module = import_module(f"{_REPORTS}.comparing")
    compared = module.compare(Path(args.one), Path(args.other))
    print(module.as_json(compared) if args.json else printable(module.as_markdown(compared)))
    return 0


def replay(args: argparse.Namespace) -> int:
    """Show one run step by step."""
    require_stdout("the run")
    folder = Path(args.folder)
    trial = _trial(read(folder), args)
    module = import_module(f"{_REPORTS}.replay")
    code: int = module.replay(folder, trial, html=args.html, as_json=args.json)
    return code


def _trial(held: Read, args: argparse.Namespace) -> Trial:
    """Return the trial that is meant.

    Raises:
        UsageError: none is, or several are.
    """
    name, _, number = args.task.partition("#")
    if number and not number.isdecimal():
        raise UsageError(f"`{args.task}` is no TASK#N", hint="N is the trial's number, from 0")
    fit = [
        trial
        for trial in held.trials
        if trial.task == name
        and (not number or trial.number == int(number))
        and (not args.agent or trial.agent.partition("@")[0] == args.agent.partition("@")[0])
        and (not args.model or trial.model == args.model)
    ]
    if not fit:
        known = sorted({trial.task for trial in held.trials})
        raise UsageError(f"there is no run of {args.task}", hint=f"of {', '.join(known[:8])}, …")
    if len({(trial.agent, trial.model) for trial in fit}) > 1:
        who = "; ".join(f"--agent {each.agent} -m {each.model}" for each in fit[:4])
        raise UsageError(f"several tried {name}", hint=f"say which: {who}")
    return fit[0]
