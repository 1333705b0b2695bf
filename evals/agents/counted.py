"""Any agent through the counting proxy, so that what it used is counted as of all others.

Those of `outside.py` have the proxy by themselves; this is for qcode, which tells its own counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from qcode.errors import UsageError
from qcode.evals.agents import Agent, Outcome, Work
from qcode.evals.agents.counting import Counting
from qcode.evals.agents.outside import price_of
from qcode.evals.agents.tally import Tally
from qcode.evals.harness.trial import Effort
from qcode.record import replace


class Counted:
    """Gives the agent the proxy for its endpoint; all else is the agent's own."""

    def __init__(self, inner: Agent) -> None:
        self._inner = inner
        self.name = inner.name

    def version(self) -> str:
        """Return the agent's version.

        Raises:
            UsageError: it is not installed.
        """
        return self._inner.version()

    async def work(self, work: Work, environ: Mapping[str, str]) -> Outcome:
        """Have it work; without a URL it finds the model by itself, and nothing is counted."""
        endpoint = work.endpoint
        if not endpoint.base_url:
            return await self._inner.work(work, environ)
        try:
            counting = Counting(
                endpoint, work.limits, work.artefacts, environ, price=price_of(endpoint)
            )
        except UsageError as error:
            return Outcome(None, "", error=str(error))
        async with counting:
            near = replace(endpoint, base_url=counting.base_url, api_key_env="")
            outcome = await self._inner.work(replace(work, endpoint=near), environ)
        why = outcome.error
        if not why and (failure := counting.tally.failure) is not None:
            why = f"the endpoint failed: {failure.problem}"
        return replace(
            outcome,
            effort=_effort(counting.tally, outcome.effort),
            ended=f"limit of {counting.limit}" if counting.limit else outcome.ended,
            error=why,
        )


def _effort(tally: Tally, told: Effort) -> Effort:
    """Return what was counted, and what the agent alone knows where nothing could be."""
    counted = tally.effort(told.wall_s)
    return Effort(
        counted.steps,
        told.read_tokens if counted.read_tokens is None else counted.read_tokens,
        told.cached_tokens if counted.cached_tokens is None else counted.cached_tokens,
        told.written_tokens if counted.written_tokens is None else counted.written_tokens,
        told.cost_usd if counted.cost_usd is None else counted.cost_usd,
        told.wall_s,
        counted.model_s,
    )
