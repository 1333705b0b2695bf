"""Playing qcode itself where a recorded reply led to no call: does its answer help the model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qcode.errors import ToolError
from qcode.evals.toolcalls_record import MAX_TOKENS, Served, serve
from qcode.evals.toolcalls_score import Scored, fresh, refused_for_form
from qcode.local.server import HOST
from qcode.messages import JsonObject
from qcode.tools import default_tools
from qcode.tools.base import Tool
from qcode.tools.schema import parse

QCODE = (sys.executable, "-P", "-m", "qcode")
STEPS = 3
"""The first reply and two more chances."""
LIMIT_S = 240.0
"""For one run; its first request reads little, as the server keeps the prompt."""


def play(model: str, serving: str, scored: Sequence[Scored], out: Path) -> None:
    """Run qcode on each prompt that `out` has no outcome of yet, and add the outcomes.

    Raises:
        QcodeError: the model cannot be served.
    """
    known = outcomes(out)
    left = [one for one in scored if one.reply.id not in known]
    if not left:
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    with (
        serve(model, serving, out.with_suffix(".server").resolve()) as served,
        out.open("a", encoding="utf-8") as file,
    ):
        for number, one in enumerate(left, start=1):
            begun = time.monotonic()
            ran, stream = attempt(served, one.reply.prompt)
            line = {
                "id": one.reply.id,
                "first": one.fate.value,
                "ran": ran,
                "seconds": round(time.monotonic() - begun, 1),
                "stream": stream,
            }
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            print(f"{number}/{len(left)} {one.reply.id}: {ran or 'no call ran'}", flush=True)


def outcomes(file: Path) -> dict[str, str]:
    """Return the tool that was run for each prompt that was played, empty where none was."""
    if not file.exists():
        return {}
    lines = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return {line["id"]: line["ran"] for line in lines}


def attempt(served: Served, prompt: str) -> tuple[str, list[JsonObject]]:
    """Run qcode on one prompt in a fresh workspace; return the tool that ran, and the stream."""
    with tempfile.TemporaryDirectory(prefix="qcode-toolcalls-") as place:
        copy = fresh(Path(place))
        line = [*QCODE, "run", "-y", "--quiet", "-o", "stream-json", "--max-steps", str(STEPS)]
        settings = Path(place) / "settings.toml"
        settings.write_text(f"max_output_tokens = {MAX_TOKENS}\n", encoding="utf-8")
        line += [
            "--config",
            str(settings),
            "--base-url",
            f"http://{HOST}:{served.port}/v1",
            "-m",
            served.model,
            prompt,
        ]
        with subprocess.Popen(
            line,
            cwd=copy,
            env=environment(Path(place) / "home"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            alarm = threading.Timer(LIMIT_S, process.terminate)
            alarm.start()
            try:
                return watch(process)
            finally:
                alarm.cancel()
                process.terminate()


def watch(process: subprocess.Popen[str]) -> tuple[str, list[JsonObject]]:
    """Read a run's stream until a valid call has run, or to its end; what follows is not asked."""
    stream: list[JsonObject] = []
    assert process.stdout is not None
    for text in process.stdout:
        if text.startswith("{"):
            stream.append(json.loads(text))
            if ran := first_valid(stream):
                return ran, stream
    return "", stream


def environment(home: Path) -> dict[str, str]:
    """Return an environment without anything that is the caller's of qcode."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("QCODE_", "XDG_", "OPENAI_"))
    }
    return {**own, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}


def first_valid(stream: Sequence[JsonObject]) -> str:
    """Return the tool of the first call in a JSON stream that was valid and run; or nothing.

    Judged by the call itself and not by how qcode words a refusal.
    """
    tools = {tool.name: tool for tool in default_tools()}
    blocks = [block for one in stream for block in (one.get("message") or {}).get("content") or ()]
    results = {b["tool_use_id"]: b for b in blocks if b.get("type") == "tool_result"}
    for block in blocks:
        if block.get("type") == "tool_use" and block["id"] in results:
            result = results[block["id"]]
            form = result["is_error"] and refused_for_form(str(result["content"]))
            if _is_valid(block, tools) and not form:
                return str(block["name"])
    return ""


def _is_valid(block: JsonObject, tools: Mapping[str, Tool[Any]]) -> bool:
    tool = tools.get(block["name"])
    if tool is None:
        return False
    try:
        parse(tool, json.dumps(block["input"]))
    except ToolError:
        return False
    return True
