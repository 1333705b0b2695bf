"""One trial: the task laid out, the agent at work, its work judged, and what is kept of it."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from qcode.errors import QcodeError, UsageError
from qcode.evals.agents import Agent, Endpoint, Limits, Outcome, Work
from qcode.evals.harness import processes
from qcode.evals.harness.judging import Verdict, judge, one_line
from qcode.evals.harness.placing import Placed, diff, place
from qcode.evals.harness.scripted_model import MODEL, ScriptedModel
from qcode.evals.harness.store import remove
from qcode.evals.harness.task import Task
from qcode.evals.harness.trial import Effort, Trial
from qcode.record import Record, replace

R = TypeVar("R", bound=Record)

REQUESTS = "requests.jsonl"
"""All that was sent to the model, where whoever passes it on writes it down."""
CRASH = "crash.txt"
"""The traceback, where the harness or an adapter is at fault."""
MOST_CHANGED = 200
"""Files named in a trial; the diff has them all."""
_TRIED_AGAIN = ("still_failing", "broke_tests", "timeout")
_OUTPUT_AGAIN = 8_000
"""Characters of a failing check's output that are told at a second try."""


class Kept(Record):
    """Where one trial works, and what is kept of it."""

    place: Path
    """An empty folder."""
    artefacts: Path
    """Made here, emptied of what an earlier begin left."""
    environ: Mapping[str, str]


async def try_once(
    task: Task,
    agent: Agent,
    endpoint: Endpoint,
    limits: Limits,
    key: tuple[str, str, str, int],
    kept: Kept,
    *,
    confines: bool = True,
) -> Trial:
    """Return what came of one trial; what fails on our side comes as one with reason `error`."""
    remove(kept.artefacts)
    kept.artefacts.mkdir(parents=True)
    blank = _blank(task, key, endpoint)
    begun = time.monotonic()
    try:
        prompt = kept.artefacts / "prompt.txt"
        prompt.write_text(task.prompt, encoding="utf-8", errors="backslashreplace")
        placed = await place(task, kept.place, kept.environ)
        environ = {
            **kept.environ,
            **placed.variables,
            processes.MARK: str(placed.top),
        }
        environ.pop("VIRTUAL_ENV", None)
        if placed.venv is not None:
            environ |= {"VIRTUAL_ENV": str(placed.venv),
                        "PATH": f"{placed.venv / 'bin'}:{environ.get('PATH', '')}"}  # fmt: skip
        # Kept once: by the proxy, if there is one between the agent and the model.
        requests = None if agent.keeps_requests else kept.artefacts / REQUESTS
        with _model_of(task, endpoint, requests) as asked:
            return await _tried(
                blank, task, agent, asked, limits, placed, kept, environ, confines=confines
            )
    except (QcodeError, OSError) as error:
        why = str(error)
    # An adapter that stumbles over one log is not to stop all others.
    except Exception as error:  # noqa: BLE001
        (kept.artefacts / CRASH).write_text(traceback.format_exc(), encoding="utf-8")
        why = f"the evaluation itself failed: {type(error).__name__}: {error} ({CRASH} has more)"
    wall = Effort(wall_s=round(time.monotonic() - begun, 3))
    return replace(blank, detail=one_line(why), effort=wall)


def _blank(task: Task, key: tuple[str, str, str, int], endpoint: Endpoint) -> Trial:
    return Trial(
        task=task.id,
        suite=task.suite,
        agent=key[1],
        model=key[2],
        number=key[3],
        seed=endpoint.seed,
        passed=False,
        reason="error",
        category=task.category,
        difficulty=task.difficulty,
    )


@contextlib.contextmanager
def _model_of(task: Task, endpoint: Endpoint, requests: Path | None) -> Iterator[Endpoint]:
    """Have the scripted model serve where it is the one that is tried."""
    if endpoint.model != MODEL or endpoint.base_url:
        yield endpoint
        return
    if not task.script:
        raise UsageError(f"{task.id} has no script, so it needs a real model", hint="-m MODEL")
    with ScriptedModel(task.script, requests) as model:
        yield replace(endpoint, base_url=model.base_url)


async def _tried(
    blank: Trial,
    task: Task,
    agent: Agent,
    endpoint: Endpoint,
    limits: Limits,
    placed: Placed,
    kept: Kept,
    environ: Mapping[str, str],
    *,
    confines: bool,
) -> Trial:
    trial, prompt = blank, task.prompt
    for attempt in (1, 2):
        is_retry = attempt == 2
        left = limits.without(trial.effort)
        work = Work(
            task, prompt, placed.repo, placed.home, kept.artefacts, endpoint, left,
            trial.number, is_retry,
        )  # fmt: skip
        outcome = await agent.work(work, environ)
        effort, conduct = outcome.effort, outcome.conduct
        if is_retry:
            effort = added(trial.effort, effort)
            conduct = added(trial.conduct, conduct)
        trial = replace(
            trial, exit_code=outcome.exit_code, ended=outcome.ended, effort=effort,
            conduct=conduct, tries=attempt,
        )  # fmt: skip
        verdict = await _judged(task, placed, kept, outcome, confines=confines)
        trial = replace(
            trial,
            passed=verdict.passed,
            reason=verdict.reason,
            detail=one_line(verdict.detail),
            changed=verdict.changed[:MOST_CHANGED],
        )
        if not (task.retry_prompt and verdict.reason in _TRIED_AGAIN) or is_retry:
            break
        if limits.without(trial.effort).are_used_up:
            break
        prompt = task.retry_prompt.replace("{output}", _told_again(task, verdict.output))
        (kept.artefacts / "prompt-2.txt").write_text(prompt, encoding="utf-8", errors="replace")
    with contextlib.suppress(QcodeError, OSError):
        patch = await diff(placed, environ)
        (kept.artefacts / "changes.diff").write_bytes(patch)
    if trial.reason == "still_failing" and trial.was_out_of_time:
        trial = replace(
            trial, reason="timeout", detail=f"stopped at its time limit; {trial.detail}"
        )
    return trial


def _told_again(task: Task, output: str) -> str:
    """Return what is told of a check's output: its end, or as many first lines as the task says."""
    if lines := task.check.more.get("retry_lines"):
        return "\n".join(output.splitlines()[: int(lines)])[:_OUTPUT_AGAIN]
    return output[-_OUTPUT_AGAIN:]


async def _judged(
    task: Task, placed: Placed, kept: Kept, outcome: Outcome, *, confines: bool
) -> Verdict:
    answer = kept.artefacts / "answer.txt"
    answer.write_text(outcome.answer, encoding="utf-8", errors="replace")
    if outcome.error:
        return Verdict(passed=False, reason="error", detail=outcome.error)
    verdict = await judge(
        task, placed, kept.environ, answer=answer, requests=kept.artefacts / REQUESTS,
        confines=confines,
    )  # fmt: skip
    output = kept.artefacts / "check.txt"
    output.write_text(verdict.output, encoding="utf-8", errors="replace")
    return verdict


def added(one: R, other: R) -> R:
    """Return two counts of the same kind added up; what neither knows stays unknown."""
    fields: tuple[str, ...] = type(one).__match_args__
    return type(one)(*(_sum(getattr(one, name), getattr(other, name)) for name in fields))


def _sum(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return one if other is None else other
    return one + other
