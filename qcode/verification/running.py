"""Running the verification commands, and telling the model what fails."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from qcode import beneath
from qcode.record import replace
from qcode.sandbox.launching import Launcher
from qcode.tools.output import Output, log_opener
from qcode.tools.process import Process
from qcode.tools.sizes import Sizes
from qcode.verification.outcome import Outcome
from qcode.verification.reading import read
from qcode.verification.trimming import trimmed

TIMEOUT_S = 900.0
"""Of the commands together; a test suite that takes longer belongs in its own job."""

SHOWN_CHARS = 3000
"""Of a failing command's output, its end: test runners say there what failed."""

QUICK_S = 10.0
"""Commands that take no longer in all are run again after each edit: the model learns at once
what it did, and need not spend a step on asking."""

_SIZES = Sizes(output_head=64 * 1024, output_tail=192 * 1024)
"""Of an output that is read for the tests in it; the model gets what matters of it."""

_NAMES_EACH = "-rfEsp"
"""pytest's option to list failed, broken, skipped and passed tests at the end."""

_LONGEST_TEST_S = 60.0
_LONGEST_OF_ALL = 0.4
"""A test that takes so long, or this part of what time there is, says where it is at."""

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
    output = Output(log_opener(spill_dir, "verify"), sizes=_SIZES)
    left = max(0.0, deadline - started)
    process = Process(launcher, _in_shell(command, _options(cwd, left)), cwd=cwd, output=output)
    code: int | None = None
    try:
        async with asyncio.timeout(left):
            code = await process.finished()
    except TimeoutError:
        pass
    finally:
        # Also what it left in the background: the next command shall start from rest.
        await process.end()
    shown = output.shown().text
    found = read(shown)
    if code != 0:
        shown = output.shown(failed=True).text
    if code:
        what = [f"[blocked by the sandbox: {block.what}]" for block in process.blocked(shown)]
        shown = "\n".join([shown, *what])
    return Outcome(
        command, code, shown, time.monotonic() - started,
        cases=found.cases, ran=found.ran, stopped_early=found.stopped_early,
    )  # fmt: skip


def _options(cwd: Path, left_s: float) -> str:
    """Return pytest's options: each test is named at the end, and one that hangs says where.

    What a project says of the latter itself is left to it.
    """
    for name in ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", ".pytest.ini"):
        with contextlib.suppress(OSError):
            if b"faulthandler" in beneath.read(cwd / name):
                return _NAMES_EACH
    longest = max(1, round(min(_LONGEST_TEST_S, left_s * _LONGEST_OF_ALL)))
    return f"{_NAMES_EACH} -o faulthandler_timeout={longest}"


def _in_shell(command: str, options: str) -> list[str]:
    """Return how a command is started, with options for pytest, whoever runs it.

    What the person has in PYTEST_ADDOPTS or on the command line counts more.
    """
    return [
        "/bin/sh", "-c",
        f'PYTEST_ADDOPTS="{options} ${{PYTEST_ADDOPTS-}}"; export PYTEST_ADDOPTS\n{command}',
    ]  # fmt: skip


def describe(outcomes: Sequence[Outcome], limit: int = SHOWN_CHARS) -> str:
    """Return the failing commands and the end of their output, for the model."""
    parts = []
    for outcome in outcomes:
        if outcome.passed:
            continue
        how = "did not end in time" if outcome.exit_code is None else f"exits {outcome.exit_code}"
        parts.append(f"`{outcome.command}` {how}:\n{trimmed(outcome.output, limit)}")
    return "\n\n".join(parts)
