"""Measures qcode beside other agents with the embedded models: `make results`.

Each model is served by `qcode local`, all agents work on the same tasks at the same server, and
`evals/RESULTS.md` is written from what came of it. A run that is stopped goes on where it was;
the raw results stand in `evals/results/`, one file a model and suite, and the table can be made
from them again (`--table`).

It takes hours on two cores: leave the machine alone meanwhile, as the times are told, too. So
agents can be measured one after the other (`--agents aider --name aider`), and again for more
trials (`--name 2`): sets of the same tasks and limits stand in one table.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from qcode.errors import QcodeError
from qcode.evals.harness.trial import Trial
from qcode.evals.reports.columns import count, interval, percent, seconds
from qcode.evals.reports.markdown import by_task, marks, table
from qcode.evals.reports.results import Arm, Results, read
from qcode.evals.reports.summary import Row, row, summarise
from qcode.evals.reports.taxonomy import TITLES
from qcode.files_whole import write_whole
from qcode.record import replace

HERE = Path(__file__).resolve().parent
TABLE = HERE / "RESULTS.md"
RAW = HERE / "results"
QCODE = (sys.executable, "-P", "-m", "qcode")
MODELS = ("1.5b", "0.5b")
SUITES = ("small", "trap", "fresh")
AGENTS = ("qcode", "oneshot", "aider", "mini-swe-agent")
STEPS = "max_steps"
OURS = ("qcode", "oneshot")
"""Agents that are no peers."""


def main(arguments: list[str] | None = None) -> int:
    """Measure what is not measured yet, and write the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="SIZE")
    parser.add_argument("--suites", nargs="+", default=SUITES, metavar="SUITE")
    parser.add_argument("--agents", default=",".join(AGENTS), metavar="NAME,…")
    parser.add_argument("--trials", type=int, default=1, metavar="K")
    parser.add_argument("--only", default="", metavar="GLOB", help="tasks by id or category")
    parser.add_argument("--time-factor", default="1", metavar="X", help="of the tasks' limits")
    parser.add_argument("--max-steps", default="", metavar="N", help="of a trial")
    parser.add_argument("--name", default="", help="told apart from other runs by this")
    parser.add_argument("--work", type=Path, default=Path(".eval-results"), metavar="DIR")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    args = parser.parse_args(arguments)
    code = 0
    try:
        if not args.table:
            code = measure(args)
        write_whole(TABLE, told([read(path) for path in sorted(RAW.glob("*.jsonl"))]), force=True)
    except QcodeError as error:
        print(f"measured: {error}", file=sys.stderr)
        return error.exit_code
    print(TABLE)
    return code


def measure(args: argparse.Namespace) -> int:
    """Run the evaluations, one after the other; return the first exit code that is not 0."""
    for model in args.models:
        served = serve(model)
        try:
            for suite in args.suites:
                if code := run(args, model, suite, served):
                    return code
        finally:
            subprocess.run([*QCODE, "local", "down"], check=False, stdout=subprocess.DEVNULL)
    return 0


def serve(model: str) -> dict[str, Any]:
    """Serve an embedded model; return what `qcode local up` says of it.

    Raises:
        QcodeError: it cannot be served, or another one is.
    """
    done = subprocess.run(
        [*QCODE, "local", "up", model, "--json"], check=False, stdout=subprocess.PIPE
    )
    if done.returncode:
        raise QcodeError(f"`qcode local up {model}` exits {done.returncode}")
    served: dict[str, Any] = json.loads(done.stdout)
    return served


def run(args: argparse.Namespace, model: str, suite: str, served: dict[str, Any]) -> int:
    """Begin or go on with one model on one suite, and keep the raw results."""
    name = "-".join(filter(None, (model, suite, args.name)))
    folder = args.work / name
    if (folder / "results.jsonl").exists():
        command = ["--resume", str(folder), "--base-url", served["base_url"]]
    else:
        command = [
            *(suite, "-m", served["model"], "--base-url", served["base_url"], "-o", str(folder)),
            *("--agent", args.agents, "--trials", str(args.trials), "-j", "1"),
            *("--time-factor", args.time_factor, "--fail-under", "0"),
            *(("--only", args.only) if args.only else ()),
            *(("--max-steps", args.max_steps) if args.max_steps else ()),
        ]
    done = subprocess.run([*QCODE, "eval", "run", *command], check=False)
    if (folder / "results.jsonl").exists():
        RAW.mkdir(exist_ok=True)
        raw = without_places((folder / "results.jsonl").read_text(encoding="utf-8"))
        write_whole(RAW / f"{name}.jsonl", raw, force=True)
    return done.returncode


def without_places(text: str) -> str:
    """Return raw results without the folders of whoever made them, which checks' words name."""
    for place, name in ((HERE.parent, "."), (Path(sys.prefix), ".venv"), (Path.home(), "~")):
        text = text.replace(str(place), name)
    return text


# ------------------------------------------------------------------ the table


def together(sets: Sequence[Results]) -> list[list[Results]]:
    """Return the sets of the same models, tasks and limits beside each other.

    Agents take hours each, so they are measured one after the other, and again later on. A small
    model has some of them go in circles to the limit of time, for which there is one of steps:
    sets without it are under the same limits where no trial of theirs took as many.
    """
    found: dict[tuple[object, ...], list[Results]] = {}
    least: dict[tuple[object, ...], float] = {}
    for results in sets:
        steps = results.header.limits.get(STEPS, float("inf"))
        least[_alike(results)] = min(steps, least.get(_alike(results), steps))
    for results in sets:
        limit = results.header.limits.get(STEPS)
        most = max((trial.effort.steps or 0 for trial in results.trials), default=0)
        key = _alike(results)
        own = limit if limit is not None or most >= least[key] else least[key]
        found.setdefault((*key, own), []).append(results)
    return list(found.values())


def _alike(results: Results) -> tuple[object, ...]:
    """Return what sets that stand together have in common, but for the limit of steps."""
    header = results.header
    limits = {name: value for name, value in header.limits.items() if name != STEPS}
    return (
        *(header.models, header.suites, header.tasks_digest, header.seed, header.machine),
        tuple(sorted(limits.items())),
    )


def joined(sets: Sequence[Results]) -> Results:
    """Return several sets as one; what an agent tried in a later one are further trials of it."""
    trials: list[Trial] = []
    begun: Counter[Arm] = Counter()
    for results in sets:
        for arm in results.arms:
            its = results.of(arm)
            trials += [replace(trial, number=trial.number + begun[arm]) for trial in its]
            begun[arm] += 1 + max(trial.number for trial in its)
    return Results(sets[0].header, tuple(sorted(trials, key=lambda trial: trial.key)))


def told(sets: Sequence[Results]) -> str:
    """Return the page with all results."""
    return "\n\n".join(_parts(sets)) + "\n"


def _parts(sets: Sequence[Results]) -> Iterator[str]:
    yield "# Results"
    yield (
        "What scaffolds make of small models on this project's tasks: the same model server, the "
        "same tasks, the same judge and time limits for all. Made by `make results`; the raw "
        "results are in [results](results/), and [docs/evals.md](../docs/evals.md) says what the "
        "words mean. Tokens and times are means and medians of a trial. All prompt tokens count "
        "as *prompt*, cached or not; *read* are those that the server had not kept."
    )
    yield (
        "The failures in `small` and `trap` were read while qcode was made better, so it may suit "
        "these tasks more than others. Those of `fresh` were written by somebody who had not "
        "looked at how it works, and are harder; nothing was changed for them."
    )
    yield (
        "Where fewer tasks stand than a suite has (33, 16 and 24), the measuring was stopped: with "
        "the 0.5B the others write on or go in circles for up to a quarter of an hour a task. So "
        "only the tasks of both count where two agents stand beside each other."
    )
    for group in together(sets):
        yield from _group(group)


def _group(group: Sequence[Results]) -> Iterator[str]:
    results = joined(group)
    header = results.header
    summary = summarise(results)
    suites = ", ".join(sorted({trial.suite for trial in results.trials}))
    yield f"## {', '.join(header.models)}: {suites}"
    limits = ", ".join(
        f"{name} {value:g}" for name, value in header.limits.items() if value and name != STEPS
    )
    yield f"{header.machine}; seed {header.seed}, {limits}."
    yield "\n".join(_made(each) for each in group)
    rows = [each for each in summary.rows if each.suite != "all"]
    yield table(
        ("agent", "passed", "rate", "95 %", "prompt", "read", "written", "time", "tokens a pass"),
        [_cells(each) for each in rows],
    )
    yield from _beside(results)
    arms = [each.arm for each in rows]
    yield table(
        ("task", *(arm.agent for arm in arms)),
        [
            (task, *(marks(found.get(arm, ())) for arm in arms))
            for task, found in by_task(results.trials).items()
        ],
    )
    kinds = [kind for kind in TITLES if any(each.kinds.get(kind) for each in rows)]
    if kinds:
        yield table(
            ("what went wrong", *(arm.agent for arm in arms)),
            [(TITLES[kind], *(str(each.kinds.get(kind) or "") for each in rows)) for kind in kinds],
        )


def _made(results: Results) -> str:
    """Tell when a set was made, by which commit, and how far it got."""
    header = results.header
    agents = ", ".join(sorted({arm.agent for arm in results.arms}))
    tasks = len({trial.task for trial in results.trials})
    return (
        f"- {agents}: {header.started[:10]}, {len(results.trials)} trials of {tasks} tasks, "
        f"commit `{header.versions.get('commit', '')[:12]}`"
        + (f", at most {header.limits[STEPS]:g} steps" if STEPS in header.limits else "")
    )


def _cells(each: Row) -> tuple[str, ...]:
    return (
        each.arm.agent,
        f"{each.passed} of {each.trials}" + (f" ({each.errors} not judged)" if each.errors else ""),
        percent(each.rate),
        interval(each.interval),
        count(_prompt(each)),
        count(each.read_tokens),
        count(each.written_tokens),
        seconds(each.wall_median_s),
        count(each.tokens_per_pass),
    )


def _prompt(each: Row) -> float | None:
    if each.read_tokens is None:
        return None
    return each.read_tokens + (each.cached_tokens or 0)


def _beside(results: Results) -> Iterator[str]:
    """Tell qcode beside each other agent, on the tasks that both were tried at."""
    ours = next((arm for arm in results.arms if arm.scaffold == "qcode"), None)
    if ours is None:
        return
    lines = []
    for arm in results.arms:
        if arm == ours:
            continue
        mine, theirs = _both(results, ours, arm)
        if not mine.trials or not theirs.trials:
            continue
        prompt, its = _prompt(mine), _prompt(theirs)
        lines.append(
            (
                arm.agent,
                str(theirs.tasks),
                f"{percent(mine.rate)} and {percent(theirs.rate)}",
                f"{mine.rate / theirs.rate:.2f} ×" if mine.rate and theirs.rate else "–",
                f"{prompt / its:.2f} ×" if prompt and its else "–",
            )
        )
    if lines:
        heads = ("qcode beside", "tasks of both", "rates", "passes", "prompt tokens")
        yield table(heads, lines)


def _both(results: Results, one: Arm, other: Arm) -> tuple[Row, Row]:
    """Return the rows of two over the tasks that both have results for."""
    judged = [
        {trial.task for trial in results.of(arm) if trial.reason != "error"} for arm in (one, other)
    ]
    common = set.intersection(*judged)
    failures = summarise(results).failures

    def of(arm: Arm) -> Row:
        return row(arm, "", [t for t in results.of(arm) if t.task in common], failures)

    return of(one), of(other)


if __name__ == "__main__":
    sys.exit(main())
