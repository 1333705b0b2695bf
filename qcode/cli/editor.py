"""Having a person change a text in the editor of theirs."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from qcode.errors import QcodeError, UsageError

ENDS_WITHIN_S = 2.0
"""After it was asked to: time for an editor to put its files and the terminal in order."""


def editor() -> list[str]:
    """Return the words that start the person's editor; none if it could not be seen or is none."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        return []
    for name in ("VISUAL", "EDITOR"):
        if written := os.environ.get(name, "").strip():
            try:
                return shlex.split(written)
            except ValueError as error:
                raise UsageError(f"`{name}` cannot be read: {error}") from error
    return []


def edit(words: list[str], file: Path) -> None:
    """Have an editor change a file, and wait until it ends.

    It is the person's own program in their own terminal, so no sandbox is around it.

    Raises:
        QcodeError: it cannot be started, or ended otherwise than well.
    """
    _check(words, run_alone([*words, str(file)]))


async def edited(text: str, name: str) -> str:
    """Return a text as a person leaves it in their editor, while all else goes on.

    They see it under the name, in a folder that nobody else reads. A line end that an editor
    adds to the last line is none of theirs.

    Raises:
        QcodeError: there is no editor, it failed, or what it left is no text.
    """
    words = editor()
    if not words:
        raise UsageError("there is no editor to open it in", hint="set VISUAL or EDITOR")
    added = "\n" if text and not text.endswith("\n") else ""
    with tempfile.TemporaryDirectory(prefix="qcode-") as folder:
        file = Path(folder) / name
        file.write_bytes(f"{text}{added}".encode())
        await _run(words, file)
        try:
            left = file.read_bytes().decode()
        except (OSError, UnicodeDecodeError) as error:
            raise QcodeError(f"what the editor left cannot be read: {error}") from error
    return left.removesuffix(added) if added else left


async def _run(words: list[str], file: Path) -> None:
    _check(words, await run([*words, str(file)]))


def run_alone(words: list[str]) -> int:
    """Have a program of the person's run in their terminal; return its exit code.

    Raises:
        QcodeError: it cannot be started.
    """
    # Ctrl-C is for the editor; a handler, unlike SIG_IGN, is not passed on to it.
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        return subprocess.call(words)
    except OSError as error:
        raise _unstartable(words, error) from error
    finally:
        signal.signal(signal.SIGINT, before)


async def run(words: list[str]) -> int:
    """Have a program of the person's run in their terminal, while all else goes on.

    Raises:
        QcodeError: it cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(*words)
    except OSError as error:
        raise _unstartable(words, error) from error
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:  # given up meanwhile: it must not keep the terminal
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), ENDS_WITHIN_S)
            except TimeoutError:
                process.kill()
                await process.wait()
    return code


def _unstartable(words: list[str], error: OSError) -> UsageError:
    return UsageError(
        f"the editor `{words[0]}` cannot be started: {error.strerror}",
        hint="set VISUAL or EDITOR to another one",
    )


def _check(words: list[str], code: int) -> None:
    if code:
        how = f"with {code}" if code > 0 else f"by signal {-code}"
        raise QcodeError(f"the editor `{words[0]}` ended {how}")
