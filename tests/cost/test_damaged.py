"""`qcode cost` over journals that are broken, foreign, or say what cannot be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from program import Program

GOOD = {"type": "usage", "input": 1000, "output": 20, "cached": 400, "cost_usd": 0.25,
        "at": "2026-11-27T23:30:00Z"}  # fmt: skip


def journal(name: str, *records: Any, header: Any = None) -> Path:
    folder = Path(os.environ["XDG_STATE_HOME"]) / "qcode" / "sessions"
    folder.mkdir(parents=True, exist_ok=True)
    head = header or {"type": "session", "version": 1, "id": name, "cwd": "/work", "model": "m"}
    lines = [each if isinstance(each, bytes) else json.dumps(each, separators=(",", ":")).encode()
             for each in (head, *records)]  # fmt: skip
    path = folder / f"{name}.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def costs(folder: Path, *args: str, **environ: str) -> Any:
    ended = Program(folder, environ=environ).run("cost", "--since", "2026-01-01", "--json", *args)
    assert ended.code == 0, ended.err
    return json.loads(ended.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


WRONG: list[Any] = [
    {"type": "usage", "input": True, "output": -5, "cached": "many", "cost_usd": None},
    b'{"type":"usage","input":NaN,"output":Infinity,"cost_usd":NaN,"seconds":-Infinity}',
    b'{"type":"usage","input":' + b"9" * 400 + b',"cost_usd":' + b"9" * 400 + b"}",
    b'{"type":"usage","input":' + b"9" * 5000 + b"}",
    {"type": "usage", "model": ["x"], "purpose": {"a": 1}, "at": 7},
    b'{"type":"usage","input":1',
    b"\xff\xfe\x00",
    b"[" * 100_000,
    {"type": "usage", "cost_usd": True, "at": "yesterday"},
]


def test_what_cannot_be_counts_as_nothing(tmp_path: Path) -> None:
    journal("20261127-000000-aaaaaaa", *WRONG, {**GOOD}, *WRONG)
    total = costs(tmp_path)["total"]
    assert (total["cost_usd"], total["new_tokens"], total["cached_tokens"]) == (0.25, 600, 400)
    text = Program(tmp_path).run("cost", "--since", "2026-01-01", "--by", "step")
    assert text.code == 0, text.err
    assert "nan" not in text.out
    for kind in ("cause", "turn", "step", "model", "purpose", "project", "session"):
        alone = Program(tmp_path).run("cost", "20261127-000000-aaaaaaa", "--by", kind)
        assert alone.code == 0, alone.err
        assert "Traceback" not in alone.err


@pytest.mark.parametrize(
    "header",
    [b"", b"{}", b"[]", b"no json", {"type": "session", "cwd": 5, "id": None, "model": []},
     {"type": "other", "id": "x"}],
)  # fmt: skip
def test_files_that_are_no_journals_are_passed_over(tmp_path: Path, header: Any) -> None:
    journal("20261127-000000-aaaaaaa", GOOD)
    foreign = journal("20261127-000001-bbbbbbb", b"{}", header=header or b" ")
    (foreign.parent / "20261127-000002-ccccccc.jsonl").mkdir()
    (foreign.parent / "20261127-000003-ddddddd.jsonl").symlink_to("nowhere")
    os.mkfifo(foreign.parent / "20261127-000004-eeeeeee.jsonl")
    assert costs(tmp_path)["total"]["cost_usd"] == 0.25


@pytest.mark.parametrize("zone, day", [("UTC", "2026-11-27"), ("Asia/Tokyo", "2026-11-28")])
def test_days_are_the_persons(tmp_path: Path, zone: str, day: str) -> None:
    journal("20261127-000000-aaaaaaa", GOOD)
    assert [row["key"] for row in costs(tmp_path, TZ=zone)["rows"]] == [day]


def test_days_stand_in_order_also_of_a_session_that_was_gone_on_with(tmp_path: Path) -> None:
    late = {**GOOD, "at": "2026-11-28T09:00:00Z"}
    journal("20261120-000000-aaaaaaa", {**GOOD, "at": "2026-11-20T09:00:00Z"}, late)
    journal("20261125-000000-bbbbbbb", {**GOOD, "at": "2026-11-25T09:00:00Z"})
    days = [row["key"] for row in costs(tmp_path)["rows"]]
    assert days == ["2026-11-20", "2026-11-25", "2026-11-28"]


def test_causes_add_up_to_what_was_charged_also_by_models_without_a_price(tmp_path: Path) -> None:
    said = {"type": "message", "at": "2026-11-27T23:29:00Z", "role": "user", "text": "x" * 4000}
    answer = {"type": "message", "at": "2026-11-27T23:29:30Z", "role": "assistant", "text": "yes"}
    journal("20261127-000000-aaaaaaa", said, answer, GOOD,
            {**said, "nudge": True}, answer, {**GOOD, "model": "claude-opus-4.6"},
            {**GOOD, "purpose": "stronger step", "model": "gpt-5.2"})  # fmt: skip
    found = costs(tmp_path, "20261127-000000-aaaaaaa", "--by", "cause")
    assert sum(row["cost_usd"] for row in found["rows"]) == pytest.approx(0.75)
    assert found["total"]["cost_usd"] == pytest.approx(0.75)
    assert "stronger step" in [row["key"] for row in found["rows"]]
