"""Running an evaluation: from what was asked to trials, their report and an exit code."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace as changed
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from qcode import paths
from qcode.cli.chosen import choose_model
from qcode.cli.eval_who import (
    agents_of,
    endpoints_of,
    mind_prices,
    mind_slots,
    resolved,
    usual_jobs,
)
from qcode.cli.noting import note_on_stderr
from qcode.cli.options import settings_from
from qcode.cli.process import require_stdout, run_to_end
from qcode.cli.start import provider_for
from qcode.cli.stopping import Stopping
from qcode.errors import UsageError
from qcode.evals.agents import Endpoint
from qcode.evals.agents.qcode import HIDES
from qcode.evals.harness import suites, versions
from qcode.evals.harness.placing_swe import CLONES
from qcode.evals.harness.records import digest, to_json
from qcode.evals.harness.schedule import Bounds, Ended, Evaluation, Planned, plan
from qcode.evals.harness.scripted_model import MODEL
from qcode.evals.harness.store import RESULTS, TASKS, TRIALS, Store, name_of, read_tasks
from qcode.evals.harness.task import Task
from qcode.evals.harness.trial import Header
from qcode.evals.loaders.base import Loading
from qcode.evals.reports import write
from qcode.evals.reports.live import Live
from qcode.record import replace
from qcode.ui.printable import printable

_CODES: Mapping[Ended, int] = {"cost": 4, "time": 4}
_SETTLED: Mapping[str, str] = {
    "suites": "SUITE",
    "models": "--model",
    "agent": "--agent",
    "api_key_env": "--api-key-env",
    "only": "--only",
    "limit": "--limit",
    "output": "--output",
    "temperature": "--temperature",
    "trials": "--trials",
    "seed": "--seed",
    "time_factor": "--time-factor",
    "max_steps": "--max-steps",
    "max_tokens": "--max-tokens",
    "clones": "--clones",
}
"""What an evaluation that is gone on with has settled already: each option, as it is written."""


def run(args: argparse.Namespace) -> int:
    """Run an evaluation, or go on with one; return the exit code."""
    require_stdout("the results")
    if any(word.startswith("bfcl:") for word in args.suites):
        return _questions(args)
    store, tasks = _reopened(args) if args.resume else _begun(args)
    with store:
        header = store.header
        agents = agents_of([name.partition("@")[0] for name in header.agents])
        if tuple(agents) != header.agents:
            raise UsageError(
                f"it was begun with {', '.join(header.agents)}, and here is {', '.join(agents)}",
                hint="one evaluation is of one version: begin a new one",
            )
        if args.resume:
            _mind_commit(header)
        endpoints = endpoints_of(args, header)
        planned = plan(tasks, agents, endpoints, trials=header.trials, seed=header.seed)
        if args.again_errors:
            store.drop(trial.key for trial in store.trials if trial.reason == "error")
        at_once = args.jobs or usual_jobs(endpoints)
        if at_once > 1:
            run_to_end(lambda: mind_slots(endpoints, at_once))
        bounds = Bounds(
            at_once,
            float(header.limits.get("time_factor", 1.0)),
            _whole(header.limits.get("max_steps")),
            _whole(header.limits.get("max_tokens")),
            args.max_cost or header.limits.get("max_cost"),
            args.max_time,
        )
        if bounds.cost_usd is not None:
            mind_prices(endpoints)
        stopping = Stopping(lambda: False)
        ended = _run(store, planned, bounds, args, stopping)
        return _closing(store, ended, len(planned), args, stopping.signal)


def _mind_commit(header: Header) -> None:
    """Say where qcode is another one now: the version does not change with each commit."""
    began, now = header.versions.get("commit"), versions.versions().get("commit")
    if began != now:
        note_on_stderr(
            f"begun at commit {began or '(none)'}, and here is {now or '(none)'}: what comes now "
            "is of another qcode, and the report names the first alone"
        )


def _questions(args: argparse.Namespace) -> int:
    """Put questions that are answered by tool calls to a model; they are no tasks for agents."""
    from qcode.evals.loaders import bfcl_cli

    if len(args.suites) > 1 or len(args.models) > 1:
        raise UsageError("bfcl:PATH is played alone, with one model")
    settings = settings_from(args, Path.cwd())
    settings = changed(
        settings,
        model=next(iter(args.models), settings.model),
        base_url=args.base_url or settings.base_url,
        api_key_env=args.api_key_env or settings.api_key_env,
    )
    chosen = choose_model(settings, note_on_stderr, local=False)
    provider = provider_for(chosen, settings, "bfcl")
    # By the model's name, so that the same command goes on where it was stopped.
    usual = Path("evals-results") / name_of(f"bfcl-{chosen.target.model}")
    folder = Path(args.output or args.resume or usual)
    return bfcl_cli.run(
        args.suites[0],
        provider,
        folder / "answers.jsonl",
        Loading(paths.cache_dir() / "evals", environ=os.environ),
        slots=args.jobs or 1,
        temperature=args.temperature,
        only=args.limit,
        show=not args.json,
        in_json=args.json,
    )


def _run(
    store: Store,
    planned: Sequence[Planned],
    bounds: Bounds,
    args: argparse.Namespace,
    stopping: Stopping,
) -> Ended:
    with Live(store.header, len(planned), earlier=store.trials) as watching:
        clones = {CLONES: str(store.header.settings.get("clones") or "")}
        environ = {**os.environ, **{name: value for name, value in clones.items() if value}}
        environ[HIDES] = os.pathsep.join(_hidden(store))
        evaluation = Evaluation(store, planned, bounds, environ, watching=watching, keeps=args.keep)

        async def run_all() -> Ended:
            stopping.mind()
            try:
                return await evaluation.run()
            except asyncio.CancelledError:  # a second signal, while the first one was minded
                return "interrupted"

        return run_to_end(run_all)


def _hidden(store: Store) -> Iterator[str]:
    """Yield where hidden tests and answers lie that the agent is not to look up."""
    folder = store.folder.resolve()
    yield from (str(folder / name) for name in (TASKS, RESULTS, TRIALS))
    for word in store.header.suites:
        place = Path(suites.located(word, os.environ).partition("#")[0])
        if not place.exists():
            place = Path(str(place).partition(":")[2])
        place = place.resolve()
        if place.name and place.exists() and not store.work.resolve().is_relative_to(place):
            yield str(place)


# ------------------------------------------------------------------ beginning, going on


def _begun(args: argparse.Namespace) -> tuple[Store, list[Task]]:
    if not args.suites:
        there = ", ".join(suites.names(os.environ))
        raise UsageError("eval needs a SUITE", hint=f"there are: {there}; or a FILE.jsonl")
    if args.again_errors:
        raise UsageError("--again-errors goes with --resume DIR")
    clones = Path(args.clones).resolve() if args.clones else None
    if clones is not None and not clones.is_dir():
        raise UsageError(f"--clones: `{args.clones}` is no folder")
    cache = paths.cache_dir() / "evals"
    found = suites.load(args.suites, os.environ, cache, clones=clones)
    for line in found.notes:
        note_on_stderr(line)
    for name, why in found.left_out:
        note_on_stderr(f"left out: {name}: {why}")
    tasks = suites.picked(found.tasks, args.only, args.limit)
    named = list(dict.fromkeys(args.models)) or _default_model(tasks, args)
    asked = {
        "named": named,
        "base_url": _without_user(args.base_url or ""),
        "api_key_env": args.api_key_env,
        "temperature": args.temperature,
        "clones": str(clones or ""),
    }
    endpoints = resolved(args, {**asked, "base_url": args.base_url})
    limits = {"time_factor": args.time_factor or 1.0}
    limits |= {name: value for name in ("max_steps", "max_tokens", "max_cost")
               if (value := getattr(args, name)) is not None}  # fmt: skip
    agents = agents_of((args.agent or "qcode").split(","))
    header = Header(
        id=versions.new_id(),
        suites=tuple(args.suites),
        agents=tuple(agents),
        models=tuple(endpoint.model for endpoint in endpoints),
        trials=args.trials or 1,
        seed=args.seed or 0,
        limits=limits,
        settings={**asked, "endpoints": [_told(endpoint) for endpoint in endpoints]},
        versions=versions.versions(),
        tasks_digest=digest(tasks),
        machine=versions.machine(),
        started=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    folder = Path(args.output) if args.output else Path("evals-results") / header.id
    return Store.create(folder, header, tasks), tasks


def _default_model(tasks: Sequence[Task], args: argparse.Namespace) -> list[str]:
    if all(task.script for task in tasks) and not args.base_url:
        return [MODEL]
    settings = settings_from(args, Path.cwd())
    if settings.model is None:
        raise UsageError("eval needs a model for these tasks", hint="-m MODEL, one or several")
    return [settings.model]


def _told(endpoint: Endpoint) -> Any:
    """Return an endpoint for the record."""
    return to_json(replace(endpoint, base_url=_without_user(endpoint.base_url)))


def _without_user(url: str) -> str:
    """Return a URL without user and password, which are nobody's business in a record."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _reopened(args: argparse.Namespace) -> tuple[Store, list[Task]]:
    given = [word for name, word in _SETTLED.items() if getattr(args, name) not in (None, [])]
    if given:
        raise UsageError(
            f"--resume goes on as it was begun, so {given[0]} cannot be said again",
            hint=f"leave it out, or begin a new evaluation without --resume {args.resume}",
        )
    folder = Path(args.resume)
    store = Store.reopen(folder)
    return store, read_tasks(folder)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


# ------------------------------------------------------------------ the end


def _closing(
    store: Store, ended: Ended, total: int, args: argparse.Namespace, stopped_by: int | None
) -> int:
    reports = write(store.folder)
    trials = store.trials
    errors = sum(trial.reason == "error" for trial in trials)
    passed = sum(trial.passed for trial in trials)
    judged = len(trials) - errors
    code = _CODES.get(ended) or (3 if errors else 0)
    if ended == "interrupted":
        code = 128 + (stopped_by or signal.SIGINT)
    least = args.fail_under
    if least is None:
        least = 100.0 if set(store.header.models) == {MODEL} else 0.0
    if code == 0 and 100.0 * passed < least * judged:
        code = 1
    if args.json:
        told = {
            "folder": str(store.folder), "ended": ended, "exit_code": code, "trials": len(trials),
            "total": total, "passed": passed, "judged": judged, "errors": errors,
            "reports": [str(path) for path in reports],
            "failed": [to_json(trial) for trial in trials if not trial.passed],
        }  # fmt: skip
        print(json.dumps(told, ensure_ascii=True))
        return code
    share = f" ({100 * passed / judged:.0f} %)" if judged else ""
    print(f"{passed} of {judged} passed{share}; {store.folder}")
    several = {(trial.agent, trial.model) for trial in trials}
    for trial in trials:
        if not trial.passed:
            who = "" if len(several) == 1 else f" ({trial.agent} × {trial.model})"
            named = f"{trial.task}#{trial.number}{who}"
            print(printable(f"  {trial.reason}: {named}: {trial.detail}"))
    for path in reports:
        print(f"  {path}")
    if why := _why(ended, errors, total - len(trials), store.folder):
        print(f"qcode: {why}", file=sys.stderr)
    return code


def _why(ended: Ended, errors: int, left: int, folder: Path) -> str:
    on = f"`qcode eval --resume {folder}` goes on"
    are_left = "1 trial is left" if left == 1 else f"{left} trials are left"
    match ended:
        case "cost":
            return f"--max-cost is used up, {are_left}; {on}, with a higher one"
        case "time":
            return f"--max-time is over, {are_left}; {on}"
        case "interrupted":
            return f"interrupted, {are_left}; {on}"
    if errors:
        again = f"`qcode eval --resume {folder} --again-errors`"
        if errors == 1:
            return f"1 trial could not be judged; {again} runs it again"
        return f"{errors} trials could not be judged; {again} runs them again"
    return ""
