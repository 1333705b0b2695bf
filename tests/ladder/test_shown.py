"""What a stronger model is shown of files, and what the session's model may do with them after."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from held import held, said

USAGE = {"prompt_tokens": 10, "completion_tokens": 1}


def edit(path: str, old: str, new: str) -> scripted.Stream:
    call = {"file_path": path, "old_string": old, "new_string": new}
    return scripted.calls(("edit", call), usage=USAGE)


def write(path: str, content: str) -> scripted.Stream:
    return scripted.calls(("write_file", {"file_path": path, "content": content}), usage=USAGE)


def lived(folder: Path, weak: list[scripted.Stream], strong: scripted.Stream) -> tuple[str, str]:
    """Hold a turn; return what the stronger model was told, and the last the weak one was."""
    answers = iter(weak)

    def answer(seen: scripted.Seen) -> scripted.Reply:
        if seen.json["model"] == "strong":
            return strong
        return next(answers, scripted.text("done", usage=USAGE))

    with (
        scripted.ScriptedServer(answer, models=("weak", "strong")) as server,
        asyncio.Runner() as runner,
        held(
            folder, base_url=server.base_url, runner=runner, model="weak", stronger_model="strong"
        ) as session,
    ):
        runner.run(said(session, "mend it"))
        by = {seen.json["model"]: seen.json["messages"] for seen in server.requests}
    return json.dumps(by.get("strong", "")), json.dumps(by["weak"])


def vain(path: str, times: int = 3) -> list[scripted.Stream]:
    return [edit(path, f"nothing like {n}", "x") for n in range(times)]


def test_what_the_stronger_one_saw_the_other_one_did_not(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one = 1\n")
    told, last = lived(
        tmp_path,
        [*vain("a.py"), write("a.py", "two = 2\n")],
        scripted.text("write it anew", usage=USAGE),
    )
    assert "one = 1" in told
    assert (tmp_path / "a.py").read_text() == "one = 1\n", last


def test_what_it_changed_is_changed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one = 1\n")
    told, _ = lived(tmp_path, vain("a.py"), edit("a.py", "one = 1", "one = 2"))
    assert "one = 1" in told
    assert (tmp_path / "a.py").read_text() == "one = 2\n"


def test_a_secret_is_not_shown_so_that_its_mask_is_not_written_over_it(tmp_path: Path) -> None:
    secret = f'API_KEY = "sk-{"a1B2" * 12}"\none = 1\n'
    (tmp_path / "a.py").write_text(secret)
    told, _ = lived(
        tmp_path,
        [scripted.calls(("read_file", {"file_path": "a.py"}), usage=USAGE), *vain("a.py")],
        scripted.text("leave it", usage=USAGE),
    )
    assert "a1B2a1B2" not in told
    assert "(none was touched)" in told
    assert (tmp_path / "a.py").read_text() == secret


@pytest.mark.parametrize("rule", ["ask", "deny"])
def test_what_a_rule_keeps_back_is_not_shown(tmp_path: Path, rule: str) -> None:
    (tmp_path / "a.py").write_text("one = 1\n")
    weak = iter(vain("a.py", 5))
    settings: dict[str, Any] = {"model": "weak", "stronger_model": "strong"}
    settings[rule] = ("read(a.py)",)

    def answer(seen: scripted.Seen) -> scripted.Reply:
        if seen.json["model"] == "strong":
            return scripted.text("leave it", usage=USAGE)
        return next(weak, scripted.text("done", usage=USAGE))

    with (
        scripted.ScriptedServer(answer, models=("weak", "strong")) as server,
        asyncio.Runner() as runner,
        held(tmp_path, base_url=server.base_url, runner=runner, **settings) as session,
    ):
        runner.run(said(session, "mend it"))
        [told] = [seen.raw.decode() for seen in server.requests if seen.json["model"] == "strong"]
    assert "one = 1" not in told
