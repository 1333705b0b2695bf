"""`qcode eval bfcl:PATH -m MODEL`: questions of BFCL put to a model, and what came of them."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from qcode.errors import QcodeError, UsageError
from qcode.evals.harness.records import to_json
from qcode.evals.loaders import bfcl, bfcl_run
from qcode.evals.loaders.base import Loading
from qcode.evals.loaders.registry import loader_for
from qcode.providers import Provider


def run(
    text: str,
    provider: Provider,
    out: Path,
    loading: Loading,
    *,
    slots: int = 1,
    temperature: float | None = None,
    only: int | None = None,
    show: bool = True,
    in_json: bool = False,
) -> int:
    """Play what a person named; print the table, or JSON; return the exit code.

    `only` takes that many questions, spread evenly over all of them. The file at `out` has one
    answer a line; what it has is not asked again. 1: no question could be answered.

    Raises:
        UsageError: there are no questions.
        QcodeError: the endpoint cannot be used, or the file not be written.
    """
    loader = loader_for(text)
    if not loader.is_calls:
        raise UsageError(f"{text} has tasks, no questions", hint="write bfcl:PATH")
    cases = bfcl.load(loader.find(loading), loading)
    if only is not None and only < len(cases):
        cases = [cases[number * len(cases) // only] for number in range(only)]
    for left in loading.left_out:
        print(f"left out: {left.id}: {left.reason}", file=sys.stderr)
    for note in loading.notes:
        print(note, file=sys.stderr)
    if not cases:
        raise UsageError(f"{text} has no questions that can be played")
    if answered := _answered(cases, out, provider.model):
        print(f"{answered} of {len(cases)} are answered in {out} already", file=sys.stderr)
    count = 0

    def tell(answer: bfcl_run.Answer) -> None:
        nonlocal count
        count += 1
        if show:
            word = "not answered" if answer.error else "right" if answer.score.passed else "wrong"
            why = answer.error or answer.score.detail
            print(f"{count} {answer.id} {word} {why}".rstrip(), file=sys.stderr, flush=True)

    async def main() -> list[bfcl_run.Answer]:
        try:
            return await bfcl_run.play(
                cases, provider, out, slots=slots, temperature=temperature, tell=tell
            )
        finally:
            await provider.close()

    answers = asyncio.run(main())
    if in_json:
        told = {"answers": str(out), "model": provider.model, "exit_code": 0,
                "categories": [to_json(row) for row in bfcl_run.rows(answers)]}  # fmt: skip
        told["exit_code"] = int(all(answer.error for answer in answers))
        print(json.dumps(told))
    else:
        print(bfcl_run.table(answers))
        print(f"answers: {out}")
    if all(answer.error for answer in answers):
        raise QcodeError("no question could be answered", hint=answers[0].error)
    return 0


def _answered(cases: Sequence[bfcl.Case], out: Path, model: str) -> int:
    known = bfcl_run.read(out, model) if out.exists() else {}
    return sum(case.id in known and not known[case.id].error for case in cases)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments, for a program of its own; `qcode eval` has them besides its others."""
    from qcode.cli.options import add_model, add_place

    parser.add_argument("suite", metavar="bfcl:PATH")
    add_model(parser)
    add_place(parser)
    add = parser.add_argument
    add("--out", type=Path, help="the file of answers; by default bfcl-MODEL.jsonl")
    add("--jobs", type=int, default=1, metavar="N", help="questions asked side by side (1)")
    add("--limit", type=int, metavar="N", help="so many questions alone, spread over all")


def main(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Do what the arguments say; return the exit code."""
    from qcode import paths
    from qcode.cli.chosen import choose_model
    from qcode.cli.noting import note_on_stderr
    from qcode.cli.options import enter_directory, settings_from
    from qcode.cli.start import provider_for

    cwd = enter_directory(args)
    settings = settings_from(args, cwd)
    chosen = choose_model(settings, note_on_stderr, local=args.local)
    name = "".join(c if c.isalnum() or c in ".-" else "_" for c in chosen.target.model)
    out = args.out or Path(f"bfcl-{name}.jsonl")
    loading = Loading(paths.cache_dir() / "evals", environ=environ)
    provider = provider_for(chosen, settings, "bfcl")
    return run(args.suite, provider, out, loading, slots=args.jobs, only=args.limit)
