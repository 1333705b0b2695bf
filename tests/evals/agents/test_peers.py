"""The real programs of others against a scripted model; `make eval-peers` installs and runs them.

They take seconds each and are left out where PEERS_ROOT was not given.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fixing_model import LAST_WORDS, WHOLE, FixingModel, ResponsesModel, work_in
from scripted_server import ScriptedServer

from qcode.errors import UsageError
from qcode.evals.agents import Outcome, Work, known

# Read before the fixtures of the tests make the environment plain.
ENVIRON = dict(os.environ)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif("PEERS_ROOT" not in ENVIRON, reason="`make eval-peers` runs these"),
]

CHAT = [name for name in known.OUTSIDE if name != "codex"]


def worked(name: str, work: Work) -> Outcome:
    agent = known.make(name, ENVIRON)
    try:
        assert agent.version()
    except UsageError as error:
        pytest.skip(str(error))
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
        subprocess.run(["git", *command], cwd=work.folder, check=True)
    return asyncio.run(agent.work(work, ENVIRON))


def status(folder: Path) -> str:
    done = subprocess.run(
        ["git", "status", "--short"], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def marked() -> list[str]:
    """Return the programs that are left of any run."""
    if sys.platform != "linux":
        return []
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if b"QCODE_EVAL_RUN=" in entry.read_bytes() and str(os.getpid()) != entry.parts[2]:
                found.append((entry.parent / "cmdline").read_text())
        except OSError:
            pass
    return found


@pytest.mark.parametrize("name", CHAT)
def test_it_repairs_the_file_and_nothing_else(name: str, tmp_path: Path) -> None:
    with ScriptedServer(FixingModel(submits=name.startswith("mini-swe-agent"))) as server:
        work = work_in(tmp_path, server.base_url)
        outcome = worked(name, work)

    assert outcome.error == ""
    assert (work.folder / "calc.py").read_text() == WHOLE
    assert status(work.folder) == " M calc.py\n"
    assert LAST_WORDS in outcome.answer
    assert (outcome.exit_code, outcome.effort.steps) == (0, len(server.requests))
    assert outcome.effort.read_tokens == 1000 * len(server.requests)
    assert {(one.json["seed"], one.json["temperature"]) for one in server.requests} == {(7, 0.0)}
    assert {one.json["model"] for one in server.requests} == {"scripted"}
    if name.startswith("mini-swe-agent"):
        assert outcome.conduct.calls == 2


@pytest.mark.parametrize("name", CHAT)
def test_a_step_limit_ends_it(name: str, tmp_path: Path) -> None:
    with ScriptedServer(FixingModel(for_ever=True)) as server:
        outcome = worked(name, work_in(tmp_path, server.base_url, steps=2))

    assert outcome.effort.steps == len(server.requests) <= 2
    assert outcome.ended == ("limit of steps" if name != "aider" else "")


@pytest.mark.parametrize("name", CHAT)
def test_a_time_limit_ends_it_and_all_that_it_started(name: str, tmp_path: Path) -> None:
    before = marked()
    with ScriptedServer(FixingModel(for_ever=True)) as server:
        outcome = worked(name, work_in(tmp_path, server.base_url, time_s=1.0))

    assert (outcome.exit_code, outcome.ended) == (None, "time limit")
    assert set(marked()) <= set(before)


def test_codex_repairs_the_file_by_the_responses_api(tmp_path: Path) -> None:
    with ResponsesModel() as server:
        work = work_in(tmp_path, server.base_url)
        outcome = worked("codex", work)

    assert outcome.error == ""
    assert (work.folder / "calc.py").read_text() == WHOLE
    assert status(work.folder) == " M calc.py\n"
    assert (outcome.answer, outcome.effort.steps) == (LAST_WORDS, 2)
    assert outcome.conduct.calls == 1
