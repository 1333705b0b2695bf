"""What `qcode eval` tells without running anything: tasks, reports, comparisons, a run again."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from qcode import paths
from qcode.cli.process import require_stdout
from qcode.errors import UsageError
from qcode.evals.harness import suites, versions
from qcode.evals.harness.records import to_json
from qcode.evals.harness.task import Task
from qcode.evals.reports import write
from qcode.evals.reports.results import read
from qcode.ui.printable import encodable, printable, safe_json


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
    names = [*(task.id for task in found.tasks), *(name for name, _ in found.left_out)]
    width = max(map(len, names), default=0)
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
    """Write the reports of a results folder anew, and say where they are.

    With `--predictions` SWE-bench's too; with `--official` its own harness judges them.
    """
    require_stdout("where the report is")
    folder = Path(args.folder)
    written = list(write(folder))
    if not (args.predictions or args.official):
        print(json.dumps(list(map(str, written))) if args.json else "\n".join(map(str, written)))
        return 0
    from qcode.evals.loaders import official, predictions

    out = Path(args.predictions) if args.predictions else folder / "predictions.jsonl"
    count = predictions.write(folder, out)
    found: official.Report | None = None
    if args.official:
        run_id, workers = read(folder).header.id, max(1, versions.cores() * 3 // 4)
        found = official.run(out, args.official, run_id, os.environ, workers=workers)
    if args.json:
        told = {"reports": list(map(str, written)), "predictions": str(out), "count": count,
                "official": None if found is None else to_json(found)}  # fmt: skip
        print(json.dumps(told))
        return 0
    print("\n".join(map(str, written)))
    print(f"{out}: {count} prediction{'' if count == 1 else 's'}")
    if found is not None:
        print(
            f"officially resolved: {len(found.resolved)} of {count}; not: {len(found.unresolved)}, "
            f"empty patches: {len(found.empty)}, errors: {len(found.errors)}"
        )
    return 0


def compare(args: argparse.Namespace) -> int:
    """Print how two evaluations compare."""
    from qcode.evals.reports.compared import comparison_json, comparison_markdown
    from qcode.evals.reports.comparing import compare as compared

    require_stdout("the comparison")
    arms = (args.first or "", args.second or "")
    found = compared(read(Path(args.one)), read(Path(args.other)), arms=arms)
    if args.json:
        print(json.dumps(comparison_json(found), ensure_ascii=True))
    else:
        print(encodable(comparison_markdown(found)), end="")
    return 0


def replay(args: argparse.Namespace) -> int:
    """Show one run step by step."""
    from qcode.evals.reports import replay as replaying

    require_stdout("the run")
    results = read(Path(args.folder))
    trial = replaying.find(results, args.task, agent=args.agent or "", model=args.model or "")
    if args.html:
        paths = replaying.replay_html(results, trial, Path(args.html), force=args.force)
        print("\n".join(map(str, paths)))
    elif args.json:
        print(json.dumps(to_json(trial), ensure_ascii=True))
    else:
        print(replaying.replay(results, trial, whole=args.whole), end="")
    return 0
