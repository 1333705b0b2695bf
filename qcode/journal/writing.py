"""Journals as they are written: by one process, a record before what it tells of is shown."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

from qcode.errors import QcodeError, UsageError
from qcode.masked import WrittenDown
from qcode.messages import (
    Asked,
    JsonObject,
    Usage,
)
from qcode.secrets import Masker

VERSION = 1


def new_id() -> str:
    """Return a session id: sorts by time (milliseconds), unique without a look at the disk."""
    now = time.time()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    return f"{stamp}-{int(now % 1 * 1000):03d}{os.urandom(2).hex()}"


def moment() -> str:
    """Return the time as journals have it: UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def encode(record: JsonObject) -> bytes:
    """Return one journal line."""
    # A lone surrogate (a model can write one as \\ud800) must not stop the journal.
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace") + b"\n"


class Journal:
    """An open journal; the only writer of its file (kept by a lock)."""

    def __init__(self, path: Path, fd: int, size: int) -> None:
        self.path = path
        self._written_down = WrittenDown(Masker())
        self._fd = fd
        self._size = size
        self._is_torn = False
        """A part of a record stands behind the last whole one."""

    @classmethod
    def create(cls, folder: Path, header: JsonObject) -> Journal:
        """Start a session's file; `header` has at least `id` and `cwd`.

        Raises:
            QcodeError: the folder or file cannot be written.
        """
        path = folder / f"{header['id']}.jsonl"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _cannot_write(path, error) from error
        journal = cls(path, fd, 0)
        journal._lock()
        try:
            journal.write({"type": "session", "version": VERSION, **header})
        except QcodeError:
            journal.close()
            try:
                path.unlink(missing_ok=True)
            except OSError:
                pass  # a session without a header is passed over
            raise
        return journal

    @classmethod
    def reopen(cls, path: Path) -> Journal:
        """Open a session's file to go on; a torn last line is cut off.

        Raises:
            UsageError: another process has the session open.
            QcodeError: the file cannot be read or written.
        """
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise _cannot_write(path, error) from error
        journal = cls(path, fd, 0)
        journal._lock()
        try:
            size = os.fstat(fd).st_size
            journal._size = _end_of_last_line(fd, size)
            journal._is_torn = journal._size != size
            journal._mend()
            os.lseek(fd, journal._size, os.SEEK_SET)
        except OSError as error:
            journal.close()
            raise _cannot_write(path, error) from error
        return journal

    def mask_by(self, masker: Masker) -> None:
        """Mask from now on by this one, which knows the session's secrets."""
        self._written_down = WrittenDown(masker)

    def write(self, record: JsonObject) -> None:
        """Append one record; when this returns, a killed process does not lose it.

        Of a piece of an answer, the last word is not there yet if it may become a secret.

        Raises:
            QcodeError: the disk is full or the file cannot be written; the file
                ends where it ended before.
        """
        masked = self._written_down.record(record)
        if masked is None:
            return
        line = encode(masked)
        try:
            self._mend()
            view = memoryview(line)
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            self._take_back()
            raise _cannot_write(self.path, error) from error
        self._size += len(line)

    def _take_back(self) -> None:
        """Cut off what was written of a record; what fails now is tried before the next one."""
        self._is_torn = self._fd >= 0
        try:
            self._mend()
        except OSError:
            pass

    def _mend(self) -> None:
        if self._is_torn:
            os.ftruncate(self._fd, self._size)
            os.lseek(self._fd, self._size, os.SEEK_SET)
            self._is_torn = False

    def sync(self) -> None:
        """Wait until everything written is on the disk (a step's boundary)."""
        try:
            getattr(os, "fdatasync", os.fsync)(self._fd)
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def close(self) -> None:
        """Give up the file and its lock."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            raise UsageError(
                f"session `{self.path.stem}` is open in another qcode",
                hint="end that one first, or start a new session",
            ) from error


def _cannot_write(path: Path, error: OSError) -> QcodeError:
    return QcodeError(
        f"cannot write the session journal `{path}`: {error.strerror}",
        hint="free some space or set XDG_STATE_HOME to a folder that can be written",
    )


def _end_of_last_line(fd: int, size: int) -> int:
    """Return the offset after the last newline."""
    step = 1 << 16
    end = size
    while end > 0:
        start = max(0, end - step)
        found = os.pread(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def usage_to_json(asked: Asked) -> JsonObject:
    """Return a `usage` record."""
    usage = asked.usage
    out: JsonObject = {
        "type": "usage",
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cached": usage.cached_tokens,
    }
    if usage.cache_write_tokens:
        out["kept"] = usage.cache_write_tokens
    if usage.cost_usd is not None:
        out["cost_usd"] = usage.cost_usd
    if asked.purpose:
        out["purpose"] = asked.purpose
    if asked.model:
        out["model"] = asked.model
    if asked.duration_s is not None:
        out["seconds"] = round(asked.duration_s, 3)
    if asked.at:
        out["at"] = asked.at
    if asked.is_estimate:
        out["estimate"] = True
    return out


_MOST = 1 << 53
"""Of tokens, dollars or seconds; more is no number that somebody counted."""


def usage_from_json(record: JsonObject) -> Asked:
    """Return the request of a `usage` record; odd values count as nothing."""

    def number(name: str) -> int:
        value: Any = record.get(name, 0)
        is_count = isinstance(value, int) and not isinstance(value, bool)
        return value if is_count and 0 <= value <= _MOST else 0

    def amount(name: str) -> float | None:
        value: Any = record.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if is_number and 0 <= value <= _MOST else None

    usage = Usage(
        number("input"),
        number("output"),
        number("cached"),
        amount("cost_usd"),
        number("kept"),
    )
    return Asked(
        usage,
        str(record.get("purpose", "")),
        str(record.get("model", "")),
        amount("seconds"),
        str(record.get("at", "")),
        record.get("estimate") is True,
    )
