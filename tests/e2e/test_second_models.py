"""Models besides the session's, each at a server of its own: who is asked, with which key.

Every request that any server gets is held against the one key that is meant for it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import schemas
import scripted_server as scripted
from second_world import COST, FALLBACK, RIGHT, STRONGER, USAGE, check_history, said, stuck, world


@pytest.mark.parametrize(
    "first, broken_off",
    [
        (scripted.fault(503), False),
        (scripted.fault(429, retry_after=3600), False),
        (scripted.cut(scripted.text("half of an answer that breaks off", usage=USAGE)), True),
    ],
    ids=["overloaded", "limited", "cut"],
)
def test_another_model_answers_with_its_own_key_and_price(
    tmp_path: Path, first: scripted.Reply, broken_off: bool
) -> None:
    with world(tmp_path, lambda _seen: first, [said("from the other")]) as at:
        ended = at.run("hello", config=FALLBACK, json_lines=True)
        lines = ended.lines()
        costs = at.costs("--by", "model")
        at.check_keys()

    assert ended.code == 0, ended.err
    [answer] = [line["message"] for line in lines if line["type"] == "assistant"]
    assert (answer["model"], answer["content"][0]["text"]) == ("other", "from the other")
    result = lines[-1]
    by_model = {row["key"]: row for row in costs["rows"]}
    # What broke off was written and is paid for: about how much is estimated, once for each try.
    broken = by_model.pop("first", None)
    tries = len(at.first.requests) if broken_off else 0
    if broken is not None:
        assert broken["estimated_requests"] == broken["requests"] == tries
        assert broken["cost_usd"] > 0
    assert (broken is not None) == broken_off
    spent = broken["cost_usd"] if broken else 0.0
    assert result["total_cost_usd"] == pytest.approx(COST["other"] + spent)
    usage = result["modelUsage"]
    assert usage.pop("first", {"requests": 0})["requests"] == tries
    assert usage == {
        "other": {
            "inputTokens": 1000,
            "outputTokens": 20,
            "cacheReadInputTokens": 0,
            "cacheCreationInputTokens": 0,
            "costUSD": pytest.approx(COST["other"]),
            "requests": 1,
        }
    }
    assert schemas.faults("stream", result) == []
    assert [(row["key"], row["cost_usd"]) for row in by_model.values()] == [
        ("other", pytest.approx(COST["other"]))
    ]


def test_nobody_else_is_asked_where_nobody_else_is_named(tmp_path: Path) -> None:
    with world(tmp_path, lambda _seen: scripted.fault(503), []) as at:
        at.program()
        ended = at.run("--max-time", "20", "hello")
        assert not at.other.requests
        assert not at.other.others
    assert ended.code in (3, 4)


def test_no_key_is_sent_where_none_is_named(tmp_path: Path) -> None:
    with world(tmp_path, lambda _seen: scripted.fault(503), [said("hi")], has_key=False) as at:
        ended = at.run("hello", config=FALLBACK)
        at.check_keys()
    assert ended.code == 0, ended.err


def test_a_fallback_that_cannot_be_asked_is_no_reason_to_forget_the_first_one(
    tmp_path: Path,
) -> None:
    with world(tmp_path, lambda _seen: scripted.fault(503, "too many people"), []) as at:
        ended = at.run("hello", config=FALLBACK, OTHER_KEY="")
    assert ended.code == 3
    assert "too many people" in ended.error
    assert "OTHER_KEY" in ended.error
    assert "Traceback" not in ended.err


def test_a_fallback_that_takes_no_key_leaves_the_first_one_to_be_asked_again(
    tmp_path: Path,
) -> None:
    script = [scripted.fault(503)] * 3 + [said("first again")]
    refused = scripted.fault(401, "Incorrect API key provided")
    with world(tmp_path, script, lambda _seen: refused) as at:
        at.config.write_text(FALLBACK)
        lines = "".join(
            json.dumps({"type": "user", "message": {"role": "user", "content": text}}) + "\n"
            for text in ("one", "two")
        )
        ended = at.program().run(
            "run", "-y", "--input-format", "stream-json", "-o", "stream-json", stdin=lines.encode()
        )
    results = [line for line in ended.lines() if line["type"] == "result"]
    assert [result["exit_code"] for result in results] == [3, 0], ended.err
    assert results[1]["result"] == "first again"


def test_a_stronger_model_takes_a_step_at_its_own_server(tmp_path: Path) -> None:
    with world(tmp_path, stuck, [RIGHT]) as at:
        ended = at.run("mend calc.py", config=STRONGER, json_lines=True)
        at.check_keys()
        costs = at.costs("--by", "model", "--continue")
        causes = at.costs("--by", "cause", "--continue")
        exported = at.program().run("sessions", "show", ended.lines()[-1]["session_id"])
        html = at.program().run(
            "sessions", "export", ended.lines()[-1]["session_id"], "--format", "md", "-o", "x.md"
        )
        assert html.code == 0, html.err

    assert ended.code == 0, ended.err
    assert (at.folder / "calc.py").read_text().endswith("return a + b\n")
    lines = ended.lines()
    answers = [line["message"] for line in lines if line["type"] == "assistant"]
    by = [answer["model"] for answer in answers]
    assert by.count("other") == 1
    assert set(by) == {"first", "other"}
    usage = lines[-1]["modelUsage"]
    assert usage["other"]["requests"] == 1
    assert sum(each["costUSD"] for each in usage.values()) == pytest.approx(
        lines[-1]["total_cost_usd"]
    )
    assert costs["total"]["cost_usd"] == pytest.approx(lines[-1]["total_cost_usd"])
    assert {row["key"]: row["requests"] for row in costs["rows"]} == {
        name: each["requests"] for name, each in usage.items()
    }
    assert sum(row["cost_usd"] for row in causes["rows"]) == pytest.approx(
        causes["total"]["cost_usd"]
    )
    assert [row["requests"] for row in [causes["total"]]] == [len(by)]
    assert exported.code == 0
    written = (at.folder / "x.md").read_text()
    assert "other" in written


def test_what_it_is_told_of_is_not_what_was_denied(tmp_path: Path) -> None:
    def weak(seen: scripted.Seen) -> scripted.Reply:
        messages = seen.json["messages"]
        if "from the stronger" in json.dumps(messages):
            return said("done")
        number = sum(m["role"] == "assistant" for m in messages)
        if number == 0:
            return scripted.calls(
                ("read_file", {"file_path": "private.txt"}),
                ("read_file", {"file_path": "calc.py"}),
                usage=USAGE,
            )
        call = ("edit", {"file_path": "private.txt", "old_string": "hush", "new_string": "x"})
        return scripted.calls(call, usage=USAGE)

    with world(tmp_path, weak, [said("from the stronger: let it be")]) as at:
        (at.folder / "private.txt").write_text("do not tell anybody\n")
        ended = at.run("--deny", "read(private.txt)", "look at private.txt", config=STRONGER)
        [asked] = at.other.requests
        at.check_keys()
    assert ended.code == 0, ended.err
    assert "do not tell anybody" not in asked.raw.decode()


@pytest.mark.parametrize("mode", ["plan", "default"])
def test_where_nothing_may_be_changed_it_advises(tmp_path: Path, mode: str) -> None:
    def weak(seen: scripted.Seen) -> scripted.Reply:
        check_history(seen.json)
        messages = seen.json["messages"]
        if "Look into" in json.dumps(messages):
            return said("so I will")
        return scripted.calls(("read_file", {"file_path": "gone.py"}), usage=USAGE)

    with world(tmp_path, weak, [said("Look into calc.py.")]) as at:
        at.config.write_text(STRONGER)
        ended = at.program().run("run", "--approval-mode", mode, "-o", "json", "what is wrong?")
        [asked] = at.other.requests
    assert ended.code == 0, ended.err
    assert not asked.json.get("tools")
    assert ended.json()["result"] == "so I will"
    assert ended.json()["permission_denials"] == []


def test_what_it_may_cost_holds_over_runs_of_the_session(tmp_path: Path) -> None:
    vain = scripted.calls(
        ("edit", {"file_path": "calc.py", "old_string": "not there", "new_string": "x"}),
        usage=USAGE,
    )
    with world(tmp_path, stuck, lambda _seen: vain) as at:
        config = STRONGER + "stronger_cost = 0.02\n"  # a step costs 0.012
        first = at.run("--max-steps", "30", "mend calc.py", config=config)
        after_first = len(at.other.requests)
        second = at.run("--max-steps", "30", "--continue", "mend it", config=config)
        spent = second.json()["modelUsage"]
        after_second = len(at.other.requests)
    assert first.code != 0
    assert after_first == 2
    assert after_second == after_first
    assert "other" not in spent
    assert "other is not asked: it cost $0.02 of the $0.02" in second.err


def test_a_stronger_model_that_is_down_ends_nothing_else(tmp_path: Path) -> None:
    def misread(seen: scripted.Seen) -> scripted.Reply:
        check_history(seen.json)
        return scripted.text("I will now look at the files.", usage=USAGE)

    down = scripted.fault(401, "Incorrect API key provided")
    with world(tmp_path, misread, lambda _seen: down) as at:
        ended = at.run("mend calc.py", config=STRONGER)
        roles = [[m["role"] for m in seen.json["messages"]][-1] for seen in at.first.requests]
    assert ended.code == 1, ended.err
    assert "Traceback" not in ended.err
    assert "only says what it would do" in ended.error
    assert set(roles) == {"user"}


def test_after_an_answer_in_words_its_calls_stand_behind_a_message(tmp_path: Path) -> None:
    def words(seen: scripted.Seen) -> scripted.Reply:
        check_history(seen.json)
        if "return a + b" in seen.raw.decode():
            return said("done")
        return scripted.text("I will now look at the files.", usage=USAGE)

    with world(tmp_path, words, [RIGHT]) as at:
        ended = at.run("mend calc.py", config=STRONGER)
    assert ended.code in (0, 1), ended.err
    assert "Traceback" not in ended.err
    assert len(at.first.requests) > 2
