from __future__ import annotations

import json
from pathlib import Path

import pytest

from qcode.evals.toolcalls import Row, table
from qcode.evals.toolcalls_live import first_valid
from qcode.evals.toolcalls_record import WORKSPACE, Reply, load, prompts, request
from qcode.evals.toolcalls_score import Call, Fate, Scored, intention, score, structured_alone
from qcode.tools import default_tools

Json = dict[str, object]
TOOLS = {tool.name: tool for tool in default_tools()}


def reply(text: str = "", *pieces: dict[str, object]) -> Reply:
    deltas = ({"content": text}, {"tool_calls": list(pieces)} if pieces else {})
    return Reply("some-01", "do it", deltas, "stop")


def test_the_prompts_are_enough_and_name_offered_tools() -> None:
    found = prompts()

    assert len(found) >= 120
    assert len({prompt.id for prompt in found}) == len({prompt.text for prompt in found})
    assert len(found) == len({prompt.id for prompt in found})
    assert {name for prompt in found for name in prompt.tools} == TOOLS.keys()


def test_any_beginning_of_the_prompts_has_all_the_common_kinds() -> None:
    kinds = {prompt.id.partition("-")[0] for prompt in prompts()[:20]}

    assert {"read", "list", "glob", "grep", "write", "edit", "run"} <= kinds


def test_a_model_is_asked_what_qcode_asks_first() -> None:
    asked = request("read README.md", 400)

    assert [spec.name for spec in asked.tools] == list(TOOLS)
    assert asked.max_tokens == 400


@pytest.mark.parametrize(
    "text, form",
    [
        ('```json\n{"name": "read_file", "arguments": {"file_path": "a"}}\n```', "json"),
        ('Like so:\n{"name": "git_status", "arguments": {}}\nand then', "json"),
        ('{"name": "edit", "arguments": {"old_string": \'"1.2.0"\'', "json"),
        ('<tool_call>\n{"name": "glob"', "tag"),
        ("<function=glob>\n<parameter=pattern>", "tag"),
        ('list_directory {"path": "."}', "name and object"),
        ('read_file(file_path="a.py")', "python"),
        ('With read_file I look at it:\n```json\n{"file_path": "a.py"}\n```', "bare arguments"),
    ],
)
def test_a_damaged_or_misplaced_call_is_meant_all_the_same(text: str, form: str) -> None:
    assert intention(reply(text), TOOLS) == form


@pytest.mark.parametrize(
    "text",
    [
        "You can call the `read_file` function with the path `web/app.js`.",
        "Run this:\n```bash\npython -m unittest\n```",
        '{"name": "shelf-web", "version": "1.2.0"}',
        "def read_file(path):\n    return open(path).read()",
        "",
    ],
)
def test_prose_and_code_are_no_call(text: str) -> None:
    assert intention(reply(text), TOOLS) == ""


def test_structured_pieces_are_joined_and_text_is_left_alone() -> None:
    both = reply(
        '{"name": "glob", "arguments": {}}',
        {"index": 0, "function": {"name": "read_file", "arguments": '{"file_'}},
        {"index": 0, "function": {"arguments": 'path": "a"}'}},
    )

    assert structured_alone(both, TOOLS) == (Call("read_file", '{"file_path": "a"}'),)
    assert structured_alone(reply('{"name": "glob", "arguments": {}}'), TOOLS) == ()


@pytest.mark.parametrize(
    "call, fate",
    [
        (Call("read_file", '{"file_path": "README.md"}'), Fate.DONE),
        (Call("read_file", '{"file_path": "nowhere.md"}'), Fate.WORLD),
        (Call("list_directory", '{"path": "/"}'), Fate.WORLD),
        (Call("run_shell_command", '{"command": "exit 3"}'), Fate.WORLD),
        (Call("run_shell_command", '{"command": "git status --short"}'), Fate.DONE),
        (Call("edit", '{"file_path": "a", "old_string": "x"}'), Fate.INVALID),
        (Call("grep_search", '{"pattern": "("}'), Fate.MALFORMED),
        (Call("git_status", "{}"), Fate.UNKNOWN),
        (Call("read_file", "", error="truncated"), Fate.UNREADABLE),
    ],
)
def test_a_call_is_run_in_a_copy_of_the_workspace(call: Call, fate: Fate, tmp_path: Path) -> None:
    scored = score(reply("text"), lambda _reply, _tools: [call], tmp_path)

    assert scored.fate is fate, scored.detail
    assert list(tmp_path.iterdir()) == []


def test_what_a_call_writes_stays_out_of_the_workspace(tmp_path: Path) -> None:
    before = sorted(WORKSPACE.rglob("*"))
    call = Call("write_file", '{"file_path": "new.txt", "content": "x"}')

    assert score(reply(), lambda _reply, _tools: [call], tmp_path).fate is Fate.DONE
    assert sorted(WORKSPACE.rglob("*")) == before


def test_one_valid_call_among_several_is_enough(tmp_path: Path) -> None:
    calls = [Call("git_status", "{}"), Call("glob", '{"pattern": "*.md"}')]

    assert score(reply(), lambda _reply, _tools: calls, tmp_path).call == calls[1]


def test_a_recording_is_read_back(tmp_path: Path) -> None:
    line = {"id": "a-01", "prompt": "p", "deltas": [{"content": "x"}], "finish_reason": "stop"}
    file = tmp_path / "some.jsonl"
    file.write_text(json.dumps(line) + "\n", encoding="utf-8")

    assert load(file) == (Reply("a-01", "p", ({"content": "x"},), "stop"),)


def test_the_share_is_that_of_the_replies_that_mean_a_call() -> None:
    call = Call("read_file", "{}")
    scored = [
        Scored(reply(), "json", Fate.DONE, call),
        Scored(reply(), "json", Fate.MISSED),
        Scored(reply(), "", Fate.NO_CALL),
    ]

    assert "| some | new | 3 | 2 | 1 | 50.0 % |" in table([Row("some", "new", scored, {})])


def test_a_call_that_ran_after_an_answer_counts_in_the_end() -> None:
    missed = Scored(reply(), "json", Fate.UNKNOWN)

    assert "| 0.0 % | 0 | 1 | 100.0 % | 0 |" in table(
        [Row("some", "new", [missed], {"some-01": "read_file"})]
    )


def stream(name: str, arguments: dict[str, object], said: str, *, is_error: bool) -> list[Json]:
    call = {"type": "tool_use", "id": "c1", "name": name, "input": arguments}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": said, "is_error": is_error}
    return [
        {"type": "system", "subtype": "init"},
        {"type": "assistant", "message": {"content": [call]}},
        {"type": "user", "message": {"content": [result]}},
    ]


@pytest.mark.parametrize(
    "lines, tool",
    [
        (stream("read_file", {"file_path": "a"}, "a does not exist.", is_error=True), "read_file"),
        (stream("glob", {"pattern": ""}, "pattern is empty; give one", is_error=True), ""),
        (stream("read_it", {"file_path": "a"}, "There is no such tool", is_error=True), ""),
        (stream("read_file", {"_malformed": "{"}, "was not run", is_error=True), ""),
        (stream("read_file", {"file_path": "a"}, "text", is_error=False)[:2], ""),
    ],
)
def test_only_a_valid_call_that_got_its_answer_has_run(lines: list[Json], tool: str) -> None:
    assert first_valid(lines) == tool
