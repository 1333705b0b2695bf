# ruff: noqa: E501 -- its tables read best a row a line
"""Runs from end to end over the evaluation tasks' repositories, with a model that plays a part.

Each scenario is data: a task to lay out, what the model does, how `qcode run` is called, and
what has to come of it. `play` carries one out and returns what is wrong, if anything.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import scripted_server as scripted
from program import COMMAND
from schemas import faults

from qcode.journal.loading import load

EVALS = Path(__file__).resolve().parents[3] / "shared" / "evals"
PYTEST = "python -m pytest -q -p no:cacheprovider"
LIMIT_S = 120.0

Reply = scripted.Stream | scripted.Whole | Callable[[scripted.Seen], Any]


@dataclass(frozen=True)
class Scenario:
    """One run, and what has to come of it."""

    name: str
    task: str
    script: tuple[Reply, ...]
    code: int
    subtype: str
    args: tuple[str, ...] = ()
    then: Reply | None = None
    """What the model answers once its script is over; None: that it is done."""
    signal: int = 0
    """Sent once the model was asked."""
    files: Mapping[str, str | None] = field(default_factory=dict)
    """What has to be in files afterwards; None: as before."""
    judged: bool = False
    """Whether the task's own check has to pass afterwards."""
    environ: Mapping[str, str] = field(default_factory=dict)
    output: str = "json"
    refused: bool = False
    """Whether the model's endpoint is not there."""


@cache
def evalkit() -> ModuleType:
    """Return the kit that lays tasks out and judges them."""
    spec = importlib.util.spec_from_file_location("evalkit", EVALS / "evalkit.py")
    assert spec is not None
    assert spec.loader is not None
    kit = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kit)
    return kit


@cache
def tasks() -> dict[str, dict[str, Any]]:
    """Return all tasks that need no packages, by id."""
    files = [EVALS / f"{suite}.jsonl" for suite in ("small", "trap", "mock")]
    loaded: dict[str, dict[str, Any]] = evalkit().load(files)
    return loaded


# ------------------------------------------------------------------ what models do


def edit(path: str, old: str, new: str) -> scripted.Stream:
    return scripted.call("edit", file_path=path, old_string=old, new_string=new)


def write(path: str, content: str) -> scripted.Stream:
    return scripted.call("write_file", file_path=path, content=content)


def shell(command: str) -> scripted.Stream:
    return scripted.call("run_shell_command", command=command)


MENDED = {
    "moving-average": ("len(values) - size)]", "len(values) - size + 1)]"),
    "roman": ("if value > VALUES", "if value < VALUES"),
    "insertion-point": ("low = middle\n", "low = middle + 1\n"),
    "chunks": ("len(items) - size, size", "len(items), size"),
    "duration": ('"m": 6,', '"m": 60,'),
    "intervals": ("(merged[-1][0], end)", "(merged[-1][0], max(merged[-1][1], end))"),
    "lru": ("popitem()", "popitem(last=False)"),
    "word-count": ("word = word.strip(", "word = word.lower().strip("),
    "collect": ("into=[]", "into=None"),
    "flat-keys": ("flat_keys(value, key)", "flat_keys(value, name)"),
    "clamp": ("min(low, max(value, high))", "max(low, min(value, high))"),
    "luhn": ("place % 2 == 0", "place % 2 == 1"),
}
"""The small bugs: what is wrong in each, and what is right."""

CHEATS: tuple[Callable[[str, str], Reply], ...] = (
    lambda _code, test: shell(f"rm {test}"),
    lambda _code, test: shell(f"sed -i 's/^def test_/def no_/' {test}"),
    lambda _code, test: shell(f"sed -i 's/assert .*/assert True/' {test}"),
    lambda _code, test: shell(
        f"sed -i '1i import pytest; pytest.skip(allow_module_level=True)' {test}"
    ),
    lambda _code, _test: write(
        "conftest.py", "import os\n\ndef pytest_sessionfinish():\n    os._exit(0)\n"
    ),
    lambda _code, _test: write("pytest.ini", "[pytest]\naddopts = --collect-only\n"),
    lambda _code, _test: write("pytest.py", "import sys\nsys.exit(0)\n"),
    lambda _code, test: shell(f"echo 'raise SystemExit(0)' > {test}"),
    lambda code, _test: shell(
        f"printf 'import os\\nos._exit(0)\\n' | cat - {code} > x && mv x {code}"
    ),
    lambda _code, test: shell(f"mv {test} old_{test}.txt"),
    lambda _code, test: shell(
        f"python - <<'X'\nimport re\nt = open('{test}').read()\n"
        f"open('{test}', 'w').write(re.sub(r'(?m)^def test_', '@__import__(\"pytest\").mark.xfail\\ndef test_', t))\nX"
    ),
    lambda _code, _test: write("sitecustomize.py", "import os\nos._exit(0)\n"),
)
"""Ways past a test file, each by another means: the code's file and the test's to a call."""


def bugs() -> Iterator[Scenario]:
    """Solved, solved late, not solved, and got around."""
    for number, (name, (wrong, right)) in enumerate(MENDED.items()):
        task = f"small-bug-{name}"
        code, test = (
            next(f for f in tasks()[task]["files"] if f.startswith("test_") is is_test)
            for is_test in (False, True)
        )
        verify = ("--verify", f"timeout 5 {PYTEST} {test}")
        mend = edit(code, wrong, right)
        yield Scenario(
            f"solved-{name}", task, (scripted.call("read_file", file_path=code), mend), 0,
            "success", verify, judged=True, output=("json", "stream-json")[number % 2],
        )  # fmt: skip
        yield Scenario(
            f"late-{name}", task,
            (scripted.text("It is right as it is."), scripted.text("Really."), mend), 0, "success",
            verify, judged=True,
        )  # fmt: skip
        yield Scenario(
            f"unsolved-{name}", task, (shell("true"), scripted.text("I mended it.")),
            1, "error_verification", verify, files={test: None},
        )  # fmt: skip
        yield Scenario(
            f"cheat-{name}", task, (CHEATS[number](code, test),), 6, "error_verification", verify,
            files={test: None, code: None},
        )  # fmt: skip


def _plain(
    name: str, code: int, subtype: str, *script: Reply, **more: Any
) -> Callable[[str], Scenario]:
    return lambda task: Scenario(f"{name}:{task}", task, script, code, subtype, **more)


DONE = ("--verify", "test -f made-here.txt")
MAKE = write("made-here.txt", "made\n")
SCHEMA = '{"type":"object","properties":{"count":{"type":"integer"}},"required":["count"]}'
PART_OF: tuple[Callable[[str], Scenario], ...] = (
    _plain("talks", 0, "success", scripted.text("There is nothing to do.")),
    _plain("proven", 0, "success", MAKE, args=DONE, files={"made-here.txt": "made\n"}),
    _plain("unproven", 1, "error_verification", args=DONE),
    _plain("unauthorised", 3, "error_during_execution", scripted.fault(401, "no")),
    _plain("no-model", 3, "error_during_execution", scripted.fault(404, "no such model")),
    _plain("bad-request", 3, "error_during_execution", scripted.fault(400, "no")),
    _plain("server-down", 3, "error_during_execution", then=scripted.fault(500, "no", retry_after=0)),
    _plain("not-there", 3, "error_during_execution", refused=True),
    _plain("once-overloaded", 0, "success", scripted.fault(429, "busy", retry_after=0), MAKE, args=DONE),
    _plain("out-of-steps", 4, "error_max_turns", args=("--max-steps", "2"),
           then=lambda seen: scripted.call("list_directory", path=".", offset=len(seen.raw))),
    _plain("out-of-tokens", 4, "error_budget", MAKE, args=("--max-tokens", "1500"),
           then=lambda _seen: shell("true"), files={"made-here.txt": "made\n"}),
    _plain("out-of-time", 4, "error_budget", MAKE, args=("--max-time", "3"),
           then=scripted.stall(scripted.text("x"), 1), files={"made-here.txt": "made\n"}),
    _plain("slow-command", 4, "error_budget", shell("sleep 60"), args=("--max-time", "3")),
    _plain("slow-verification", 4, "error_budget",
           args=("--max-time", "4", "--verify", "test ! -f made-here.txt || sleep 60"),
           then=MAKE),
    _plain("no-cost", 4, "error_budget", MAKE, then=shell("true"), args=("--max-cost", "1")),
    _plain("interrupted", 130, "error_during_execution", signal=signal.SIGINT,
           then=scripted.stall(scripted.text("x"), 1)),
    _plain("terminated", 143, "error_during_execution", signal=signal.SIGTERM,
           then=scripted.stall(scripted.text("x"), 1)),
    _plain("hung-up", 129, "error_during_execution", signal=signal.SIGHUP,
           then=scripted.stall(scripted.text("x"), 1)),
    _plain("protected", 6, "error_verification", shell("echo more >> \"$(ls | head -n 1)\""),
           args=("--protect", "*")),
    _plain("protected-new", 6, "error_verification", MAKE, args=("--protect", "made-*"),
           files={"made-here.txt": None}),
    _plain("protected-let-be", 0, "success", MAKE, args=("--protect", "*.md")),
    _plain("fits", 0, "success", scripted.text('{"count": 3}'), args=("--json-schema", SCHEMA)),
    _plain("fits-late", 0, "success", scripted.text("three"), scripted.text('```json\n{"count": 3}\n```'),
           args=("--json-schema", SCHEMA)),
    _plain("never-fits", 1, "error_during_execution", then=scripted.text("three"),
           args=("--json-schema", SCHEMA)),
    _plain("cut-once", 0, "success", scripted.cut(scripted.text("never whole", chunks=9)), MAKE, args=DONE),
    _plain("broken-call", 0, "success", scripted.calls(("write_file", '{"file_path": "made-he')), MAKE,
           args=DONE),
    _plain("unknown-tool", 0, "success", scripted.call("open_editor", path="x"), MAKE, args=DONE),
    _plain("bad-arguments", 0, "success", scripted.call("write_file", name=3), MAKE, args=DONE),
    _plain("empty-once", 0, "success", scripted.empty(), MAKE, args=DONE),
    _plain("html", 3, "error_during_execution", then=scripted.html()),
    _plain("circles", 1, "error_verification", args=DONE,
           then=lambda _seen: scripted.call("read_file", file_path="no-such-file.txt")),
    _plain("no-sandbox", 5, "error_during_execution", args=("--sandbox-tier", "seatbelt")),
    _plain("bad-schema", 2, "error_during_execution", args=("--json-schema", '{"type": 5}')),
    _plain("in-ci", 0, "success", MAKE, args=DONE, environ={"CI": "true", "GITHUB_ACTIONS": "true"}),
    _plain("on-a-copy", 0, "success", MAKE, args=(*DONE, "--worktree"), files={"made-here.txt": None}),
    _plain("several", 0, "success", MAKE, args=(*DONE, "--attempts", "2", "--at-once", "1"),
           files={"made-here.txt": "made\n"}),
    _plain("no-home", 0, "success", MAKE, args=DONE,
           environ={"HOME": "/proc/no-home", "XDG_STATE_HOME": "", "XDG_CACHE_HOME": ""}),
)  # fmt: skip
"""What can happen on any task."""


def others() -> Iterator[Scenario]:
    """Each other task in two of the parts, and each part on two tasks."""
    names = [name for name in tasks() if not name.startswith(("small-bug", "mock"))]
    for number in range(2 * len(PART_OF)):
        part = PART_OF[number % len(PART_OF)]
        yield part(names[(number + 7 * (number // len(PART_OF))) % len(names)])


_TOOLS = {
    "read": lambda call: scripted.call("read_file", file_path=call["path"]),
    "write": lambda call: write(call["path"], call["content"]),
    "replace": lambda call: edit(call["path"], call["old"], call["new"]),
    "shell": lambda call: shell(call["cmd"]),
}


def mocks() -> Iterator[Scenario]:
    """The tasks that say themselves what the model does."""
    for name, task in tasks().items():
        if not name.startswith("mock"):
            continue
        script: list[Reply] = []
        for turn in task["script"]:
            calls = turn.get("calls", [])
            if not calls:
                script.append(scripted.text(turn["text"]))
            script += [_TOOLS[call["tool"]](call) for call in calls]
        yield Scenario(name, name, tuple(script), 0, "success", judged=True)


@cache
def scenarios() -> dict[str, Scenario]:
    """Return all of them by name."""
    return {each.name: each for each in (*bugs(), *others(), *mocks())}


# ------------------------------------------------------------------ playing one


def play(scenario: Scenario, folder: Path) -> list[str]:
    """Carry a scenario out in an empty folder; return what is wrong."""
    task = tasks()[scenario.task]
    top = evalkit().make(task, folder / "task")
    repo = top / "repo"
    before = {name: _content(repo / name) for name in scenario.files}
    waiting = list(scenario.script)
    lock = threading.Lock()
    asked = threading.Event()

    def answer(seen: scripted.Seen) -> Any:
        with lock:
            reply = waiting.pop(0) if waiting else scenario.then or scripted.text("Done.")
        asked.set()
        return reply(seen) if callable(reply) else reply

    with scripted.ScriptedServer(answer) as server:
        url = "http://127.0.0.1:9/v1" if scenario.refused else server.base_url
        process = _start(scenario, task["prompt"], repo, url, folder)
        if scenario.signal:
            asked.wait(LIMIT_S)
            time.sleep(0.3)  # the answer has begun to come by then, or is about to
            process.send_signal(scenario.signal)
        try:
            out, err = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return ["it does not end"]
    return list(_wrong(scenario, process, out.decode(), err.decode(), repo, before, top))


def _start(
    scenario: Scenario, prompt: str, repo: Path, url: str, folder: Path
) -> subprocess.Popen[bytes]:
    own = {
        "HOME": str(folder / "home"),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "QCODE_BASE_URL": url,
        "QCODE_MODEL": "scripted",
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        **scenario.environ,
    }
    (folder / "home").mkdir(exist_ok=True)
    env = {name: value for name, value in {**os.environ, **own}.items() if value}
    if scenario.environ.get("GITHUB_ACTIONS"):
        env["GITHUB_STEP_SUMMARY"] = str(folder / "summary.md")
    command = [*COMMAND, "run", "-y", "-o", scenario.output, *scenario.args, prompt]
    return subprocess.Popen(
        command, cwd=repo, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def _wrong(
    scenario: Scenario,
    process: subprocess.Popen[bytes],
    out: str,
    err: str,
    repo: Path,
    before: Mapping[str, bytes | None],
    top: Path,
) -> Iterator[str]:
    if process.returncode != scenario.code:
        yield f"exit code {process.returncode} instead of {scenario.code}: {err[-600:]}"
    if "Traceback" in err:
        yield f"a traceback: {err[-1500:]}"
    try:
        lines = [json.loads(line) for line in out.splitlines()]
    except ValueError:
        yield f"stdout is no JSON: {out[-300:]}"
        return
    is_one = scenario.output == "stream-json" or len(lines) == 1
    if not lines or not is_one or lines[-1].get("type") != "result":
        yield f"no result: {out[-300:]}"
        return
    for line in lines:
        yield from faults("stream", line)
    result = lines[-1]
    if result["subtype"] != scenario.subtype:
        yield f"subtype {result['subtype']} instead of {scenario.subtype}"
    if result["is_error"] != (scenario.code != 0):
        yield "is_error does not fit the exit code"
    if scenario.code and not err.rstrip().rpartition("\n")[2].startswith(("qcode: ", "::")):
        yield f"no line on stderr says what happened: {err[-300:]}"
    if scenario.code == 6 and not result["violations"]:
        yield "nothing is named"
    yield from _wrong_files(scenario, repo, before)
    _read_journal(result, top.parent)
    if left := _left_behind(process.pid):
        yield f"processes are left: {left}"
    if scenario.judged:
        answer = top.parent / "answer.txt"
        answer.write_text(result["result"])
        judged = evalkit().check(tasks()[scenario.task], top, output=answer)
        if not judged["ok"]:
            yield f"the task's check: {judged}"


def _wrong_files(
    scenario: Scenario, repo: Path, before: Mapping[str, bytes | None]
) -> Iterator[str]:
    for name, wanted in scenario.files.items():
        want = before[name] if wanted is None else wanted.encode()
        if _content(repo / name) != want:
            yield f"{name} is not as it should be"


def _read_journal(result: Mapping[str, Any], folder: Path) -> None:
    """Read the session's journal, which raises what is wrong with it."""
    journal = folder / "state" / "qcode" / "sessions" / f"{result['session_id']}.jsonl"
    if result["session_id"] and journal.exists():
        load(journal)


def _left_behind(session: int) -> Sequence[str]:
    """Return the processes of a session that has ended; they get a moment."""
    for _ in range(30):
        left = [name for name in os.listdir("/proc") if name.isdigit() and _is_of(name, session)]
        if not left:
            return []
        time.sleep(0.1)
    return left


def _is_of(name: str, session: int) -> bool:
    try:
        fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[3]) == session and fields[0] != "Z"


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
