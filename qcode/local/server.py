"""Start a chosen server on loopback, detached from qcode, and wait until it answers."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from qcode.errors import QcodeError
from qcode.local.discover import discover
from qcode.local.engine import Engine, Extension, Program
from qcode.local.fetch import Model
from qcode.local.process import memory_bytes, start_time, stop
from qcode.local.progress import Progress
from qcode.models.model import Sampling
from qcode.models.tuning import Tuning, llama_options

HOST = "127.0.0.1"
_START_LIMIT_S = 600.0
"""A large model on a slow disk takes minutes to load."""
_POLL_S = 0.1
_CACHE_MIB = 1024
"""Memory for the state of earlier prompts, so that going back to one need not read it again."""
_BATCH = 128
"""Tokens read at once. Larger is no faster on a CPU (128 and 512 measured alike), and progress
is reported, and a cancelled request noticed, between batches."""

_EVER = frozenset(("--parallel", "--jinja", "--temp", "--top-p", "--top-k", "--min-p"))
"""Options that every version has, even if its help writes them otherwise."""

_ENVIRONMENT = {"GOMP_SPINCOUNT": "1000"}
"""How often a thread that waits for the others looks before it gives up its core. By default
OpenMP spins for milliseconds, and one other busy program on two cores then slows generation
from 17 to 2 tokens a second (measured); with this it keeps 7, and an idle machine loses nothing."""


@dataclass(frozen=True, slots=True)
class Serving:
    """How a model is served."""

    model: Path
    id: str
    port: int
    context: int
    """Tokens."""
    threads: int
    template: Path | None
    """A chat template instead of the model's own."""
    slots: Path | None = None
    """Where it may save what it has read."""
    tuned: Tuning | None = None
    """How, for a model that was fitted into this machine; its context and threads hold then."""


def free_port(port: int) -> int:
    """Return `port` if it can be bound, or a free one for 0.

    Raises:
        QcodeError: it is in use.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise QcodeError(
                f"port {port} of {HOST} cannot be used: {getattr(error, 'strerror', error)}",
                hint="give another --port, or none for a free one",
            ) from error
        number: int = listener.getsockname()[1]
        return number


def template_for(model: Model) -> Path | None:
    """Return the template the model is served with; None for the model's own.

    Qwen2.5-Coder's own asks for a `<tool_call>` block that its small models do not write;
    with the one here the server recognises what they do write.
    """
    if not model.facts.is_qwen25_coder:
        return None
    return Path(__file__).parent.parent / "prompts" / "qwen2.5-coder.jinja"


def command(engine: Engine, serving: Serving, folder: Path) -> list[str]:
    """Return the command line that serves; files it needs are written to `folder`."""
    if isinstance(engine, Extension):
        settings = folder / "settings.json"
        settings.write_text(json.dumps(_settings(engine, serving), indent=1), encoding="utf-8")
        script = Path(__file__).with_name("wheel_server.py")
        return [sys.executable, "-I", str(script), str(settings)]
    line = [str(engine.path), "-m", str(serving.model), "--alias", serving.id]
    line += ["--host", HOST, "--port", str(serving.port)]
    if serving.tuned:
        line += _known_to(engine, llama_options(serving.tuned))
    else:
        line += ["-c", str(serving.context), "-t", str(serving.threads)]
        line += ["--parallel", "1", "--temp", "0", "--jinja"]
    if serving.template:
        line += ["--chat-template-file", str(serving.template)]
    for option, value in _optional(serving, own=engine.own):
        if option in engine.options:
            line += [option, value] if value else [option]
    return line


def _known_to(engine: Program, options: tuple[str, ...]) -> Iterator[str]:
    """Yield the options, without long ones that this version of the server does not have."""
    passes = True
    for word in options:
        if word.startswith("--"):
            passes = word in engine.options or word in _EVER
        elif word.startswith("-") and not word[1:2].isdigit():
            passes = True
        if passes:
            yield word


def _settings(engine: Extension, serving: Serving) -> dict[str, object]:
    tuned = serving.tuned
    return {
        "library": str(engine.library),
        "model": str(serving.model),
        "alias": serving.id,
        "host": HOST,
        "port": serving.port,
        "context": serving.context,
        "threads": serving.threads,
        "batch": _BATCH,
        "cache_mib": tuned.cache_mib if tuned else _CACHE_MIB,
        "cache_type": tuned.cache_type if tuned else "f16",
        "reuse": tuned.reuse_tokens if tuned else 0,
        "sampling": _sampling(tuned.sampling) if tuned else {"temp": 0.0},
        "template": str(serving.template) if serving.template else None,
        "slots": f"{serving.slots}/" if serving.slots else "",
    }


def _sampling(sampling: Sampling) -> dict[str, float]:
    """Return what is said of it, by the names of llama.cpp's settings."""
    values = {
        "temp": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "penalty_present": sampling.presence_penalty,
        "penalty_repeat": sampling.repetition_penalty,
    }
    return {name: value for name, value in values.items() if value is not None}


def _optional(serving: Serving, *, own: bool) -> list[tuple[str, str]]:
    """Options that not every version of llama-server has."""
    options = [] if serving.tuned else [("--cache-ram", str(_CACHE_MIB))]
    options += [
        # A page that a browser shows may not use the model behind the person's back.
        ("--cors-origins", f"http://{HOST}:{serving.port}"),
        ("--no-ui", ""),
        ("--offline", ""),
    ]
    if serving.slots:
        options.append(("--slot-save-path", f"{serving.slots}/"))
    if own and not (serving.tuned and serving.tuned.gpu):
        options += [("--device", "none"), ("--batch-size", str(_BATCH))]
        options += [("--ubatch-size", str(_BATCH))]
    return options


@dataclass(frozen=True, slots=True)
class Started:
    """A server process that was just started."""

    pid: int
    started: str
    process: subprocess.Popen[bytes]

    def detach(self) -> None:
        """Leave the server to itself; Popen must not complain that it still runs."""
        self.process.returncode = 0


def start(line: list[str], log: Path) -> Started:
    """Start the server in a session of its own, its output going to `log`.

    Raises:
        QcodeError: it cannot be started at all.
    """
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                env={**_ENVIRONMENT, **os.environ},
                start_new_session=True,
                umask=0o077,  # what it saves has the person's instructions in it
            )
    except OSError as error:
        raise QcodeError(f"cannot start `{line[0]}`: {error.strerror}") from error
    # None only if it ended within this moment; waiting for it then says so.
    return Started(process.pid, start_time(process.pid) or "", process)


def wait(pid: int, started: str, port: int, log: Path, size: int, progress: Progress) -> None:
    """Wait until the server answers `/health`; `size` is the model's in bytes.

    Raises:
        QcodeError: it ended, with the last lines of its log, or did not answer in time.
    """
    deadline = time.monotonic() + _START_LIMIT_S
    while not healthy(port):
        if start_time(pid) != started:
            raise QcodeError(
                f"the local server ended while starting: {_last_words(log)}",
                hint=f"its log is `{log}`",
            )
        if time.monotonic() > deadline:
            stop(pid, started)
            raise QcodeError(
                f"the local server did not answer within {_START_LIMIT_S:.0f} s",
                hint=f"its log is `{log}`",
            )
        memory = memory_bytes(pid)
        # All in memory is not all done: only the answer completes the bar.
        loaded = min(memory or 0, size - 1)
        progress.update("loading the model", max(0, loaded), size if memory else None)
        time.sleep(_POLL_S)
    progress.update("loading the model", size, size)


def healthy(port: int, timeout_s: float = 2.0) -> bool:
    """Whether a server on `port` says that it can answer requests."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_s)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def served_window(port: int, model: str) -> int | None:
    """Return the context window that the server reports, in tokens.

    Raises:
        QcodeError: another program answers on that port.
    """
    found = discover(timeout_s=10.0, ports={"llama.cpp": port})
    if not found or model not in found[0].models:
        raise QcodeError(
            f"port {port} is answered by something else than the server just started",
            hint="give another --port, or none for a free one",
        )
    return found[0].context_window


def _last_words(log: Path) -> str:
    """Return the end of the log in one line: what speaks of an error, or else the last line."""
    lines: list[str] = []
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        lines = [text.strip() for text in file.read().decode(errors="replace").splitlines()]
    lines = [line for line in lines if line]
    telling = [line for line in lines if "error" in line.lower() or "failed" in line.lower()]
    return " / ".join((telling or lines)[-3:])[-600:] or "it wrote nothing"
