"""Bring the local model up, take it down, and say how it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from qcode.errors import UsageError
from qcode.local import server, slots, state
from qcode.local.catalog import MODELS, Builtin
from qcode.local.cpu import this_cpu, threads
from qcode.local.engine import Engine, choose
from qcode.local.fetch import Model, fetch, normal
from qcode.local.process import stop
from qcode.local.progress import Progress
from qcode.local.state import Record, Running
from qcode.paths import data_dir

_LEAST_CONTEXT = 1024
"""Tokens; less does not hold qcode's own prompt."""


def up(
    source: str = "1.5b",
    *,
    port: int = 0,
    context: int = 16_384,
    progress: Progress,
    catalog: Mapping[str, Builtin] = MODELS,
) -> Running:
    """Fetch what `source` names (see `fetch`) and serve it; return at once if that runs already.

    One server runs at a time: another model's is stopped first. The server outlives qcode.
    `port` 0 takes a free one; `context` is in tokens, cut to what the model was trained for.

    Raises:
        QcodeError: the model or a server could not be had, or the server did not start.
    """
    if context < _LEAST_CONTEXT:
        raise UsageError(f"a context of {context} tokens is too small", hint="give 1024 or more")
    if not 0 <= port <= 65_535:
        raise UsageError(f"there is no port {port}", hint="give 1024 to 65535, or 0 for a free one")
    with state.locked(progress):
        wanted = normal(source, catalog)
        record = state.load()
        if record and _is(record, wanted, port, context):
            if not server.healthy(record.port):
                _wait(record, 0, progress)
            return record.running
        # Everything is made ready before the other server is stopped.
        model = fetch(source, progress=progress, catalog=catalog)
        engine = choose(this_cpu(), data_dir() / "servers", progress)
        if record:
            progress.note(f"stopping {record.running.model}, which was running")
            _end(record)
        return _serve(model, engine, wanted, port, context, progress)


def down() -> Running | None:
    """Stop the local server and return what ran; None if none did.

    Raises:
        QcodeError: another qcode is starting it right now.
    """
    with state.locked():
        record = state.load()
        if record is None:
            state.clear()  # of a server that is gone
            return None
        _end(record)
        return record.running


def status() -> Running | None:
    """Return the local server if its process runs, whether or not it answers yet."""
    record = state.load()
    return record.running if record else None


def _is(record: Record, source: str, port: int, context: int) -> bool:
    same_port = port in (0, record.port)
    return record.source == source and record.context == context and same_port


def _serve(
    model: Model, engine: Engine, source: str, port: int, context: int, progress: Progress
) -> Running:
    folder = state.folder()
    port = server.free_port(port)
    window = min(context, model.facts.trained_window or context)
    if window < context:
        progress.note(f"{model.id} was trained for {window} tokens of context; taking that")
    template = server.template_for(model)
    kept = slots.folder_for(engine, model.path, template)
    serving = server.Serving(
        model=model.path,
        id=model.id,
        port=port,
        context=window,
        threads=threads(),
        template=template,
        slots=kept,
    )
    log = folder / "server.log"
    started = server.start(server.command(engine, serving, folder), log)
    try:
        base_url = f"http://{server.HOST}:{port}/v1"
        running = Running(started.pid, base_url, model.id, window, log, kept)
        record = Record(running, started.started, port, source, context)
        # Saved before it answers, so that `down` finds it whatever happens to this process.
        state.save(record)
        return _wait(record, model.path.stat().st_size, progress)
    finally:
        started.detach()


def _wait(record: Record, size: int, progress: Progress) -> Running:
    """Wait for the recorded server and correct the record by what it says of itself."""
    running = record.running
    try:
        server.wait(running.pid, record.started, record.port, running.log, size, progress)
        window = server.served_window(record.port, running.model) or running.context_window
    except BaseException:
        _end(record)
        raise
    if window != running.context_window:
        running = replace(running, context_window=window)
        state.save(Record(running, record.started, record.port, record.source, record.context))
    return running


def _end(record: Record) -> None:
    stop(record.running.pid, record.started)
    state.clear()
