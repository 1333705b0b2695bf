"""Models for planning, summing up, seeing and agents; and a session that is killed meanwhile."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from second_world import (
    COST,
    FALLBACK,
    PIXEL,
    RIGHT,
    STRONGER,
    USAGE,
    check_history,
    said,
    stuck,
    world,
)
from terminal import Screened


def test_another_model_plans_and_the_first_one_does(tmp_path: Path) -> None:
    with world(tmp_path, [said("did it")], [said("the plan")]) as at:
        at.config.write_text('plan_model = "other"\n')
        program = at.program()
        plan = program.run("run", "--approval-mode", "plan", "-o", "stream-json", "plan it")
        done = program.run("run", "-y", "--continue", "-o", "stream-json", "do it")
        at.check_keys()
        costs = at.costs("--by", "model", "--continue")
        [asked] = at.first.requests

    assert (plan.code, done.code) == (0, 0), plan.err + done.err
    check_history(asked.json)
    models = [[line["message"]["model"] for line in each.lines() if line["type"] == "assistant"]
              for each in (plan, done)]  # fmt: skip
    assert models == [["other"], ["first"]]
    used = [each.lines()[-1]["modelUsage"] for each in (plan, done)]
    assert [list(each) for each in used] == [["other"], ["first"]]
    assert {row["key"]: row["cost_usd"] for row in costs["rows"]} == {
        name: pytest.approx(COST[name]) for name in ("other", "first")
    }


def test_a_fallback_of_the_planning_model_is_named_beside_the_sessions(tmp_path: Path) -> None:
    config = 'plan_model = "other"\nfallback_models = ["spare"]\n'
    with world(
        tmp_path, [said("the spare's plan")], lambda _seen: scripted.fault(503),
        models=("first", "spare"),
    ) as at:  # fmt: skip
        at.config.write_text(config)
        ended = at.program().run("run", "--approval-mode", "plan", "-o", "json", "plan it")
        at.check_keys()
        [asked] = at.first.requests
    assert ended.code == 0, ended.err
    assert asked.json["model"] == "spare"
    assert list(ended.json()["modelUsage"]) == ["spare"]


def test_another_model_sums_up(tmp_path: Path) -> None:
    def reads(seen: scripted.Seen) -> scripted.Reply:
        check_history(seen.json)
        tokens = len(seen.raw) // 3
        usage = {"prompt_tokens": tokens, "completion_tokens": 20}
        done = seen.raw.decode().count("part")
        number = reads.step  # type: ignore[attr-defined]
        reads.step += 1  # type: ignore[attr-defined]
        if number == 12:
            return scripted.text("all read", usage=usage)
        assert done
        return scripted.calls(("read_file", {"file_path": f"part{number}.py"}), usage=usage)

    reads.step = 0  # type: ignore[attr-defined]
    summary = said("They are all alike.")
    with world(tmp_path, reads, lambda _seen: summary) as at:
        for number in range(12):
            lines = "".join(f"value_{n} = {n}\n" for n in range(400))
            (at.folder / f"part{number}.py").write_text(lines)
        config = 'compact_model = "other"\ncompaction_summary = true\ncontext_window = 8192\n'
        ended = at.run("read each part", config=config)
        at.check_keys()
        purposes = at.costs("--by", "purpose", "--continue")["rows"]
        assert at.other.requests
        for seen in at.other.requests:
            check_history(seen.json)
    assert ended.code == 0, ended.err
    result = ended.json()
    summed = {row["key"]: row for row in purposes}["summary"]
    assert summed["model"] == "other"
    assert summed["requests"] == result["modelUsage"]["other"]["requests"] == len(at.other.requests)
    costs = sum(each["costUSD"] for each in result["modelUsage"].values())
    assert costs == pytest.approx(result["total_cost_usd"])
    assert "They are all alike." in at.first.requests[-1].raw.decode()


def pictures(body: Any) -> int:
    return json.dumps(body["messages"]).count("data:image/png")


def test_another_model_puts_a_picture_into_words(tmp_path: Path) -> None:
    with world(tmp_path, [said("a dot, then")], [said("one dark dot")]) as at:
        (at.folder / "shot.png").write_bytes(PIXEL)
        ended = at.run("what is on @shot.png", config='vision_model = "other"\n')
        at.check_keys()
        [seen], [asked] = at.other.requests, at.first.requests
    assert ended.code == 0, ended.err
    assert (pictures(seen.json), pictures(asked.json)) == (1, 0)
    assert "one dark dot" in asked.raw.decode()
    assert ended.json()["total_cost_usd"] == pytest.approx(COST["first"] + COST["other"])


def test_a_picture_that_nobody_can_put_into_words_is_no_task(tmp_path: Path) -> None:
    refused = scripted.fault(401, "Incorrect API key provided")
    with world(tmp_path, [], lambda _seen: refused) as at:
        (at.folder / "shot.png").write_bytes(PIXEL)
        ended = at.run("what is on @shot.png", config='vision_model = "other"\n')
        assert not at.first.requests
    assert ended.code == 3
    assert "OTHER_KEY" in ended.error


def test_an_agent_of_another_model_counts_as_that_model(tmp_path: Path) -> None:
    def first(seen: scripted.Seen) -> scripted.Reply:
        if seen.json["messages"][-1]["role"] == "tool":
            return said("it is so")
        call = {"description": "look", "prompt": "look into it", "subagent_type": "looker"}
        return scripted.calls(("agent", call), usage=USAGE)

    with world(tmp_path, first, [said("nothing there")]) as at:
        agents = at.config.parent / "agents"
        agents.mkdir()
        (agents / "looker.md").write_text(
            "---\nname: looker\ndescription: looks\nmodel: other\n---\nYou look.\n"
        )
        ended = at.run("have it looked into")
        at.check_keys()
        costs = at.costs("--by", "model", "--continue")
    assert ended.code == 0, ended.err
    result = ended.json()
    assert {name: each["requests"] for name, each in result["modelUsage"].items()} == {
        "first": 2,
        "other": 1,
    }
    assert result["total_cost_usd"] == pytest.approx(2 * COST["first"] + COST["other"])
    assert costs["total"]["cost_usd"] == pytest.approx(result["total_cost_usd"])


def test_attempts_have_the_usage_of_all(tmp_path: Path) -> None:
    with world(tmp_path, lambda _seen: scripted.fault(503), right_or_done) as at:
        ended = at.run(
            "--attempts", "2", "--at-once", "1", "--verify", "grep -q 'a + b' calc.py", "mend it",
            config=FALLBACK,
        )  # fmt: skip
        at.check_keys()
        count = len(at.other.requests)
    assert ended.code == 0, ended.err
    usage = ended.json()["modelUsage"]
    assert list(usage) == ["other"]
    assert usage["other"]["requests"] == count
    assert usage["other"]["costUSD"] == pytest.approx(ended.json()["total_cost_usd"])


def right_or_done(seen: scripted.Seen) -> scripted.Reply:
    messages = seen.json["messages"]
    if messages[-1]["role"] == "tool":
        return said("done") if "return a + b" in json.dumps(messages) else RIGHT
    return scripted.calls(("read_file", {"file_path": "calc.py"}), usage=USAGE)


@pytest.mark.parametrize("config, script", [(STRONGER, stuck), (FALLBACK, None)])
def test_a_session_killed_while_another_model_answers_goes_on(
    tmp_path: Path, config: str, script: Any
) -> None:
    down = scripted.fault(503)
    first = script or (lambda _seen: down)
    answers = [scripted.stall(RIGHT, after=2), RIGHT, said("done"), said("done")]
    with world(tmp_path, first, answers) as at:
        at.config.write_text(config)
        running = at.program().start("run", "-y", "mend calc.py")
        at.other.wait_for(1, timeout=30)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        ended = at.run("--continue", "go on", config=config)
        at.check_keys()
        for seen in at.other.requests[1:]:
            check_history(seen.json)
    assert ended.code in (0, 1), ended.err
    assert "Traceback" not in ended.err


def test_the_status_line_has_the_cost_of_all_and_the_room_of_the_first(tmp_path: Path) -> None:
    with world(tmp_path, stuck, [RIGHT]) as at:
        at.config.write_text(STRONGER + "context_window = 10000\n")
        program = at.program()
        with Screened(at.folder, "--approval-mode", "yolo", around=program.environment()) as screen:
            screen.ready()
            screen.say("mend calc.py")
            screen.expect("takes this step")
            screen.expect("done")
            firsts = len(at.first.requests)
            whole = firsts * COST["first"] + COST["other"]
            screen.shows(f"${whole:.4f}")
            screen.say("/cost")
            screen.expect("answered by")
