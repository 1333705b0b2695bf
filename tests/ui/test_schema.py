from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from program import Program
from schemas import faults

from qcode.errors import UsageError
from qcode.messages import AssistantMessage, ToolCall, Usage
from qcode.ui import wire
from qcode.ui.schema import NAMES, schema_text

LOOK = scripted.calls(("list_directory", {"path": "."}), content="Hm.", reasoning="Well.")
EDIT = scripted.call("write_file", file_path="a.txt", content="two\n")

RUNS: dict[str, tuple[list[scripted.Reply], list[str]]] = {
    "success": ([LOOK, EDIT, scripted.text("Done.")], []),
    "error_max_turns": ([LOOK, LOOK], ["--max-steps", "1"]),
    "error_budget": ([LOOK, LOOK], ["--max-tokens", "1500"]),
    "error_during_execution": ([scripted.fault(401, "bad key")], []),
    "error_verification": ([scripted.text("Done.")] * 9, ["--verify", "false"]),
}


@pytest.mark.parametrize("subtype", RUNS)
def test_what_a_run_prints_fits_the_schema(subtype: str, tmp_path: Path) -> None:
    script, options = RUNS[subtype]
    with scripted.ScriptedServer(script) as server:
        program = Program(tmp_path, server.base_url)
        ended = program.run("run", "-o", "stream-json", "--sandbox", "off", *options, "go")

    lines = ended.lines()
    assert [fault for line in lines for fault in faults("stream", line)] == []
    assert lines[0]["subtype"] == "init"
    assert lines[-1]["subtype"] == subtype
    assert lines[-1]["exit_code"] == ended.code


def test_every_schema_is_one() -> None:
    for name in NAMES:
        assert faults(name, []) != []
    with pytest.raises(UsageError, match="there are: stream, report"):
        schema_text("steam")


def without(value: dict[str, Any], *path: str) -> dict[str, Any]:
    name, *rest = path
    left = {key: each for key, each in value.items() if key != name}
    return left | {name: without(value[name], *rest)} if rest else left


ANSWER = wire.assistant(
    "s", "m", AssistantMessage("Hi.", "Hm.", (ToolCall("1", "glob", "{}"),)), Usage()
)


@pytest.mark.parametrize(
    "path",
    [("uuid",), ("session_id",), ("parent_tool_use_id",), ("message", "id"), ("message", "usage")],
)
def test_what_is_required_is_missed(path: tuple[str, ...]) -> None:
    assert faults("stream", ANSWER) == []
    assert faults("stream", ANSWER | {"more": 1}) == []
    assert faults("stream", without(ANSWER, *path)) != []


@pytest.mark.parametrize(
    "message",
    [
        wire.control_answer("1", {}),
        wire.control_refusal("1", "no"),
        wire.input_error("s", 3, "no JSON"),
        {"type": "of another day"},
        {"type": "system", "subtype": "of another day"},
    ],
)
def test_other_messages_fit_too(message: dict[str, Any]) -> None:
    assert faults("stream", message) == []
