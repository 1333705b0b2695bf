"""The report for people: Markdown for the summary of a job (`GITHUB_STEP_SUMMARY`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from qcode.headless.ended import Answered, Ended
from qcode.ui.reports.details import NONE, Details
from qcode.ui.reports.machine import changed_files
from qcode.ui.reports.quoting import block, inline
from qcode.ui.reports.verdict import headline, meaning
from qcode.verification.outcome import Case, Outcome

MOST_BYTES = (1 << 20) - 1024
"""GitHub shows no summary of more than 1 MiB a step."""

MOST_ROWS = 50
"""Of one table."""

CUT = "\n*The rest is left out: a summary may have 1 MiB.*\n"


def summary_markdown(ended: Ended, details: Details = NONE, *, most_bytes: int = MOST_BYTES) -> str:
    """Return what a person wants to know of a run, the verdict first."""
    out, left = "", most_bytes - len(CUT)
    for part in _parts(ended, details):
        size = len(part.encode("utf-8", "replace")) + 1
        if size > left:
            return out + CUT if len(CUT) <= most_bytes else ""
        out += f"{part}\n"
        left -= size
    return out


def _parts(ended: Ended, details: Details) -> Iterator[str]:
    sign = "✅" if ended.exit_code == 0 else "❌"
    yield f"## {sign} qcode: {headline(ended)}\n"
    yield f"{_sentence(meaning(ended))} (exit code {ended.exit_code}).\n"
    if ended.error:
        yield f"{inline(ended.error, 500)}\n"
    if ended.verification:
        yield "### Verification\n"
        yield _verification(ended)
        yield from _failing(ended.verification)
    if ended.violations:
        yield "### Not to be touched\n"
        yield _table(
            ("File", "What", "Why"),
            [
                (
                    inline(_place(each.path, each.line)),
                    f"{inline(each.kind)}{', taken back' if each.rolled_back else ''}",
                    inline(each.why),
                )
                for each in ended.violations
            ],
        )
    if files := changed_files(ended, details):
        yield "### Files changed\n"
        rows = [(inline(file.path), _count(file.added), _count(file.removed)) for file in files]
        yield _table(("File", "Added", "Removed"), rows)
    yield "### Run\n"
    yield _table(("", ""), list(_facts(ended)))
    if ended.answer:
        yield "### Answer\n"
        yield f"{block(ended.answer)}\n"
    yield f"To go on from here: {inline(f'qcode run --resume {ended.session_id}')}\n"


def _verification(ended: Ended) -> str:
    before = {outcome.command: outcome for outcome in ended.baseline}
    rows = []
    for outcome in ended.verification:
        was = before.get(outcome.command)
        flaky = f", {len(outcome.flaky)} flaky" if outcome.flaky else ""
        rows.append(
            (
                inline(outcome.command),
                _how(was) if was else "",
                f"{_how(outcome)}{flaky}",
                _tests(outcome),
                f"{outcome.duration_s:.1f} s",
            )
        )
    return _table(("Command", "Before", "After", "Tests", "Time"), rows)


def _how(outcome: Outcome) -> str:
    if outcome.passed:
        return "✅ passed"
    return "❌ no end in time" if outcome.exit_code is None else f"❌ exits {outcome.exit_code}"


def _tests(outcome: Outcome) -> str:
    counted = Counter[str](case.status for case in outcome.cases)
    shown = ("passed", "failed", "error", "skipped")
    return ", ".join(f"{counted[name]} {name}" for name in shown if counted[name])


def _failing(outcomes: Sequence[Outcome]) -> Iterator[str]:
    cases = [case for outcome in outcomes for case in outcome.cases if _is_bad(case)]
    if cases:
        rows = [
            (inline(case.name), inline(_place(case.file, case.line)), inline(case.message))
            for case in cases
        ]
        yield _table(("Failing test", "Where", "Why"), rows)
    for outcome in outcomes:
        if not outcome.passed and not any(map(_is_bad, outcome.cases)) and outcome.output.strip():
            yield f"{inline(outcome.command)} said at its end:\n"
            yield f"{block(outcome.output, 3_000, end=True)}\n"


def _is_bad(case: Case) -> bool:
    return case.status in ("failed", "error")


def _facts(ended: Ended) -> Iterator[tuple[str, str]]:
    usage = ended.usage
    yield "Task", inline(ended.task, 500)
    yield "Model", inline(ended.model)
    if [each.model for each in ended.answered] not in ([], [ended.model]):
        yield "Answered by", ", ".join(map(_answered, ended.answered))
    yield "Steps", f"{ended.steps}"
    yield "Time", f"{ended.duration_s:.0f} s"
    read = f"{usage.input_tokens:,} read ({usage.cached_tokens:,} of them cached)"
    yield "Tokens", f"{read}, {usage.output_tokens:,} written"
    if usage.cost_usd is not None:
        yield "Cost", f"{usage.cost_usd:.4f} USD"
    if ended.attempts:
        yield "Attempt", f"{ended.attempt} of {len(ended.attempts)}"
    if ended.denied:
        yield "Calls not allowed", f"{len(ended.denied)}"
    if ended.commit:
        yield "Commit", inline(ended.commit)


def _answered(each: Answered) -> str:
    cost = "" if each.usage.cost_usd is None else f", {each.usage.cost_usd:.4f} USD"
    return f"{inline(each.model)} ({each.requests} request{'s' * (each.requests != 1)}{cost})"


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [_row(names), _row(["---"] * len(names)), *map(_row, rows[:MOST_ROWS])]
    if len(rows) > MOST_ROWS:
        lines.append(_row([f"… and {len(rows) - MOST_ROWS} more", *[""] * (len(names) - 1)]))
    return "\n".join([*lines, ""])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _place(path: str, line: int) -> str:
    return f"{path}:{line}" if path and line else path


def _count(lines: int | None) -> str:
    return "" if lines is None else f"{lines}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
