"""How long requests take and what tokens they cost, as two histograms of the conventions."""

from __future__ import annotations

from typing import Any

from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider

from qcode import __version__
from qcode.messages import Usage
from qcode.tracing import names

_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(4**power for power in range(14))


class Metrics:
    """Takes each request when it is over."""

    def __init__(self, provider: MeterProvider) -> None:
        meter = provider.get_meter("qcode", __version__)
        self._duration = meter.create_histogram(
            names.DURATION,
            "s",
            "how long a request took",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._tokens = meter.create_histogram(
            names.TOKEN_USAGE,
            "{token}",
            "tokens that were read and written",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )

    def asked(
        self, about: dict[str, Any], duration_s: float, usage: Usage, *, within: Context | None
    ) -> None:
        """Count a request; sessions are not told apart, there are too many."""
        kept = {name: value for name, value in about.items() if name != names.CONVERSATION}
        self._duration.record(duration_s, kept, context=within)
        if names.ERROR in kept:
            return
        for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            self._tokens.record(count, {**kept, names.TOKEN_TYPE: kind}, context=within)
