"""`qcode doctor`: try the model's server out, say what to change, keep what was found."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from qcode import paths, profiles
from qcode.cli.chosen import NoModelError, choose_model
from qcode.cli.noting import note_on_stderr
from qcode.cli.options import add_model, add_place, enter_directory, settings_from
from qcode.cli.process import require_stdout, run_to_end
from qcode.cli.reaching import check_place
from qcode.config import Settings
from qcode.doctor import place
from qcode.doctor.check import Check
from qcode.doctor.examination import Examination
from qcode.errors import QcodeError, UsageError
from qcode.network import purpose
from qcode.providers.registry import Target, resolve
from qcode.ui.printable import one_line, printable

MARKS = {"ok": "ok", "warn": "WARN", "fail": "FAIL", "skip": "--"}
"""What stands before a check; it is told apart without colour."""

SIGN_EVERY_S = 30.0
"""Seconds between two signs of life where there is no terminal."""

_UNNOTICED_S = 1.0
"""A shorter wait is not worth a line."""
_TICK_S = 0.5
_NAME_COLUMNS = 20
_INDENT = " " * 6


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_model(parser)
    add_place(parser)
    add = parser.add_argument
    add("--deep", action="store_true",
        help="send a long prompt too, and give answers more room; minutes on a laptop")  # fmt: skip
    add("--json", action="store_true", help="print one JSON object")


def main(args: argparse.Namespace) -> int:
    """Check the endpoint and this machine; return the exit code."""
    require_stdout("what is found")
    try:
        return _check(args)
    except QcodeError as error:
        if args.json:
            print(json.dumps({"error": str(error), "exit_code": error.exit_code}, indent=2))
        if not isinstance(error, NoModelError):
            raise
        # The one message of several lines; the dispatcher would make one of them.
        print(error, file=sys.stderr)
        return error.exit_code


def _check(args: argparse.Namespace) -> int:
    cwd = enter_directory(args)
    settings = settings_from(args, cwd)
    for warning in settings.warnings:
        note_on_stderr(warning)
    purpose.begin("doctor")
    examination = Examination(
        _target(args, settings),
        environ=os.environ,
        own_prompt_tokens=_own_prompt_tokens(),
        deep=args.deep,
    )
    try:
        checks = run_to_end(lambda: _examine(examination, cwd, silent=args.json))
    except KeyboardInterrupt:
        print("qcode: interrupted; nothing was kept", file=sys.stderr)
        return 130
    _keep(examination)
    if args.json:
        print(json.dumps(_json(examination, checks), indent=2))
    else:
        print(_closing(examination, checks))
    return examination.code


async def in_session(target: Target, cwd: Path, text: str, say: Callable[[str], None]) -> str:
    """Check a session's endpoint and this machine, saying each finding; return the last lines.

    What is found is kept for later sessions. To be cancelled when the person wants no more.

    Raises:
        UsageError: it is not understood.
    """
    if text not in ("", "deep"):
        raise UsageError(f"`/doctor` does not know `{text}`", hint="`/doctor` or `/doctor deep`")
    examination = Examination(
        target,
        environ=os.environ,
        own_prompt_tokens=_own_prompt_tokens(),
        deep=text == "deep",
    )
    found: list[Check] = []
    with purpose.meant_for("doctor"):
        async with aclosing(_all(examination, cwd)) as checks:
            async for check in checks:
                found.append(check)
                say("\n".join(lines(check)))
    _keep(examination)
    return _closing(examination, found).strip("\n")


def _target(args: argparse.Namespace, settings: Settings) -> Target:
    """Return what is to be looked at; without a model's name, the endpoint's list decides later."""
    if settings.base_url is not None and settings.model is None and not args.local:
        check_place(settings)
        target = resolve("-", settings.base_url, os.environ, settings.api_key_env)
        return replace(target, model="", extra_body=settings.extra_body)
    return choose_model(settings, note_on_stderr, local=args.local).target


def _own_prompt_tokens() -> int:
    """Return about how many tokens a session sends before its first message."""
    from qcode.context import estimate_tokens, system_prompt
    from qcode.tools import default_tools

    tools = [f"{t.name} {t.description} {json.dumps(t.parameters())}" for t in default_tools()]
    return estimate_tokens(system_prompt()) + sum(estimate_tokens(tool) for tool in tools)


async def _examine(examination: Examination, cwd: Path, *, silent: bool) -> list[Check]:
    """Run all checks, printing each as soon as it is done."""
    out: list[Check] = []
    if not silent:
        place_named = examination.target.base_url or "its provider"
        model = examination.target.model or "its first model"
        print(printable(f"{model} at {place_named}\n"), flush=True)
    waiting = Waiting(sys.stderr)
    ticking = asyncio.create_task(_tick(waiting, examination))
    try:
        async with aclosing(_all(examination, cwd)) as checks:
            async for check in checks:
                out.append(check)
                waiting.clear()
                if not silent:
                    print("\n".join(lines(check)), flush=True)
    finally:
        ticking.cancel()
        waiting.clear()
    return out


async def _tick(waiting: Waiting, examination: Examination) -> None:
    while True:
        waiting.tick(examination.waiting_for)
        await asyncio.sleep(_TICK_S)


class Waiting:
    """Says what is waited for and how long: one line redrawn on a terminal, elsewhere a few."""

    def __init__(self, stream: TextIO | None, *, clock: Callable[[], float] = time.monotonic):
        self._stream = stream
        self._live = stream is not None and stream.isatty()
        self._clock = clock
        self._what = ""
        self._since = 0.0
        self._next_sign_s = SIGN_EVERY_S
        self._drawn = False

    def tick(self, what: str) -> None:
        """Take what is waited for now; nothing is said of an empty one."""
        now = self._clock()
        if what != self._what:
            self._what, self._since, self._next_sign_s = what, now, SIGN_EVERY_S
        waited_s = now - self._since
        text = f"waiting for {what}, {waited_s:.0f} s"
        if not what:
            self.clear()
        elif self._live and waited_s >= _UNNOTICED_S:
            columns = shutil.get_terminal_size().columns - 1
            self._write(f"\r\x1b[K{one_line(f'{text} (Ctrl-C stops)', columns)}")
            self._drawn = True
        elif not self._live and waited_s >= self._next_sign_s:
            self._next_sign_s = waited_s + SIGN_EVERY_S
            self._write(f"qcode: {one_line(text, 400)}\n")

    def clear(self) -> None:
        """Take the redrawn line away."""
        if self._drawn:
            self._drawn = False
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._stream = None  # nobody looks any more; that ends no check


async def _all(examination: Examination, cwd: Path) -> AsyncGenerator[Check, None]:
    async with aclosing(examination.run()) as checks:
        async for check in checks:
            yield check
    yield await asyncio.to_thread(place.git, cwd)
    yield await asyncio.to_thread(place.sandbox, paths.cache_dir() / "sandbox")


def lines(check: Check) -> Iterable[str]:
    """Return the lines that a person reads: the finding, and beneath it the fix."""
    finding = one_line(check.finding, 400)
    yield f"{MARKS[check.status]:<5} {check.name:<{_NAME_COLUMNS}} {finding}"
    if check.fix:
        yield f"{_INDENT}fix: {one_line(check.fix, 400)}"


def _keep(examination: Examination) -> None:
    if examination.profile is None:
        return
    try:
        profiles.save(examination.profile)
    except OSError as error:
        note_on_stderr(f"the profile cannot be kept: {error.strerror or error}")


def _json(examination: Examination, checks: list[Check]) -> dict[str, object]:
    profile = examination.profile
    return {
        "endpoint": examination.target.base_url,
        "model": examination.target.model,
        "exit_code": examination.code,
        "checks": [
            {
                "name": check.name,
                "status": check.status,
                "finding": check.finding,
                "fix": check.fix,
                "figures": dict(check.figures),
            }
            for check in checks
        ],
        "profile": profiles.to_json(profile) if profile else None,
    }


def _closing(examination: Examination, checks: list[Check]) -> str:
    """Return the last lines: how it stands, and what sessions will do with it."""
    failed = sum(check.status == "fail" for check in checks)
    warned = sum(check.status == "warn" for check in checks)
    counts = ", ".join(
        f"{number} {word}"
        for number, word in ((failed, "failed"), (warned, "to look at"))
        if number
    )
    if examination.code == 3:
        return f"\nthe endpoint cannot be used ({counts})"
    profile = examination.profile
    kept = ""
    if profile is not None:
        tools = "native tools" if profile.protocol == "native" else "tools told in the prompt"
        size = (
            f" and {profile.context_window:,} tokens of context" if profile.context_window else ""
        )
        kept = f"; sessions with this model will use {tools}{size}"
    return f"\n{counts or 'all is well'}{kept}"
