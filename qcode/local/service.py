"""Bring the local model up, take it down, and say how it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from qcode.errors import UsageError
from qcode.local import gguf, server, slots, state
from qcode.local.catalog import MODELS, Builtin
from qcode.local.cpu import this_cpu, threads
from qcode.local.engine import Engine, choose, has_gpu
from qcode.local.fetch import Model, fetch, in_repository, normal
from qcode.local.huggingface import Wanted
from qcode.local.known import Disk, Find, Known, Planner, known
from qcode.local.packages import free_space
from qcode.local.process import memory_bytes, stop
from qcode.local.progress import Progress
from qcode.local.state import Record, Running
from qcode.models import find
from qcode.models.find import every
from qcode.models.hardware import Hardware, this_machine
from qcode.models.model import Model as KnownModel
from qcode.models.tuning import Tuning
from qcode.paths import data_dir
from qcode.record import replace as record_replace

_CONTEXT = 16_384
"""Tokens that the embedded models are served with, which are slow readers."""
_LEAST_CONTEXT = 1024
"""Tokens; less does not hold qcode's own prompt."""


@dataclass(frozen=True, slots=True)
class Registry:
    """The models that are known by name."""

    find: Find
    all: Callable[[], Iterable[KnownModel]]


REGISTRY = Registry(find, lambda: every().values())
"""Those that come with qcode."""


def up(
    source: str = "1.5b",
    *,
    port: int = 0,
    context: int | None = None,
    progress: Progress,
    catalog: Mapping[str, Builtin] = MODELS,
    registry: Registry = REGISTRY,
) -> Running:
    """Fetch what `source` names and serve it; return at once if that runs already.

    `source` is as for `fetch`, or a name of the registry, which `:QUANT` may follow: the best
    quantisation that fits into the memory is taken then. One server runs at a time: another
    model's is stopped first. The server outlives qcode. `port` 0 takes a free one; `context` is in
    tokens, cut to what the model was trained for; None is 16384 for the embedded models and files,
    and for others as much as there is memory for.

    Raises:
        QcodeError: the model or a server could not be had, the model does not fit into the memory,
            or the server did not start.
    """
    if context is not None and context < _LEAST_CONTEXT:
        raise UsageError(f"a context of {context} tokens is too small", hint="give 1024 or more")
    if not 0 <= port <= 65_535:
        raise UsageError(f"there is no port {port}", hint="give 1024 to 65535, or 0 for a free one")
    by_name = None if source.lower() in catalog else known(source, registry.find)
    repository = by_name.wanted if by_name else in_repository(source, catalog)
    if repository is None and context is None:
        context = _CONTEXT
    with state.locked(progress):
        wanted = _spelt(by_name) if by_name else normal(source, catalog)
        record = state.load()
        if record and _is(record, wanted, port, context):
            if not server.healthy(record.port):
                _wait(record, 0, progress)
            return record.running
        # Everything is made ready before the other server is stopped.
        tuned = None
        if repository is None:
            model = fetch(source, progress=progress, catalog=catalog)
            engine = choose(this_cpu(), data_dir() / "servers", progress)
        else:
            engine = choose(this_cpu(), data_dir() / "servers", progress)
            planner = Planner(
                source,
                by_name.model if by_name else registry.find(source),
                _hardware(engine),
                is_registered=by_name is not None,
                context=context,
                returned_bytes=(memory_bytes(record.running.pid) or 0) if record else 0,
                disk=_disk(repository),
                others=registry.all,
                note=progress.note,
            )
            model = fetch(repository, progress=progress, select=planner.select)
            tuned = planner.tuning(model.path, model.facts)
        if record:
            progress.note(f"stopping {record.running.model}, which was running")
            _end(record)
        return _serve(model, engine, wanted, port, context, progress, tuned)


def _disk(repository: Wanted) -> Disk:
    folder = data_dir() / "models" / repository.repo
    return Disk(folder, free_space(folder))


def _spelt(found: Known) -> str:
    """Return the one spelling of a name of the registry."""
    choice = found.wanted.choice
    return found.model.id + (f":{choice.upper()}" if choice else "")


def _hardware(engine: Engine) -> Hardware:
    """Return what this machine has and this server can use."""
    here = this_machine()
    return here if here.gpus and has_gpu(engine) else record_replace(here, gpus=())


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


def _is(record: Record, source: str, port: int, context: int | None) -> bool:
    same_port = port in (0, record.port)
    return record.source == source and record.context == (context or 0) and same_port


def _serve(
    model: Model,
    engine: Engine,
    source: str,
    port: int,
    context: int | None,
    progress: Progress,
    tuned: Tuning | None,
) -> Running:
    folder = state.folder()
    port = server.free_port(port)
    planned = tuned.context if tuned else context or _CONTEXT
    window = min(planned, model.facts.trained_window or planned)
    if context is not None and window < context:
        progress.note(f"{model.id} was trained for {window} tokens of context; taking that")
    template = server.template_for(model)
    kept = slots.folder_for(engine, model.path, template, tuned.cache_type if tuned else "f16")
    serving = server.Serving(
        model=model.path,
        id=model.id,
        port=port,
        context=window,
        threads=threads(),
        template=template,
        slots=kept,
        tuned=tuned,
    )
    log = folder / "server.log"
    started = server.start(server.command(engine, serving, folder), log)
    try:
        base_url = f"http://{server.HOST}:{port}/v1"
        running = Running(started.pid, base_url, model.id, window, log, kept)
        record = Record(running, started.started, port, source, context or 0)
        # Saved before it answers, so that `down` finds it whatever happens to this process.
        state.save(record)
        return _wait(record, gguf.size(model.path), progress)
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
