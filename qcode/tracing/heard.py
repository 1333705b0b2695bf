"""An exporter of spans, and whether it came through."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult


class Heard(SpanExporter):
    """Hands on to another exporter, and remembers how that went."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self.has_failed = False
        """Of the last spans."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans."""
        result = self._inner.export(spans)
        self.has_failed = result is not SpanExportResult.SUCCESS
        return result

    def shutdown(self) -> None:
        """Give up connections."""
        self._inner.shutdown()
