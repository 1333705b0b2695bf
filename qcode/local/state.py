"""What is known of the local server between two runs of qcode: one JSON file and a lock."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from qcode.errors import QcodeError
from qcode.local.process import start_time
from qcode.local.progress import Progress
from qcode.paths import state_dir

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Running:
    """The local model server, as it runs now."""

    pid: int
    base_url: str
    """Ends in `/v1`."""
    model: str
    """The id that requests name."""
    context_window: int
    """Tokens."""
    log: Path
    slots: Path | None = None
    """Where it may save what it has read; None: it cannot."""


@dataclass(frozen=True, slots=True)
class Record:
    """`Running` with what is needed to recognise it later."""

    running: Running
    started: str
    """The process's start time, see `process.start_time`."""
    port: int
    source: str
    """What `up` was asked for, in its normal spelling."""
    context: int
    """Tokens that `up` was asked for; the model may have fewer. 0: as much as fits."""


def folder() -> Path:
    """Where state, lock and log are; made when it is missing."""
    path = state_dir() / "local"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise QcodeError(f"cannot make `{path}`: {error.strerror}") from error
    return path


def load() -> Record | None:
    """Return the recorded server if that very process still runs.

    Changes nothing, so that it needs neither the lock nor a folder that can be written.
    """
    try:
        record = _parse(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if record is None or start_time(record.running.pid) != record.started:
        return None
    return record


def save(record: Record) -> None:
    """Replace the file as a whole, so that a reader never sees half of it."""
    folder()
    file = _file()
    content = {"version": _VERSION, **asdict(record)}
    content["running"]["log"] = str(record.running.log)
    content["running"]["slots"] = str(record.running.slots) if record.running.slots else None
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(file)


def clear() -> None:
    """Forget the server."""
    _file().unlink(missing_ok=True)


@contextlib.contextmanager
def locked(progress: Progress | None = None) -> Iterator[None]:
    """Let one qcode at a time start or stop the server.

    With `progress`, wait for the other one and say so; without, refuse.

    Raises:
        QcodeError: another one is at it, and `progress` is None.
    """
    with (folder() / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if progress is None:
                raise QcodeError(
                    "another qcode is starting or stopping the local server right now",
                    hint="wait for it or interrupt it, then try again",
                ) from None
            progress.note("another qcode is starting the local server; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        # Closing the file gives the lock back, also when this process is killed.
        yield


def _file() -> Path:
    return state_dir() / "local" / "server.json"


def _parse(text: str) -> Record | None:
    content = json.loads(text)
    if content.pop("version") != _VERSION:
        return None
    running = content.pop("running")
    log = Path(running.pop("log"))
    slots = running.pop("slots", None)
    # 0, -1 and 1 mean everybody to kill(2); a damaged file must not get that far.
    if not (isinstance(running["pid"], int) and running["pid"] > 1):
        return None
    return Record(
        running=Running(**running, log=log, slots=Path(slots) if slots else None), **content
    )
