"""The suite `mock`: qcode from end to end with a model that plays a script, by `qcode eval`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from program import Program
from scripted_server import ScriptedServer, text
from thorough import IS_THOROUGH

from qcode.cli import eval, eval_who, evaluating
from qcode.errors import UsageError
from qcode.evals.agents import Endpoint
from qcode.evals.harness.records import to_json
from qcode.evals.harness.store import read

pytestmark = pytest.mark.slow
FEW = () if IS_THOROUGH else ("--only", "mock-edit", "--only", "mock-second-try")


def program(folder: Path) -> Program:
    return Program(folder, model=None)


def told(folder: Path) -> list[Any]:
    """Return what does not depend on when a run was made: trials in order, without times."""
    trials = []
    for trial in sorted(read(folder).trials, key=lambda each: each.key):
        data = to_json(trial) | {"started": ""}
        data["effort"] |= {"wall_s": 0, "model_s": 0}
        kept = folder / trial.artefacts
        names = ("answer.txt", "changes.diff", "check.txt", "prompt.txt")
        trials.append([data, *((kept / name).read_text() for name in names)])
    return trials


def test_all_of_it_passes_and_a_second_run_is_the_same(tmp_path: Path) -> None:
    first = program(tmp_path).run("eval", "mock", "-o", "one", "--json", "-j", "2", timeout_s=110)
    program(tmp_path).run("eval", "mock", "-o", "other", "-j", "1", *FEW, timeout_s=110)

    said = first.json()
    assert (first.code, said["failed"], said["errors"]) == (0, [], 0), first.err
    assert said["passed"] == said["total"] == 9
    one, other = told(tmp_path / "one"), told(tmp_path / "other")
    names = {each[0]["task"] for each in other}
    assert [each for each in one if each[0]["task"] in names] == other
    conduct = {each[0]["task"]: each[0]["conduct"] for each in one}
    assert conduct["mock-missed"] == {
        "calls": 3, "failed_calls": 1, "unread_calls": 0, "repaired_calls": 0, "edits": 2,
        "failed_edits": 1, "loops": 0, "blocked": 0, "denied": 0,
    }  # fmt: skip
    assert conduct["mock-torn-call"]["repaired_calls"] == 1
    assert conduct["mock-kept-in"]["blocked"] == 1
    for each in one:
        kept = tmp_path / "one" / each[0]["artefacts"]
        for name in ("requests.jsonl", "counted.jsonl"):
            assert len((kept / name).read_text().splitlines()) == each[0]["effort"]["steps"]
    assert {each[0]["task"] for each in one if each[0]["tries"] == 2} == {"mock-second-try"}
    assert Path(tmp_path / "one/report.html").read_text().startswith("<!doctype html>")


def test_tests_and_answers_are_hidden_from_the_agent(tmp_path: Path) -> None:
    """Wherever they lie: here the sandbox has a /tmp of its own, elsewhere it reads most."""
    asks = {
        "id": "mock-asks", "suite": "own", "prompt": "Look.", "files": {"b.txt": "b\n"},
        "script": [{"text": "Done."}], "check": {"cmd": "true # the hidden check"},
    }  # fmt: skip
    (tmp_path / "own.jsonl").write_text(json.dumps(asks) + "\n")

    ended = program(tmp_path).run("eval", "own.jsonl", "-o", "results", "--keep")

    assert ended.code == 0
    (config,) = (tmp_path / "results").glob("work/*/home/.config/qcode/config.toml")
    top = tmp_path.resolve()
    assert tomllib.loads(config.read_text())["hidden"] == [
        *(f"{top}/results/{name}" for name in ("tasks.jsonl", "results.jsonl", "trials")),
        f"{top}/own.jsonl",
    ]


def test_what_does_not_pass_makes_the_exit_code(tmp_path: Path) -> None:
    wrong = {
        "id": "mock-wrong", "suite": "own", "prompt": "Write a.txt.", "files": {"b.txt": "b\n"},
        "script": [{"text": "I shall not."}], "check": {"cmd": "test -f a.txt"},
    }  # fmt: skip
    (tmp_path / "own.jsonl").write_text(json.dumps(wrong) + "\n")

    ended = program(tmp_path).run("eval", "own.jsonl", "-o", "results")
    kept = tmp_path / "results/results.jsonl"
    header, *trials = kept.read_text().splitlines(keepends=True)
    begun = json.loads(header)
    begun["versions"]["commit"] = "0" * 40
    kept.write_text("".join([json.dumps(begun) + "\n", *trials]))
    told = program(tmp_path).run("eval", "--resume", "results", "--fail-under", "0")
    shown = program(tmp_path).run("eval", "replay", "results", "mock-wrong")

    assert ended.code == 1
    assert ended.out.splitlines()[:2] == [
        "0 of 1 passed (0 %); results",
        "  still_failing: mock-wrong#0: exit 1",
    ]
    assert told.code == 0
    assert f"begun at commit {'0' * 40}, and here is " in told.err
    assert "I shall not." in shown.out


def test_what_was_settled_at_the_beginning_cannot_be_said_again(tmp_path: Path) -> None:
    given = [
        *(["--trials", "1"], ["--seed", "0"], ["--agent", "qcode"], ["--max-tokens", "9"]),
        *(["--time-factor", "1"], ["--clones", "x"], ["--api-key-env", "K"]),
    ]
    parser = argparse.ArgumentParser()
    eval.configure(parser)
    for words in given:
        args = parser.parse_args(["run", "--resume", "results", *words])

        with pytest.raises(UsageError, match=f"so {words[0]} cannot be said again"):
            evaluating.run(args)


@pytest.mark.parametrize(
    "words, slots, noted",
    [
        (["-j", "2"], 1, True),
        (["-j", "2"], 2, False),
        (["-j", "1"], 1, False),
        ([], 1, False),
    ],
)
def test_more_trials_at_once_than_a_server_has_slots_are_told(
    words: list[str], slots: int, noted: bool, tmp_path: Path
) -> None:
    one = {"id": "one", "suite": "own", "prompt": "Say it.", "check": {"cmd": "true"}}
    (tmp_path / "own.jsonl").write_text(json.dumps(one) + "\n")

    with ScriptedServer(then=text("said"), slots=slots) as server:
        ended = program(tmp_path).run(
            *("eval", "own.jsonl", "-m", "scripted", "--base-url", server.base_url, *words)
        )

    said = f"2 trials at once, and the server at 127.0.0.1:{server.port} has 1 slot: "
    assert ended.code == 0, ended.err
    assert (said in ended.err) == noted
    assert ("trials at once" in ended.err) == noted


def test_a_limit_of_cost_that_cannot_be_held_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    eval_who.mind_prices([
        Endpoint("free", "http://127.0.0.1:1/v1"),
        Endpoint("claude-sonnet-4-5", "https://api.example.com/v1"),
        Endpoint("by/name", ""),
        Endpoint("no-such-model", "https://api.example.com/v1"),
    ])  # fmt: skip

    said = capsys.readouterr().err
    assert said.startswith("qcode: the price of no-such-model is not known: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_ends_it_cleanly_and_it_goes_on(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    slow = {
        "id": "slow", "suite": "own", "prompt": "Wait.",
        "script": [{"calls": [{"tool": "shell", "cmd": "sleep 60"}]}], "check": {"cmd": "true"},
    }  # fmt: skip
    (tmp_path / "own.jsonl").write_text(json.dumps(slow) + "\n")
    process = program(tmp_path).start("eval", "own.jsonl", "-o", "results", start_new_session=True)
    journals = tmp_path / "results/work"
    until = time.monotonic() + 60
    while not list(journals.glob("*/home/.local/state/qcode/sessions/*.jsonl")):
        assert time.monotonic() < until
        time.sleep(0.05)

    process.send_signal(number)
    ended = program(tmp_path).end(process)

    assert ended.code == code
    assert ended.error == (
        "qcode: interrupted, 1 trial is left; `qcode eval --resume results` goes on"
    )
    assert not journals.exists()
    assert read(tmp_path / "results").trials == ()
    left = subprocess.run(["pgrep", "-s", str(process.pid)], capture_output=True)
    assert left.stdout == b""


@pytest.mark.parametrize(
    "words, said",
    [
        (["nope"], "there is no suite nope; there are: fresh, mock"),
        (["none.jsonl"], "none.jsonl"),
        ([], "eval needs a SUITE; there are: fresh, mock"),
        (["mock", "--only", "x*"], "no task fits x*; they are called mock-write"),
        (["mock", "--agent", "nobody"], "no agent is called `nobody`"),
        (["mock", "--agent", ","], "--agent names none; there are: qcode, oneshot"),
        (["mock", "--clones", "none"], "--clones: `none` is no folder"),
        (["bfcl:none", "-m", "x", "--base-url", "http://127.0.0.1:9/v1"], "there is no none"),
        (["mock", "--trials", "0"], "`0` is no number from 1 on"),
        (["--resume", "none"], "no results in `none`"),
        (["mock", "--again-errors"], "--again-errors goes with --resume DIR"),
        (["report", "none"], "none/results.jsonl"),
        (["compare", "none", "other"], "none/results.jsonl"),
        (["show", "nope", "mock"], "no task is called nope"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(words: list[str], said: str, tmp_path: Path) -> None:
    ended = program(tmp_path).run("eval", *words)

    assert ended.code == 2, ended.err
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert os.listdir(tmp_path) == []
