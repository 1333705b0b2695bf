"""One trial shown step by step, from what is kept of it: sent, answered, called, changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from qcode.errors import UsageError
from qcode.evals.harness.trial import Trial
from qcode.evals.reports import artefacts
from qcode.evals.reports.columns import count, dollars, seconds
from qcode.evals.reports.markdown import mark
from qcode.evals.reports.requested import requested
from qcode.evals.reports.results import Arm, Results
from qcode.evals.reports.steps import Step, steps
from qcode.evals.reports.summary import tokens
from qcode.evals.reports.taxonomy import TITLES, classify
from qcode.evals.reports.told import editing_tools, shown, told
from qcode.journal import loading
from qcode.journal.loading import Loaded
from qcode.messages import Message, ToolCall, ToolMessage, UserMessage
from qcode.secrets import Masker
from qcode.ui.printable import encodable, one_line, printable
from qcode.ui.transcript import shortened

LINES = 14
"""Of what was sent, answered or came of a call, unless all is asked for."""
_RULE = 78
_OLD_NEW = (("old_string", "-"), ("new_string", "+"), ("content", "+"))


def find(results: Results, name: str, *, agent: str = "", model: str = "") -> Trial:
    """Return the trial that `TASK` or `TASK#NUMBER` names, of the agent and model that are given.

    Without a number it is the first one that did not pass, or else the first.

    Raises:
        UsageError: there is none, or several agents or models have one.
    """
    task, _, number = name.rpartition("#")
    if not number.isdecimal() or any(trial.task == name for trial in results.trials):
        task, number = name, ""
    of_task = [trial for trial in results.trials if trial.task == task]
    if not of_task:
        names = sorted({trial.task for trial in results.trials})
        near = [each for each in names if task in each] or names
        raise UsageError(f"no trial of `{task}`", hint=f"there are: {', '.join(near[:8])}")
    found = [
        trial
        for trial in of_task
        if agent in trial.agent
        and model in trial.model
        and (not number or trial.number == int(number))
    ]
    arms = sorted({Arm(trial.agent, trial.model).name for trial in found or of_task})
    if not found:
        numbers = ", ".join(f"#{each}" for each in sorted({t.number for t in of_task}))
        raise UsageError(
            f"no such trial of `{task}`", hint=f"there are {numbers} of: {'; '.join(arms)}"
        )
    if len(arms) > 1:
        raise UsageError(
            f"several tried `{task}`: {'; '.join(arms)}", hint="pick one by its agent and model"
        )
    return next((trial for trial in found if not trial.passed), found[0])


def replay(results: Results, trial: Trial, *, whole: bool = False) -> str:
    """Return a trial as text for a terminal; `whole` leaves nothing out of its results."""
    return encodable("\n".join(_lines(results, trial, None if whole else LINES)) + "\n")


def replay_html(results: Results, trial: Trial, path: Path, *, force: bool = False) -> list[Path]:
    """Write the sessions of a trial as pages; a second one goes beside the first, as `NAME-2`.

    Raises:
        UsageError: there is no journal, or a file is there already, unless `force`.
    """
    from qcode.cli.exporting import export_session

    folder = results.artefacts(trial)
    found = artefacts.journals(folder) if folder is not None else []
    if not found:
        raise UsageError(
            f"no journal is kept of `{trial.task}#{trial.number}`",
            hint="only qcode itself leaves one; without --html the rest is shown",
        )
    paths = [
        path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        for number in range(1, len(found) + 1)
    ]
    return [
        export_session(source, "html", place, Masker(), force=force)
        for source, place in zip(found, paths, strict=True)
    ]


def _lines(results: Results, trial: Trial, most: int | None) -> Iterator[str]:
    folder = results.artefacts(trial)
    yield from _head(trial, folder)
    if folder is None:
        yield "nothing is kept of it"
        return
    sessions = _sessions(folder)
    if not sessions:
        yield from _parts(folder, "prompt", most)
        asked = requested(folder)
        for step in asked:
            yield from _step(step, most)
        if not asked:
            yield from _parts(folder, "output", most)
        yield from _parts(folder, "answer", most)
    for number, session in enumerate(sessions, 1):
        if len(sessions) > 1:
            yield _ruled(f"session {number} of {len(sessions)}", "═")
        for step in steps(session):
            yield from _step(step, most)
    yield from _parts(folder, "diff", None)
    yield from _parts(folder, "check", None if most is None else 4 * most)
    yield _ruled("", "═")


def _sessions(folder: Path) -> list[Loaded]:
    found = []
    for path in artefacts.journals(folder):
        try:
            found.append(loading.load(path))
        except UsageError:
            continue  # of another version; what else is kept is shown all the same
    return found


def _head(trial: Trial, folder: Path | None) -> Iterator[str]:
    failure = classify(trial, told(folder))
    yield one_line(f"{trial.task}#{trial.number}  {Arm(trial.agent, trial.model).name}", 200)
    why = ": ".join(filter(None, (TITLES[failure.kind], failure.evidence)))
    judged = "" if trial.passed else f"{trial.reason}  "
    yield one_line(f"{mark(trial)} {judged}{why}", 300)
    effort = trial.effort
    parts = [seconds(effort.wall_s), f"seed {trial.seed}"]
    if effort.steps is not None:
        parts.append(f"{effort.steps:,} steps")
    if (used := tokens(trial)) is not None:
        parts.append(f"{count(used)} tokens")
    if effort.cost_usd is not None:
        parts.append(dollars(effort.cost_usd))
    if trial.exit_code is None:
        parts.append("stopped at the time limit" if trial.was_out_of_time else "stopped")
    else:
        parts.append(f"exit {trial.exit_code}")
    yield one_line(" · ".join([*parts, *filter(None, [trial.ended])]), 200)
    if trial.changed:
        yield one_line(f"changed: {', '.join(trial.changed)}", 300)


def _step(step: Step, most: int | None) -> Iterator[str]:
    yield _ruled(f"step {step.number}{_spent(step)}", "─")
    for message in step.sent:
        yield from _sent(message, most)
    answer = step.answer
    yield from _block("· ", answer.reasoning, most)
    yield from _block("  ", answer.text, most)
    if answer.interrupted:
        yield "  (interrupted)"
    results = {each.call_id: each for each in step.results}
    for call in answer.tool_calls:
        yield f"▸ {shown(call, 160)}"
        if call.name in editing_tools():
            yield from _edit(call, most)
        if (result := results.pop(call.id, None)) is not None:
            yield from _result(result, most)
    for result in results.values():
        yield from _result(result, most)


def _spent(step: Step) -> str:
    parts = [step.at.partition("T")[2].removesuffix("Z")] if step.at else []
    if step.asked is not None:
        usage = step.asked.usage
        if step.asked.duration_s is not None:
            parts.append(seconds(step.asked.duration_s))
        parts.append(f"read {usage.read_anew:,}")
        if usage.cached_tokens:
            parts.append(f"cached {usage.cached_tokens:,}")
        parts.append(f"wrote {usage.output_tokens:,}")
        if usage.cost_usd is not None:
            parts.append(dollars(usage.cost_usd))
    return "".join(f" · {part}" for part in parts)


def _sent(message: Message, most: int | None) -> Iterator[str]:
    match message:
        case UserMessage():
            who = "qcode" if message.is_nudge or message.is_summary else "person"
            text = message.text if most is not None else message.told
            yield from _block(f"{who}> ", text, most)
            yield from (f"{who}> (picture: {one_line(each.name, 80)})" for each in message.images)
        case ToolMessage():
            yield from _result(message, most)


def _edit(call: ToolCall, most: int | None) -> Iterator[str]:
    """Yield what an edit takes away and puts in, as far as its arguments say so."""
    try:
        arguments = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return
    if not isinstance(arguments, dict):
        return
    edits = arguments.get("edits")
    several: Sequence[object] = edits if isinstance(edits, list) else [arguments]
    for each in several:
        if isinstance(each, dict):
            for name, sign in _OLD_NEW:
                if isinstance(text := each.get(name), str):
                    yield from _block(f"    {sign} ", text, most)


def _result(result: ToolMessage, most: int | None) -> Iterator[str]:
    yield from _block("  ✗ " if result.is_error else "  ◂ ", result.text or "(nothing)", most)


def _block(lead: str, text: str, most: int | None) -> Iterator[str]:
    """Yield a text with a lead before each of its lines."""
    whole = printable(text).strip("\n")
    if not whole.strip():
        return
    yield from (f"{lead}{line}".rstrip() for line in shortened(whole, most).split("\n"))


def _parts(folder: Path, part: artefacts.Part, most: int | None) -> Iterator[str]:
    for name, text in artefacts.texts(folder, part):
        if text.strip():
            yield _ruled(one_line(name, 60), "═")
            yield from _block("", text, most)


def _ruled(title: str, sign: str) -> str:
    text = f"{sign * 2} {title} " if title else ""
    return text + sign * max(2, _RULE - len(text))
