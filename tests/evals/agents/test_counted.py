from __future__ import annotations

import asyncio
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from fixing_model import BROKEN, LAST_WORDS, WHOLE, FixingModel, work_in
from program import repository
from scripted_server import Reply, ScriptedServer, fault, text

from qcode.evals.agents import Endpoint, Outcome, Work, known
from qcode.evals.agents.counted import Counted, _can_be_counted, _effort
from qcode.evals.agents.outside import price_of
from qcode.evals.agents.tally import Tally
from qcode.evals.harness.trial import Effort
from qcode.providers.connection import parse_origin
from qcode.providers.http import HttpClient
from qcode.record import replace


class Asking:
    """Asks once and claims that it took other counts."""

    name = "asking"
    keeps_requests = False

    def version(self) -> str:
        return "1"

    def __init__(self, outcome: Outcome | None = None) -> None:
        claimed = Effort(99, 99, 99, 99, 0.0, 3.0)
        self._outcome = outcome or Outcome(0, "done", "success", claimed)
        self.times = 1

    async def work(self, work: Work, environ: Mapping[str, str]) -> Outcome:
        self.asked = work.endpoint
        for _ in range(self.times):
            client = HttpClient(
                parse_origin(work.endpoint.base_url), connect_timeout_s=5, environ={}
            )
            exchange = await client.start("POST", "/chat/completions", (), b'{"messages": []}')
            while await exchange.receive(10) is not None:
                pass
            exchange.close()
            await client.close()
        return self._outcome


def worked(
    work: Work, environ: Mapping[str, str], outcome: Outcome | None = None
) -> tuple[Outcome, Asking]:
    inner = Asking(outcome)
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


FAILED = Outcome(3, "", "error_during_execution", error="the provider failed: it said 400")


@pytest.mark.parametrize(
    "reply",
    [
        fault(400, "request (17363 tokens) exceeds the available context size (16384)"),
        fault(500, "Failed to parse input at pos 12"),
    ],
)
def test_what_qcode_takes_for_a_failing_provider_is_judged_where_it_is_its_own_doing(
    reply: Reply, tmp_path: Path
) -> None:
    with ScriptedServer([reply]) as server:
        outcome, _ = worked(work_in(tmp_path, server.base_url), {}, FAILED)

    assert (outcome.exit_code, outcome.error) == (3, "")


def test_a_refusal_by_a_limit_is_no_failure_of_the_provider(tmp_path: Path) -> None:
    with ScriptedServer([]) as server:
        outcome, _ = worked(work_in(tmp_path, server.base_url, steps=0), {}, FAILED)

    assert (outcome.ended, outcome.error) == ("limit of steps", "")


def test_a_provider_that_failed_is_told_by_its_own_place(tmp_path: Path) -> None:
    with ScriptedServer([fault(401)]) as server:
        outcome, _ = worked(work_in(tmp_path, server.base_url), {}, FAILED)

    assert outcome.error.startswith(f"the endpoint failed: `127.0.0.1:{server.port}` ")


def test_what_failed_without_any_request_stays_as_the_agent_tells_it(tmp_path: Path) -> None:
    sandbox = Outcome(5, "", error="no sandbox can be had: none works here")
    silent = Asking(sandbox)
    silent.times = 0
    work = work_in(tmp_path, "http://127.0.0.1:9/v1")

    outcome = asyncio.run(Counted(silent).work(work, {}))

    assert outcome.error == sandbox.error


def test_far_away_a_cost_that_nobody_knows_is_not_nothing(tmp_path: Path) -> None:
    far = Endpoint("no-such-model", "http://model.example.test/v1")
    effort = Effort(1, 10, 0, 5, 0.0, 3.0)

    counted = _effort(Tally(tmp_path, price_of(far)), effort, is_free=False)

    assert counted.cost_usd is None


def test_openais_own_is_asked_directly_since_another_interface_is_spoken_there(
    tmp_path: Path,
) -> None:
    assert not _can_be_counted(Endpoint("gpt-x", "https://eu.api.openai.com/v1"))
    assert not _can_be_counted(Endpoint("anthropic/claude", ""))
    assert _can_be_counted(Endpoint("x", "http://127.0.0.1:8080/v1"))


@pytest.mark.slow
def test_qcode_behind_the_proxy_is_told_the_same_and_is_counted_as_others_are(
    tmp_path: Path,
) -> None:
    with ScriptedServer(FixingModel(), key="real") as server:
        work = work_in(tmp_path, server.base_url)
        repository(work.folder, {"calc.py": BROKEN})
        work = replace(work, endpoint=replace(work.endpoint, api_key_env="MY_KEY"))
        agent = known.make("qcode", os.environ, counted=True)
        outcome = asyncio.run(agent.work(work, {**os.environ, "MY_KEY": "real"}))

    assert (outcome.error, outcome.answer) == ("", LAST_WORDS)
    assert (work.folder / "calc.py").read_text() == WHOLE
    settings = tomllib.loads((work.home / ".config/qcode/config.toml").read_text())
    url = settings.pop("base_url")
    assert (parse_origin(url).is_local, url == server.base_url) == (True, False)
    assert settings == {
        "model": "scripted", "context_window": 32768,
        "extra_body": {"seed": 7, "temperature": 0.0},
    }  # fmt: skip
    asked = [seen for seen in server.requests if seen.method == "POST"]
    kept = (work.artefacts / "requests.jsonl").read_text().splitlines()
    assert [json.loads(line)["body"] for line in kept] == [seen.json for seen in asked]
    effort = outcome.effort
    assert (effort.steps, effort.read_tokens, effort.cost_usd) == (2, 2000, 0.0)
    for path in work.artefacts.iterdir():
        assert "real" not in path.read_text()
