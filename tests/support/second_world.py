"""A project with a first model and another one, each at a scripted server of its own."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import scripted_server as scripted
from program import Ended, Program, repository

KEYS = {"QCODE_API_KEY": "first-key-0123456789", "OPENAI_API_KEY": "openai-key-0123456789"}
OTHER_KEY = "other-key-0123456789"
USAGE = {"prompt_tokens": 1000, "completion_tokens": 20}
PRICES = {"first": (1.0, 2.0), "other": (10.0, 100.0)}
COST = {name: (1000 * read + 20 * written) / 1e6 for name, (read, written) in PRICES.items()}
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class World:
    """A project, a first model's server and another one's; `models.toml` says of both."""

    def __init__(self, folder: Path, first: scripted.ScriptedServer, other: scripted.ScriptedServer,
                 *, has_key: bool = True) -> None:  # fmt: skip
        self.folder, self.first, self.other, self.has_key = folder, first, other, has_key
        config = Path(os.environ["XDG_CONFIG_HOME"]) / "qcode"
        config.mkdir(parents=True, exist_ok=True)
        self.config = config / "config.toml"
        key = 'api_key_env = "OTHER_KEY"\n' if has_key else ""
        tables = [f'[other]\nbase_url = "{other.base_url}"\n{key}']
        for name, (read, written) in PRICES.items():
            tables.append(f"[{name}.prices]\ninput = {read}\noutput = {written}\n")
        (config / "models.toml").write_text("\n".join(sorted(tables)))

    def program(self, **environ: str) -> Program:
        keys = {**KEYS, "OTHER_KEY": OTHER_KEY, **environ}
        return Program(self.folder, self.first.base_url, "first", keys)

    def run(self, *args: str, config: str = "", json_lines: bool = False, **environ: str) -> Ended:
        self.config.write_text(config)
        output = "stream-json" if json_lines else "json"
        return self.program(**environ).run("run", "-y", "-o", output, *args)

    def check_keys(self) -> None:
        """Each server got its own key in each request, and nothing that is anybody else's."""
        for server, key in ((self.first, KEYS["QCODE_API_KEY"]),
                            (self.other, OTHER_KEY if self.has_key else None)):  # fmt: skip
            for seen in (*server.requests, *server.others):
                assert seen.headers.get("authorization") == (f"Bearer {key}" if key else None)
                told = json.dumps(dict(seen.headers)) + seen.raw.decode()
                for secret in {*KEYS.values(), OTHER_KEY} - {key}:
                    assert secret not in told

    def costs(self, *args: str) -> Any:
        ended = self.program().run("cost", "--json", *args)
        assert ended.code == 0, ended.err
        return ended.json()


@contextmanager
def world(
    tmp_path: Path, first: scripted.Script, other: scripted.Script, *, has_key: bool = True,
    models: tuple[str, ...] = ("first",)
) -> Iterator[World]:  # fmt: skip
    folder = tmp_path / "work"
    if not folder.exists():
        folder.mkdir()
        repository(folder, {"calc.py": "def total(a, b):\n    return a - b\n"})
    with ExitStack() as stack:
        served = stack.enter_context(scripted.ScriptedServer(first, models=models))
        elsewhere = stack.enter_context(scripted.ScriptedServer(other, models=("other",)))
        yield World(folder, served, elsewhere, has_key=has_key)


def said(text: str) -> scripted.Stream:
    return scripted.text(text, usage=USAGE)


def check_history(body: Any) -> None:
    """What any API refuses does not stand in a request."""
    open_calls: list[str] = []
    before = ""
    for message in body["messages"]:
        role = message["role"]
        if role == "tool":
            assert message["tool_call_id"] in open_calls
            open_calls.remove(message["tool_call_id"])
        else:
            assert not open_calls
        if role == "assistant":
            assert before != "assistant"
            assert message.get("content") or message.get("tool_calls")
            open_calls = [call["id"] for call in message.get("tool_calls", ())]
        before = role
    assert not open_calls


FALLBACK = 'fallback_models = ["other"]\n'
STRONGER = 'stronger_model = "other"\n'


def stuck(seen: scripted.Seen) -> scripted.Reply:
    """A weak model's answer: the same vain edit until somebody else made the right one."""
    check_history(seen.json)
    said_so = json.dumps(seen.json["messages"])
    if "return a + b" in said_so:
        return said("done")
    if seen.json["messages"][-1]["role"] == "user" and "stronger model" not in said_so:
        return scripted.calls(("read_file", {"file_path": "calc.py"}), usage=USAGE)
    number = len(seen.json["messages"])
    return scripted.calls(
        ("edit", {"file_path": "calc.py", "old_string": f"no {number}", "new_string": "x"}),
        usage=USAGE,
    )


RIGHT = scripted.calls(
    (
        "edit",
        {"file_path": "calc.py", "old_string": "return a - b", "new_string": "return a + b"},
    ),
    content="It has to add.",
    usage=USAGE,
)
