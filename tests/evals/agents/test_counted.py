from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from fixing_model import work_in
from scripted_server import ScriptedServer, fault, text

from qcode.evals.agents import Outcome, Work
from qcode.evals.agents.counted import Counted
from qcode.evals.harness.trial import Effort
from qcode.providers.connection import parse_origin
from qcode.providers.http import HttpClient
from qcode.record import replace


class Asking:
    """Asks once and claims that it took other counts."""

    name = "asking"

    def version(self) -> str:
        return "1"

    async def work(self, work: Work, environ: Mapping[str, str]) -> Outcome:
        self.asked = work.endpoint
        client = HttpClient(parse_origin(work.endpoint.base_url), connect_timeout_s=5, environ={})
        exchange = await client.start("POST", "/chat/completions", (), b'{"messages": []}')
        while await exchange.receive(10) is not None:
            pass
        exchange.close()
        await client.close()
        return Outcome(0, "done", "success", Effort(99, 99, 99, 99, 0.5, 3.0))


def worked(work: Work, environ: Mapping[str, str]) -> tuple[Outcome, Asking]:
    inner = Asking()
    return asyncio.run(Counted(inner).work(work, environ)), inner


def test_what_was_counted_stands_for_what_the_agent_claims(tmp_path: Path) -> None:
    with ScriptedServer([text("x")], key="real") as server:
        work = work_in(tmp_path, server.base_url)
        work = replace(work, endpoint=replace(work.endpoint, api_key_env="K"))
        outcome, inner = worked(work, {"K": "real"})

    effort = outcome.effort
    assert (effort.steps, effort.read_tokens, effort.written_tokens) == (1, 1000, 20)
    assert (effort.cost_usd, effort.wall_s) == (0.0, 3.0)
    assert (outcome.answer, outcome.ended, outcome.error) == ("done", "success", "")
    assert inner.asked.api_key_env == ""
    assert (work.artefacts / "requests.jsonl").exists()


def test_counts_that_no_reply_told_stay_the_agents(tmp_path: Path) -> None:
    with ScriptedServer([text("x", usage=None)]) as server:
        outcome, _ = worked(work_in(tmp_path, server.base_url), {})

    assert (outcome.effort.steps, outcome.effort.read_tokens) == (1, 99)


def test_a_limit_and_a_failing_endpoint_are_told(tmp_path: Path) -> None:
    with ScriptedServer([fault(503)]) as server:
        outcome, _ = worked(work_in(tmp_path / "a", server.base_url), {})
        assert outcome.error.startswith("the endpoint failed: ")

        outcome, _ = worked(work_in(tmp_path / "b", server.base_url, steps=0), {})
        assert (outcome.ended, outcome.error) == ("limit of steps", "")
