from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from thorough import IS_THOROUGH

from qcode.evals import bench
from qcode.evals.bench_peers import PEERS
from qcode.evals.bench_report import Column, Mark, marks, table, verdicts
from qcode.evals.bench_server import Arrival, ModelServer, Play

SHELL = {
    "type": "object",
    "properties": {"command": {"type": "string"}, "reason": {"type": "string"}},
    "required": ["command", "reason"],
}


def ask(server: ModelServer, path: str, **body: Any) -> Any:
    request = urllib.request.Request(server.origin + path, json.dumps(body).encode())
    with urllib.request.urlopen(request) as reply:
        return json.loads(reply.read())


def chat(*contents: str) -> dict[str, Any]:
    tool = {"type": "function", "function": {"name": "bash", "parameters": SHELL}}
    return {"tools": [tool], "messages": [{"role": "user", "content": c} for c in contents]}


@pytest.mark.slow
def test_a_tiny_run_measures_qcode_beside_bare_python(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"

    few = [
        "-n",
        "1",
        "--steps",
        "2",
        "--mb",
        "0.01",
        "--files",
        "30,60",
        "--tree",
        "90",
        "--kb",
        "2",
        "--stream-s",
        "2",
    ]
    # What moves a terminal and measures the sandbox takes as long as all the others.
    usual = ("startup", "first", "size", "session", "run", "decode", "edits", "checkpoints")
    wanted = bench.SECTIONS if IS_THOROUGH else usual
    only = ["--only", ",".join(wanted)]
    code = bench.main([*few, *only, "--peers", "none", "--json", str(file)])

    found = json.loads(file.read_text())
    printed = capsys.readouterr().out
    assert code == 0
    assert found["left_out"] == {}
    assert list(found["versions"]) == ["qcode"]
    assert set(found["sections"]) == set(wanted)
    assert list(found["sections"]["startup"]) == ["python", "qcode"]
    assert list(found["sections"]["first"]) == ["python", "floor", "qcode"]
    assert list(found["sections"]["session"]) == ["python", "floor", "qcode"]
    first, session = (found["sections"][name]["qcode"] for name in ("first", "session"))
    assert 0 < first["first_ms"][0] < first["wall_ms"][0]
    assert first["hidden"] == session["hidden"] == [0]
    assert len(session["step_ms"]) == 2
    assert session["raw_prefix"] == session["same_prefix"] == [2]
    assert min(found["sections"]["decode"]["prose"]["mb_s_1024"]) > 0
    assert list(found["sections"]["checkpoints"]) == ["30 files", "60 files"]
    assert found["sections"]["checkpoints"]["30 files"]["changed_growth"] == [1]
    assert min(found["sections"]["edits"]["5,000 lines"]["edit_ms"]) > 0
    if IS_THOROUGH:
        assert len(found["marks"]) == 33 + 2 * len(found["sections"]["sandbox"])
        assert found["sections"]["stream"]["2 s"]["clears"] == [0]
    for mark in found["marks"]:
        assert mark["name"] in printed


def test_the_model_calls_the_shell_and_then_answers() -> None:
    with ModelServer() as server:
        server.play = play = Play(1)
        called = ask(server, "/v1/chat/completions", **chat("count"))
        ended = ask(server, "/v1/chat/completions", **chat("count", "step-1"))
        title = ask(server, "/v1/chat/completions", messages=[])

    call = called["choices"][0]["message"]["tool_calls"][0]["function"]
    assert call["name"] == "bash"
    assert json.loads(call["arguments"]) == {"command": "echo step-1", "reason": "step"}
    assert ended["choices"][0]["message"]["content"] == "All done."
    assert title["choices"][0]["message"]["content"] == "A title"
    assert [a.hidden for a in play.arrivals] == [False, False, True]
    assert (play.main[1].raw_prefix, play.main[1].same_prefix) == (True, True)
    assert play.main[1].output_seen


def second(play: Play, server: ModelServer, *contents: str) -> Arrival:
    server.play = play
    ask(server, "/v1/chat/completions", **chat("count"))
    ask(server, "/v1/chat/completions", **chat(*contents))
    return play.main[1]


def test_a_history_written_anew_is_noticed() -> None:
    with ModelServer() as server:
        arrival = second(Play(1), server, "Count", "step-1")

    assert (arrival.raw_prefix, arrival.same_prefix) == (False, False)


def test_output_that_does_not_come_back_is_noticed() -> None:
    with ModelServer() as server:
        assert not second(Play(1), server, "count", "nothing").output_seen


@pytest.mark.parametrize(
    "path, body, where",
    [
        (
            "/v1/responses",
            {"tools": [{"type": "function", "name": "shell", "parameters": SHELL}]},
            ("output", 0, "name"),
        ),
        (
            "/v1/responses",
            {"tools": [{"name": "os", "tools": [{"name": "shell", "parameters": SHELL}]}]},
            ("output", 0, "name"),
        ),
        (
            "/v1/messages",
            {"tools": [{"name": "Bash", "input_schema": SHELL}]},
            ("content", 0, "name"),
        ),
        (
            "/v1beta/models/m:generateContent",
            {"tools": [{"functionDeclarations": [{"name": "shell", "parameters": SHELL}]}]},
            ("candidates", 0, "content", "parts", 0, "functionCall", "name"),
        ),
    ],
)
def test_every_wire_can_call_the_shell(
    path: str, body: dict[str, Any], where: tuple[str | int, ...]
) -> None:
    with ModelServer() as server:
        server.play = play = Play(1)
        reply = ask(server, path, **body)

    for key in where:
        reply = reply[key]
    assert reply in ("shell", "Bash")
    assert play.problem == ""


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
def test_a_stream_is_server_sent_events(path: str) -> None:
    with ModelServer() as server:
        body = json.dumps({"stream": True, "tools": [{"name": "bash"}]}).encode()
        request = urllib.request.Request(server.origin + path, body)
        with urllib.request.urlopen(request) as reply:
            kind, text = reply.headers["Content-Type"], reply.read().decode()

    lines = [line for line in text.split("\n") if line]
    assert kind == "text/event-stream"
    assert all(line.startswith(("event: ", "data: ")) for line in lines)


def test_adapters_name_nothing_unknown(tmp_path: Path) -> None:
    for name, adapter in PEERS.items():
        subject = bench.Subject(name, (name,), adapter, tmp_path, tmp_path, "http://127.0.0.1:1")
        for text in (*adapter.run, *adapter.files.values()):
            assert "$" not in subject.filled(text, "go")
        assert subject.environment["HOME"] == str(tmp_path)
        assert any("127.0.0.1:1" in subject.filled(t) for t in
                   (*adapter.environment.values(), *adapter.files.values()))  # fmt: skip


def test_ratios_are_to_bare_python() -> None:
    section = {"python": {"wall_ms": [10.0, 20.0, 90.0]}, "qcode": {"wall_ms": [50.0]}}

    lines = table(section, [Column("ms", "wall_ms"), Column("×", "wall_ms", 1, ratio=True)])

    assert [line.split() for line in lines.splitlines()[2:]] == [
        ["|", "python", "|", "20", "|", "1.0", "|"],
        ["|", "qcode", "|", "50", "|", "2.5", "|"],
    ]


def test_a_missed_mark_is_shown() -> None:
    shown = verdicts([Mark("size", 1200, 1100, "tokens"), Mark("calls", 0, 0)])

    assert shown.splitlines() == [
        "MISSED  size   1,200 of 1,100 tokens",
        "met     calls  0 of 0",
    ]


def test_being_soonest_is_judged_by_the_soonest_peer() -> None:
    own = {"first_ms": [9.0], "cpu_ms": [1.0], "exit_ms": [1.0], "hidden": [0.0]}
    first = {"qcode": own, "slow": {"first_ms": [20.0]}, "quick": {"first_ms": [8.0]}}

    found = marks({"first": first}, 50, ["slow", "quick", "absent"])

    assert Mark("first request", 9.0, 8.0, "ms", "quick") in found
