"""What left this machine: one append-only file a month, a line for each exchange.

A line says when, for which session, to which host and port, for what, and how many bytes went
each way; no path, header, user name or word of what was sent. Whoever passes bytes on counts
them (`add`). What connects without being counted is heard of by the guard (`heard`) and listed
with bytes unknown, or with those that the system counted for the socket (`metering`).

    {"at": "2026-11-28T01:02:03Z", "session": "…", "host": "api.example.com", "port": 443,
     "purpose": "model", "requests": 1, "connects": 0, "sent": 5120, "received": 20480,
     "loopback": false}

`sent` and `received` are null where they are not known.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from qcode.network import purpose
from qcode.network.addresses import is_loopback

ANY_HOST = "any host"
"""In place of a host, where a program may reach what it likes and nobody sees it."""

KEPT_MONTHS = 12
"""Files of months before these are removed when a new one is begun."""

_lock = threading.Lock()
_folder: Path | None = None
_seen: dict[tuple[str, int, str, str], int] = {}
"""Connections to this machine that are not written yet: of host, port, purpose and session."""
_written: set[tuple[str, int, str, str]] = set()


def keep(folder: Path) -> None:
    """Write down in that folder what leaves from now on; without it nothing is."""
    global _folder
    _folder = folder


def add(
    host: str,
    port: int,
    otherwise: str,
    *,
    sent: int | None,
    received: int | None,
    requests: int = 1,
) -> None:
    """Write down an exchange that was counted.

    It is for what `purpose.here` says, or `otherwise` where nobody said.
    """
    _write(
        (host.lower(), port, purpose.here(otherwise), purpose.session()),
        requests=requests,
        connects=0,
        sent=sent,
        received=received,
    )


def heard(host: str, port: int, what: str) -> None:
    """Take note of a connection: at once if it leaves this machine, else when it is over."""
    key = (host.lower(), port, what or purpose.OTHER, purpose.session())
    with _lock:
        _seen[key] = _seen.get(key, 0) + 1
        is_new = key not in _written and not is_loopback(host)
        _written.add(key)
    if is_new:  # before it has left, so that even a crash does not hide it
        _flush(key)


def unseen(what: str) -> None:
    """Take note of a program that is started with the network open: what it reaches is not seen."""
    heard(ANY_HOST, 0, what)


def flush() -> None:
    """Write down the connections that were only taken note of."""
    for key in list(_seen):
        _flush(key)


def _flush(key: tuple[str, int, str, str]) -> None:
    with _lock:
        count = _seen.pop(key, 0)
    if count:
        _write(key, requests=0, connects=count, sent=None, received=None)


def _write(key: tuple[str, int, str, str], **counted: int | None) -> None:
    folder = _folder
    if folder is None:
        return
    host, port, what, session = key
    now = time.gmtime()
    line: dict[str, Any] = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", now),
        "session": session,
        "host": host,
        "port": port,
        "purpose": what,
        **counted,
        "loopback": is_loopback(host),
    }
    data = f"{json.dumps(line, ensure_ascii=True)}\n".encode()
    # Never a reason for a session to end: a disk may be full.
    with contextlib.suppress(OSError):
        descriptor = _opened(folder, time.strftime("%Y-%m", now))
        try:
            os.write(descriptor, data)  # one call, so that lines of several processes stay whole
        finally:
            os.close(descriptor)


def _opened(folder: Path, month: str) -> int:
    file = folder / f"{month}.jsonl"
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(file, flags)
    except FileNotFoundError:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _drop_old(folder, month)
        return os.open(file, flags | os.O_CREAT, 0o600)


def _drop_old(folder: Path, month: str) -> None:
    year, number = (int(part) for part in month.split("-"))
    first = year * 12 + number - 1 - KEPT_MONTHS
    oldest = f"{first // 12:04d}-{first % 12 + 1:02d}.jsonl"
    for file in folder.glob("[0-9][0-9][0-9][0-9]-[0-9][0-9].jsonl"):
        if file.name < oldest:
            file.unlink(missing_ok=True)
