"""Sending spans and metrics to a collector, set up by OpenTelemetry's standard variables.

One exporter serves all sessions of a process. It works in threads of its own, and a session
waits for it at its end for a moment at most: a collector that is slow or gone costs that
moment and its spans, and a person is told in a line.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from qcode import __version__
from qcode.daemon import in_daemon
from qcode.errors import UsageError
from qcode.network import guard, metering, purpose

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    from qcode.session import Session
    from qcode.tracing.heard import Heard

PURPOSE = "telemetry"
FLUSH_S = 2.0
"""How long the end of a session waits for what is still to be sent."""

Note = Callable[[str], None]

_lock = threading.Lock()
_shared: Exporting | None = None


def trace(session: Session, environ: Mapping[str, str], note: Note) -> None:
    """Have a session's spans and metrics sent.

    Raises:
        UsageError: what it takes is not installed, or the variables want what there is not.
        OfflineError: the collector is on another machine, and offline none is reached.
    """
    exporting = shared(environ)
    from qcode.tracing.metrics import Metrics
    from qcode.tracing.spans import Tracing

    metrics = Metrics(exporting.meters) if exporting.meters is not None else None
    session.observers.append(
        Tracing(
            session.agent,
            session.history,
            session.id,
            exporting.tracers.get_tracer,
            environ=environ,
            metrics=metrics,
            closing=lambda: exporting.flush(note),
        )
    )


def shared(environ: Mapping[str, str]) -> Exporting:
    """Return what sends for this process, set up when it is first asked for.

    Raises:
        UsageError: see `trace`.
    """
    global _shared
    with _lock:
        if _shared is None:
            _shared = Exporting(environ)
        return _shared


class Exporting:
    """What sends spans and metrics."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Set it up; raises `UsageError` and `OfflineError`, see `trace`."""
        for host in _hosts(environ):
            guard.check(
                host,
                wanted=PURPOSE,
                hint="turn `tracing` off, or name a collector on this machine in "
                "OTEL_EXPORTER_OTLP_ENDPOINT",
            )
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go over these.
            resource = Resource.create({"service.version": __version__, **_service(environ)})
            self._exporter = _span_exporter(environ)
            self.meters = _meters(environ, resource)
        except ImportError as error:
            raise UsageError(
                f"tracing needs packages that are not installed ({error.name})",
                hint="pip install 'qcode-agent[otel]', or turn `tracing` off",
            ) from error
        for host in _hosts(environ):
            purpose.expect(host, PURPOSE)
        # Its own log would come between a person's lines; failures are told once, below.
        logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
        self._place = _place(environ)
        self._told = False
        # No end at exit: that would wait for a collector that is gone.
        self.tracers: TracerProvider = TracerProvider(resource=resource, shutdown_on_exit=False)
        if self._exporter is not None:
            self.tracers.add_span_processor(BatchSpanProcessor(self._exporter))

    async def flush(self, note: Note) -> None:
        """Send what is there, waiting for a moment at most; tell once where it does not work."""
        in_time = True
        try:
            await asyncio.wait_for(in_daemon(self._flush), FLUSH_S)
        except TimeoutError:
            in_time = False
        failed = self._exporter is not None and self._exporter.has_failed
        if (failed or not in_time) and not self._told:
            self._told = True
            note(
                f"the collector at {self._place} took no traces; "
                "see that it is there, or turn `tracing` off"
            )

    def _flush(self) -> None:
        self.tracers.force_flush()
        if self.meters is not None:
            self.meters.force_flush()
        metering.write(PURPOSE, PURPOSE)


def _service(environ: Mapping[str, str]) -> dict[str, str]:
    named = "OTEL_SERVICE_NAME" in environ or "service.name=" in environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    return {} if named else {"service.name": "qcode"}


def _place(environ: Mapping[str, str]) -> str:
    names = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    given = next((environ[name] for name in names if environ.get(name)), "http://localhost:4318")
    return given.rpartition("@")[2] if "@" in given else given  # without what opens the door


def _hosts(environ: Mapping[str, str]) -> set[str]:
    """Return where spans and metrics go."""
    hosts: set[str] = set()
    for signal in ("TRACES", "METRICS"):
        if environ.get(f"OTEL_{signal}_EXPORTER") == "none":
            continue
        names = (f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
        given = next((environ[name] for name in names if environ.get(name)), "//localhost")
        try:
            hosts.add(urlsplit(given).hostname or given)
        except ValueError:
            hosts.add(given)
    return hosts


def _protocol(environ: Mapping[str, str], signal: str) -> str:
    names = (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    return next((environ[name] for name in names if environ.get(name)), "http/protobuf")


def _wanted(environ: Mapping[str, str], signal: str) -> bool:
    """Whether a signal is sent by OTLP over HTTP.

    Raises:
        UsageError: it is to be sent in another way.
    """
    variable = f"OTEL_{signal}_EXPORTER"
    exporter = environ.get(variable, "") or "otlp"
    if exporter == "none":
        return False
    if exporter != "otlp":
        raise UsageError(f"{variable} is `{exporter}`", hint="qcode knows `otlp` and `none`")
    if (protocol := _protocol(environ, signal)) != "http/protobuf":
        raise UsageError(
            f"the OTLP protocol `{protocol}` is not known", hint="qcode speaks `http/protobuf`"
        )
    return True


def _span_exporter(environ: Mapping[str, str]) -> Heard | None:
    if not _wanted(environ, "TRACES"):
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    from qcode.tracing.heard import Heard

    return Heard(OTLPSpanExporter())


def _meters(environ: Mapping[str, str], resource: Resource) -> MeterProvider | None:
    if not _wanted(environ, "METRICS"):
        return None
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    return MeterProvider([reader], resource=resource, shutdown_on_exit=False)
