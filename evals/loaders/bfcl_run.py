"""Questions of BFCL put to a model, through the provider and the decoder that sessions use.

Each answer is a line of a file as soon as it is judged; what stands there is not asked again.
A failed request is a line as well, counts in no rate, and is asked again the next time.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from qcode.errors import ProviderError, ProviderFault, QcodeError
from qcode.evals.loaders.bfcl import Case
from qcode.evals.loaders.bfcl_score import Called, Score, score
from qcode.evals.loaders.bfcl_wire import Part, called, decode
from qcode.messages import Usage, UserMessage
from qcode.providers import (
    CallPart,
    Done,
    Provider,
    ReasoningPart,
    Request,
    Retry,
    TextPart,
)
from qcode.record import Record

MAX_TOKENS = 2048
"""Of one answer."""

_HOPELESS = (ProviderFault.UNAUTHORISED, ProviderFault.UNKNOWN_MODEL, ProviderFault.NOT_AN_API)
"""Failures that every other question would meet as well."""


class Answer(Record):
    """What became of one question."""

    id: str
    category: str
    score: Score
    calls: tuple[Called, ...] = ()
    text: str = ""
    usage: Usage = Usage()
    error: str = ""
    """Why there is no answer to judge."""


Tell = Callable[[Answer], None]


async def play(
    cases: Sequence[Case],
    provider: Provider,
    out: Path,
    *,
    slots: int = 1,
    temperature: float | None = None,
    tell: Tell | None = None,
) -> list[Answer]:
    """Ask what is not answered yet; return all answers, in the order of the questions.

    Raises:
        ProviderError: the endpoint cannot answer any question.
        QcodeError: the file cannot be written, or has another model's answers.
    """
    known = read(out, provider.model) if out.exists() else {}
    waiting = asyncio.Semaphore(max(1, slots))
    left = [case for case in cases if case.id not in known or known[case.id].error]
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        mend(out)
        file = out.open("a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise QcodeError(f"{out} cannot be written: {error.strerror}") from error

    async def one(case: Case) -> None:
        async with waiting:
            answer = await ask(case, provider, temperature)
        known[case.id] = answer
        line = {**as_json(answer), "model": provider.model}
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
        if tell is not None:
            tell(answer)

    with file:
        try:
            async with asyncio.TaskGroup() as group:
                for case in left:
                    group.create_task(one(case))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
    return [known[case.id] for case in cases]


async def ask(case: Case, provider: Provider, temperature: float | None = None) -> Answer:
    """Ask one question and judge the answer.

    Raises:
        ProviderError: no question can be answered there.
    """
    request = Request(
        case.system,
        (UserMessage(case.question),),
        tuple(each.spec for each in case.functions),
        MAX_TOKENS,
        temperature,
    )
    parts: list[Part] = []
    done = Done()
    try:
        async with aclosing(provider.stream(request)) as deltas:  # type: ignore[type-var]
            async for delta in deltas:
                match delta:
                    case TextPart() | ReasoningPart() | CallPart():
                        parts.append(delta)
                    case Retry():
                        parts.clear()
                    case Done():
                        done = delta
    except ProviderError as error:
        if error.fault in _HOPELESS:
            raise
        if error.fault is not ProviderFault.EMPTY:
            return Answer(case.id, case.category, Score(False), error=str(error))
        parts.clear()  # to say nothing is an answer as well: without a call
    decoded = decode(case, parts, done.finish_reason)
    calls = called(decoded)
    return Answer(case.id, case.category, score(case, calls), calls, decoded.text, done.usage)


def as_json(answer: Answer) -> dict[str, Any]:
    """Return an answer as it is written down."""
    used = answer.usage
    return {
        "id": answer.id,
        "category": answer.category,
        "passed": answer.score.passed,
        "fault": answer.score.fault,
        "detail": answer.score.detail,
        "calls": [
            {
                "name": each.name,
                "arguments": each.arguments,
                **({"repaired": True} if each.is_repaired else {}),
            }
            for each in answer.calls
        ],
        "text": answer.text,
        "input_tokens": used.input_tokens,
        "cached_tokens": used.cached_tokens,
        "output_tokens": used.output_tokens,
        "error": answer.error,
    }


def read(file: Path, model: str) -> dict[str, Answer]:
    """Return the answers in a file, the last of each question; a torn last line is none.

    Raises:
        QcodeError: it cannot be read, or has answers of another model than this.
    """
    found: dict[str, Answer] = {}
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise QcodeError(f"{file} cannot be read: {error}") from error
    for line in lines:
        try:
            row = json.loads(line)
            answer, whose = _answer(row), str(row.get("model", model))
        except (ValueError, KeyError, TypeError):
            continue
        if whose != model:
            raise QcodeError(
                f"{file} has answers of {whose}, and {model} is asked", hint="name another with -o"
            )
        found[answer.id] = answer
    return found


def mend(file: Path) -> None:
    """Take a torn last line off, so that what is added stands in a line of its own."""
    if not file.exists():
        return
    data = file.read_bytes()
    if data and not data.endswith(b"\n"):
        with file.open("r+b") as whole:
            whole.truncate(data.rfind(b"\n") + 1)


def _answer(row: Mapping[str, Any]) -> Answer:
    judged = Score(bool(row["passed"]), row.get("fault") or "", str(row.get("detail") or ""))
    calls = tuple(
        Called(each["name"], each["arguments"], is_repaired=each.get("repaired") is True)
        for each in row.get("calls", ())
    )
    usage = Usage(
        int(row.get("input_tokens") or 0),
        int(row.get("output_tokens") or 0),
        int(row.get("cached_tokens") or 0),
    )
    return Answer(
        row["id"], row["category"], judged, calls, str(row.get("text") or ""), usage,
        str(row.get("error") or ""),
    )  # fmt: skip


class Row(Record):
    """What became of the questions of a category."""

    category: str
    """`all` for all of them."""
    right: int
    repaired: int
    """Of the right ones, those with a call that qcode had to put right: to the leaderboard, which
    takes calls as they are written, they are wrong."""
    judged: int
    unanswered: int
    faults: Mapping[str, int]
    """How often what was wrong."""


def rows(answers: Sequence[Answer]) -> list[Row]:
    """Return the results by category, and at the end those of all."""
    found = []
    categories = list(dict.fromkeys(answer.category for answer in answers))
    for name in [*categories, "all"]:
        some = [each for each in answers if name in ("all", each.category)]
        judged = [each for each in some if not each.error]
        right = sum(each.score.passed for each in judged)
        repaired = sum(
            each.score.passed and any(call.is_repaired for call in each.calls) for each in judged
        )
        faults = Counter(str(each.score.fault) for each in judged if each.score.fault)
        found.append(Row(name, right, repaired, len(judged), len(some) - len(judged), faults))
    return found


def table(answers: Sequence[Answer]) -> str:
    """Return the results by category, for a terminal: right, of how many, and what was wrong."""
    lines = [
        f"{'category':<24} {'right':>5} {'of':>5} {'share':>7} {'repaired':>8}  what was wrong"
    ]
    for row in rows(answers):
        share = f"{100 * row.right / row.judged:.1f} %" if row.judged else "-"
        counted = [f"{fault} {times}" for fault, times in row.faults.items()]
        if row.unanswered:
            counted.append(f"not answered {row.unanswered}")
        name, wrong = row.category, ", ".join(counted)
        figures = f"{row.right:>5} {row.judged:>5} {share:>7} {row.repaired:>8}"
        lines.append(f"{name:<24} {figures}  {wrong}".rstrip())
    return "\n".join(lines)
