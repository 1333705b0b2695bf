"""What is the same for all agents that others wrote, by one that is three lines of Python."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from fixing_model import LAST_WORDS, WHOLE, FixingModel, work_in
from scripted_server import ScriptedServer, Stall, Stream, delta, fault, text

from qcode.errors import UsageError
from qcode.evals.agents import Endpoint, Outcome, Work, installed, known
from qcode.evals.agents.installed import Package
from qcode.evals.agents.outside import Outside, Place, Plan, Told, price_of
from qcode.evals.agents.surroundings import environment
from qcode.messages import Usage
from qcode.record import replace

ASKS = """\
import json, os, sys, urllib.request
def ask(**more):
    asked = [{"role": "user", "content": sys.stdin.read() + "calc.py"}]
    headers = {"Content-Type": "application/json"}
    headers["Authorization"] = "Bearer " + os.environ["OPENAI_API_KEY"]
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    body = json.dumps({"model": "x", "messages": asked, **more}).encode()
    request = urllib.request.Request(url, body, headers)
    return json.load(urllib.request.urlopen(request))["choices"][0]["message"]
"""
WORKS = (
    ASKS
    + """\
said = ask()["content"]
open("calc.py", "w").write(said.split("```")[1].strip() + "\\n")
open(".tiny-cache", "w").write("x")
print(said.splitlines()[0])
"""
)


class Tiny(Outside):
    """Runs a Python script as if it were an agent."""

    name: ClassVar[str] = "tiny"
    package: ClassVar[Package] = Package("pip", "tiny-agent", "tiny", "tiny", "1.2.3")
    traces: ClassVar[tuple[str, ...]] = (".tiny-*",)
    script: ClassVar[str] = WORKS

    def plan(self, place: Place) -> Plan:
        return Plan((str(place.program), "-c", self.script), {"OWN": "1"}, stdin=True)

    def told(self, place: Place, stdout: str) -> Told:
        return Told(stdout.strip(), "done")


@pytest.fixture
def peers(tmp_path: Path) -> dict[str, str]:
    """An environment in which the tiny agent's program is installed."""
    place = tmp_path / "peers/venv-tiny/bin"
    place.mkdir(parents=True)
    program = place / "tiny"
    program.write_text(
        '#!/bin/sh\nif [ "$1" = --version ]; then echo tiny 1.2.3; exit; fi\n'
        f'exec {sys.executable} -I "$@"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"PATH": os.environ["PATH"], "PEERS_ROOT": str(tmp_path / "peers")}


def worked(work: Work, environ: dict[str, str], script: str = WORKS) -> Outcome:
    kind = type("Scripted", (Tiny,), {"script": script})
    agent: Outside = kind(environ)
    return asyncio.run(agent.work(work, environ))


def test_it_works_and_is_counted(tmp_path: Path, peers: dict[str, str]) -> None:
    with ScriptedServer(FixingModel()) as server:
        work = work_in(tmp_path, server.base_url)
        outcome = worked(work, peers)

    assert (work.folder / "calc.py").read_text() == WHOLE
    assert (outcome.answer, outcome.ended, outcome.exit_code) == (LAST_WORDS, "done", 0)
    assert (outcome.effort.steps, outcome.effort.read_tokens, outcome.error) == (1, 1000, "")
    assert outcome.effort.cost_usd == 0.0
    assert server.requests[0].json["seed"] == 7


def test_what_it_keeps_for_itself_is_removed_and_nothing_else(
    tmp_path: Path, peers: dict[str, str]
) -> None:
    with ScriptedServer(FixingModel()) as server:
        work = work_in(tmp_path, server.base_url)
        (work.folder / ".tiny-was-here").write_text("a person's")
        worked(work, peers)

    assert sorted(path.name for path in work.folder.iterdir()) == [".tiny-was-here", "calc.py"]


def test_what_it_said_and_was_asked_is_kept(tmp_path: Path, peers: dict[str, str]) -> None:
    with ScriptedServer(FixingModel()) as server:
        work = work_in(tmp_path, server.base_url)
        worked(work, peers)
        worked(replace(work, is_retry=True, prompt="again"), peers)

    kept = {path.name for path in work.artefacts.iterdir()}
    assert kept >= {"agent.out", "agent.err", "agent-retry.out", "prompt.txt", "prompt-retry.txt"}
    assert len((work.artefacts / "requests.jsonl").read_text().splitlines()) == 2


def test_it_gets_no_keys_and_a_home_of_its_own(tmp_path: Path, peers: dict[str, str]) -> None:
    script = ASKS + "ask(); print(json.dumps(dict(os.environ)))"
    secrets = {"OPENAI_API_KEY": "sk-real", "AWS_SECRET_ACCESS_KEY": "aws", "K": "endpoint-key"}

    with ScriptedServer([text("x")], key="endpoint-key") as server:
        work = work_in(tmp_path, server.base_url)
        work = replace(work, endpoint=replace(work.endpoint, api_key_env="K"))
        outcome = worked(work, {**peers, **secrets}, script)

    seen = json.loads(outcome.answer)
    assert not {"sk-real", "aws", "endpoint-key"} & set(seen.values())
    assert (seen["HOME"], seen["OWN"]) == (str(work.home), "1")
    assert seen["TMPDIR"].startswith(str(work.home))


def test_a_step_limit_stops_one_that_goes_on_asking(tmp_path: Path, peers: dict[str, str]) -> None:
    script = ASKS + "ask(); ask()\n"

    with ScriptedServer([text("x")] * 2) as server:
        outcome = worked(work_in(tmp_path, server.base_url, steps=1), peers, script)

    assert outcome.ended == "limit of steps"
    assert (outcome.effort.steps, outcome.exit_code, outcome.error) == (1, 1, "")


def test_the_time_limit_is_told(tmp_path: Path, peers: dict[str, str]) -> None:
    with ScriptedServer([text("x")]) as server:
        work = work_in(tmp_path, server.base_url, time_s=3.0)
        outcome = worked(work, peers, ASKS + "ask(); import time; time.sleep(600)")

    assert (outcome.exit_code, outcome.ended, outcome.error) == (None, "time limit", "")


@pytest.mark.parametrize(
    "script, error",
    [
        ("raise SystemExit(9)", "tiny asked the model nothing (exit code 9); its output says why"),
        (
            ASKS + "ask()",
            "the endpoint failed: {place} answered 500 for model `scripted`: scripted error 500",
        ),
    ],
)
def test_one_that_got_no_answer_is_not_judged(
    tmp_path: Path, peers: dict[str, str], script: str, error: str
) -> None:
    with ScriptedServer([fault(500)]) as server:
        outcome = worked(work_in(tmp_path, server.base_url), peers, script)

    assert outcome.error == error.format(place=f"`127.0.0.1:{server.port}`")


def test_an_endpoint_that_fails_later_is_not_the_agents_failure(
    tmp_path: Path, peers: dict[str, str]
) -> None:
    with ScriptedServer([text("x"), fault(503)]) as server:
        outcome = worked(work_in(tmp_path, server.base_url), peers, ASKS + "ask(); ask()")

    assert outcome.error.startswith("the endpoint failed: ")
    assert outcome.effort.steps == 1


def test_a_prompt_that_is_too_long_is_the_agents_own_doing(
    tmp_path: Path, peers: dict[str, str]
) -> None:
    too_long = fault(400, "request (17363 tokens) exceeds the available context size (16384)")

    with ScriptedServer([too_long]) as server:
        outcome = worked(work_in(tmp_path, server.base_url), peers, ASKS + "ask()")

    assert (outcome.error, outcome.exit_code) == ("", 1)


def test_where_it_is_not_installed_the_hint_says_how(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Tiny({"PATH": str(tmp_path)}).version()

    assert str(caught.value) == (
        "`tiny` is not installed: not on the path; `make eval-peers` and "
        "PEERS_ROOT=.eval-peers, or `pipx install tiny-agent`"
    )


def test_the_version_is_what_the_program_says(peers: dict[str, str]) -> None:
    assert Tiny(peers).version() == "1.2.3"


def test_a_version_without_an_option_is_the_packages(tmp_path: Path) -> None:
    place = tmp_path / "venv-x/bin"
    place.mkdir(parents=True)
    (place / "x").touch(0o755)
    (tmp_path / "venv-x/lib/python3.12/site-packages/x_agent-4.5.dist-info").mkdir(parents=True)
    package = Package("pip", "x-agent", "x", "x", "1", version_option="")

    assert installed.version(package, {"PEERS_ROOT": str(tmp_path)}) == "4.5"


def test_all_names_but_qcode_can_be_made() -> None:
    for name in known.AGENTS:
        if name != "qcode":  # its module is not one of these
            assert known.make(name, {}).name == name


def test_an_unknown_name_is_answered_by_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no agent is called `aidr`; did you mean `aider`\?"):
        known.make("aidr", {})


def test_the_price_is_nothing_near_and_the_registrys_far() -> None:
    near = price_of(Endpoint("x", "http://127.0.0.1:1/v1"))
    far = price_of(Endpoint("claude-sonnet-4-5", "https://api.example.com/v1"))

    assert near is not None
    assert near(Usage(1000, 1000)) == 0.0
    assert far is not None
    assert far(Usage(1000, 1000)) == pytest.approx(0.018)
    assert price_of(Endpoint("no-such-model", "https://api.example.com/v1")) is None


def test_only_harmless_variables_are_handed_on(tmp_path: Path) -> None:
    given = {"PATH": "/bin", "GITHUB_TOKEN": "x", "https_proxy": "http://else", "HOME": "/root"}

    made = environment(tmp_path, given, base_url="http://b/v1", proxy="http://p")

    assert made["PATH"] == "/bin"
    assert made["https_proxy"] == "http://p"
    assert made["HOME"] == str(tmp_path)
    assert "GITHUB_TOKEN" not in made


def test_a_request_that_the_time_limit_cut_is_counted(
    tmp_path: Path, peers: dict[str, str]
) -> None:
    script = ASKS + "ask(stream=True)"

    with ScriptedServer([Stream((delta(content="so"), Stall()))]) as server:
        outcome = worked(work_in(tmp_path, server.base_url, time_s=2.0), peers, script)

    assert (outcome.effort.steps, outcome.ended, outcome.error) == (1, "time limit", "")
