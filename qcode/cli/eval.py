"""`qcode eval`: agents and models tried on suites of tasks, counted, compared."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec

_RUN = "run"
_ELSEWHERE = {
    "new": ("qcode.evals.loaders.new_cli", "a task from a commit or session of your own"),
    "batch": ("qcode.evals.agents.batch", "issues in, patches out, as SWE-bench's tools do it"),
}
"""What declares its arguments and runs in a module of its own: that module, and its help."""


def spelled_out(words: Sequence[str]) -> list[str]:
    """Return the words with `run` in front where the first one is no other subcommand."""
    known = {_RUN, "list", "show", "report", "compare", "replay", *_ELSEWHERE}
    if words and (words[0] in known or words[0] in ("-h", "--help")):
        return list(words)
    return [_RUN, *words]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Try agents and models on tasks, each trial in a folder, home and sandbox of its own.\n"
        "  qcode eval mock              qcode with a model that plays a script: no model is\n"
        "                               needed, and all has to pass\n"
        "  qcode eval SUITE -m MODEL    real ones; a suite is a name (`qcode eval list`), a\n"
        "                               FILE.jsonl, or KIND:PATH of a public format\n"
        "  qcode eval --resume DIR      goes on after an interruption, a kill too\n"
        "Exit codes: 0 done; 1 less passed than --fail-under; 3 trials failed by their set-up or\n"
        "endpoint; 4 a budget was reached; 130, 143 interrupted."
    )
    actions = parser.add_subparsers(
        metavar="run|list|show|report|compare|replay|new|batch", required=True
    )
    _run(actions.add_parser(_RUN, help="try models on suites; the word may be left out"))
    listing = actions.add_parser("list", help="the tasks of suites; without one, the suites")
    listing.add_argument("suites", metavar="SUITE", nargs="*")
    _common(listing, "list_tasks")
    show = actions.add_parser("show", help="a task: what is asked, laid out and judged")
    show.add_argument("task", metavar="TASK")
    show.add_argument("suites", metavar="SUITE", nargs="*", help="by default all that have names")
    _common(show, "show_task")
    report = actions.add_parser("report", help="write report.json, report.md and report.html anew")
    report.add_argument("folder", metavar="DIR")
    report.add_argument("--predictions", metavar="FILE",
        help="write SWE-bench's predictions as well, for its own harness")  # fmt: skip
    report.add_argument("--official", metavar="DATASET",
        help="judge them by that harness, which needs Docker and the package `swebench`: "
        "verified, lite, full, or a file")  # fmt: skip
    _common(report, "report")
    compare = actions.add_parser("compare", help="two evaluations, task by task")
    compare.add_argument("one", metavar="A")
    compare.add_argument("other", metavar="B")
    compare.add_argument("--first", metavar="NAME",
        help="of A: part of the agent's or model's name, where it has several")  # fmt: skip
    compare.add_argument("--second", metavar="NAME", help="of B")
    _common(compare, "compare")
    replay = actions.add_parser("replay", help="one run step by step")
    replay.add_argument("folder", metavar="DIR")
    replay.add_argument("task", metavar="TASK[#N]", help="N is the trial's number, from 0")
    replay.add_argument("--agent", help="where several tried it")
    replay.add_argument("-m", "--model", metavar="NAME", help="where several tried it")
    replay.add_argument("--whole", action="store_true", help="nothing left out of long results")
    replay.add_argument("--html", metavar="FILE", help="as a page that needs nothing else")
    replay.add_argument("--force", action="store_true", help="replace FILE if it is there")
    _common(replay, "replay")
    for name, (module, about) in _ELSEWHERE.items():
        if find_spec(module) is not None:
            made = actions.add_parser(name, help=about)
            import_module(module).configure(made)
            made.set_defaults(elsewhere=module)


def _common(parser: argparse.ArgumentParser, does: str) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--debug", action="store_true", help="tracebacks on stderr")
    parser.set_defaults(does=does)


def _run(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("suites", metavar="SUITE", nargs="*", help="a name, a FILE.jsonl, or KIND:PATH")
    who = parser.add_argument_group("who is tried")
    add = who.add_argument
    add("-m", "--model", metavar="MODEL", dest="models", nargs="+", action="extend", default=[],
        help="one or several, as `qcode -m` takes them; `scripted` plays the tasks' scripts, and "
        "is the default where all have one")  # fmt: skip
    add("--agent", metavar="NAME,…", help="by default qcode; others beside it")
    add("--base-url", metavar="URL", help="an OpenAI-compatible endpoint for all of them")
    add("--api-key-env", metavar="NAME", help="the variable that holds its key")
    add("--temperature", type=_number, metavar="T", help="of all requests")
    add("--seed", type=_whole, metavar="N", help="of the first trial (0); then counted on")
    what = parser.add_argument_group("what is tried")
    add = what.add_argument
    add("--trials", type=_count, metavar="K", help="of each task (1)")
    add("--only", metavar="GLOB", action="append", default=[], help="tasks by id or category")
    add("--limit", type=_count, metavar="N", help="the first N of them")
    add("--time-factor", type=_positive, metavar="X",
        help="of the tasks' time limits, which are for a fast endpoint")  # fmt: skip
    add("--max-steps", type=_count, metavar="N", help="of one trial")
    add("--max-tokens", type=_count, metavar="N", help="of one trial")
    add("--max-cost", type=_positive, metavar="USD", help="of all trials together")
    add("--max-time", type=_positive, metavar="S", help="of all; what is under way is begun anew")
    add("--clones", metavar="DIR", help="clones of repositories (`owner__name`) to take tasks from")
    how = parser.add_argument_group("how")
    add = how.add_argument
    add("-j", "--jobs", type=_count, metavar="N",
        help="trials side by side: by default one a core, and 1 with a server here")  # fmt: skip
    add("-o", "--output", metavar="DIR", help="the results' folder: evals-results/ID by default")
    add("--resume", metavar="DIR", help="go on with an evaluation; its own settings hold")
    add("--again-errors", action="store_true",
        help="with --resume: run trials again that failed by set-up or endpoint")  # fmt: skip
    add("--keep", action="store_true", help="keep the folders in which agents worked")
    add("--fail-under", type=_percent, metavar="PERCENT",
        help="exit with 1 where less passed; by default 100 if it is scripted, else 0")  # fmt: skip
    add("--config", metavar="FILE", help="settings from there alone")
    add("--no-config", action="store_true", help="no configuration files")
    _common(parser, "run")


def main(args: argparse.Namespace) -> int:
    """Do what is asked; return the exit code."""
    module = getattr(args, "elsewhere", "")
    if module:
        elsewhere: Callable[[argparse.Namespace], int] = import_module(module).main
        return elsewhere(args)
    where = "qcode.cli.evaluating" if args.does == _RUN else "qcode.cli.evaluated"
    does: Callable[[argparse.Namespace], int] = getattr(import_module(where), args.does)
    return does(args)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is no number from 1 on")
    return int(text)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"`{text}` is no number from 0 on")
    return int(text)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"`{text}` is no number from 0 on")
    return value


def _positive(text: str) -> float:
    if (value := _number(text)) == 0:
        raise argparse.ArgumentTypeError("it has to be above 0")
    return value


def _percent(text: str) -> float:
    if (value := _number(text)) > 100:
        raise argparse.ArgumentTypeError(f"`{text}` is no percentage")
    return value
