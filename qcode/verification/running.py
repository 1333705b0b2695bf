"""Running the verification commands, and telling the model what fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from qcode.record import replace
from qcode.sandbox.launching import Launcher
from qcode.tools.output import Output, log_opener
from qcode.tools.process import Process
from qcode.verification.outcome import Outcome

TIMEOUT_S = 900.0
"""Of the commands together; a test suite that takes longer belongs in its own job."""

SHOWN_CHARS = 3000
"""Of a failing command's output, its end: test runners say there what failed."""

QUICK_S = 10.0
"""Commands that take no longer in all are run again after each edit: the model learns at once
what it did, and need not spend a step on asking."""

QUICK_CHARS = 900
"""Of the output shown then."""


async def verify(
    commands: Sequence[str],
    *,
    cwd: Path,
    launcher: Launcher,
    spill_dir: Path,
    timeout_s: float = TIMEOUT_S,
) -> list[Outcome]:
    """Run the commands one after the other, all of them even if one fails.

    `timeout_s` is for all of them together.
    """
    deadline = time.monotonic() + timeout_s
    outcomes = [await _run(command, cwd, launcher, spill_dir, deadline) for command in commands]
    # Paths as the tools show them: shorter, and the same wherever the workspace lies.
    return [replace(o, output=o.output.replace(f"{cwd}/", "")) for o in outcomes]


async def _run(
    command: str, cwd: Path, launcher: Launcher, spill_dir: Path, deadline: float
) -> Outcome:
    started = time.monotonic()
    output = Output(log_opener(spill_dir, "verify"))
    process = Process(launcher, ["/bin/sh", "-c", command], cwd=cwd, output=output)
    code: int | None = None
    try:
        async with asyncio.timeout(max(0.0, deadline - started)):
            code = await process.finished()
    except TimeoutError:
        pass
    finally:
        # Also what it left in the background: the next command shall start from rest.
        await process.end()
    shown = output.shown().text
    if code:
        what = [f"[blocked by the sandbox: {block.what}]" for block in process.blocked(shown)]
        shown = "\n".join([shown, *what])
    return Outcome(command, code, shown, time.monotonic() - started)


def describe(outcomes: Sequence[Outcome], limit: int = SHOWN_CHARS) -> str:
    """Return the failing commands and the end of their output, for the model."""
    parts = []
    for outcome in outcomes:
        if outcome.passed:
            continue
        how = "did not end in time" if outcome.exit_code is None else f"exits {outcome.exit_code}"
        output = outcome.output.strip()
        if len(output) > limit:
            output = "…" + output[-limit:].split("\n", 1)[-1]
        parts.append(f"`{outcome.command}` {how}:\n{output}")
    return "\n\n".join(parts)
