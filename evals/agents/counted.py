"""Any agent through the counting proxy, so that what it used is counted as of all others.

Those of `outside.py` have the proxy by themselves; this is for qcode, which tells its own counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from qcode.errors import UsageError
from qcode.evals.agents import Agent, Endpoint, Outcome, Work
from qcode.evals.agents.counting import Counting
from qcode.evals.agents.outside import price_of
from qcode.evals.agents.qcode import PROVIDER_FAILED
from qcode.evals.agents.tally import Tally
from qcode.evals.harness.trial import Effort
from qcode.providers.connection import parse_origin
from qcode.providers.registry import is_openai_host
from qcode.record import replace


class Counted:
    """Gives the agent the proxy for its endpoint; all else is the agent's own."""

    def __init__(self, inner: Agent) -> None:
        self._inner = inner
        self.name = inner.name
        self.keeps_requests = True

    def version(self) -> str:
        """Return the agent's version.

        Raises:
            UsageError: it is not installed.
        """
        return self._inner.version()

    async def work(self, work: Work, environ: Mapping[str, str]) -> Outcome:
        """Have it work; an endpoint that no proxy can stand for is asked directly."""
        endpoint = work.endpoint
        if not _can_be_counted(endpoint):
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
        return replace(
            outcome,
            effort=_effort(
                counting.tally, outcome.effort, is_free=parse_origin(endpoint.base_url).is_local
            ),
            ended=f"limit of {counting.limit}" if counting.limit else outcome.ended,
            error=_error(outcome, counting),
        )


def _can_be_counted(endpoint: Endpoint) -> bool:
    """Whether the agent works behind the proxy as it does without.

    Without a URL it finds the model by itself; OpenAI's own it knows by the host, and speaks
    another interface with it.
    """
    if not endpoint.base_url:
        return False
    return not is_openai_host(parse_origin(endpoint.base_url).host)


def _error(outcome: Outcome, counting: Counting) -> str:
    """Return why nothing can be judged.

    The proxy knows better than the agent whether the endpoint is to blame: an agent takes a
    request that a limit refused, and a prompt beyond the window, for failures of its provider.
    """
    tally = counting.tally
    if outcome.exit_code == PROVIDER_FAILED and (counting.limit or tally.is_own_fault):
        return ""
    if (failure := tally.failure) is not None:
        # In the proxy's words, which name the endpoint: the agent's name the proxy.
        return f"the endpoint failed: {failure.problem}"
    return outcome.error


def _effort(tally: Tally, told: Effort, *, is_free: bool) -> Effort:
    """Return what was counted, and what the agent alone knows where nothing could be.

    Of the cost it knows nothing: to it, the proxy is a server on this machine and free.
    """
    counted = tally.effort(told.wall_s)
    return Effort(
        counted.steps,
        told.read_tokens if counted.read_tokens is None else counted.read_tokens,
        told.cached_tokens if counted.cached_tokens is None else counted.cached_tokens,
        told.written_tokens if counted.written_tokens is None else counted.written_tokens,
        counted.cost_usd if counted.cost_usd is not None or not is_free else told.cost_usd,
        told.wall_s,
        counted.model_s,
    )
