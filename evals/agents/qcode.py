"""qcode itself: `qcode run` in a process and home of its own, told of its endpoint by a file."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import qcode
from qcode.evals.agents import Endpoint, Limits, Outcome, Work
from qcode.evals.agents.surroundings import variables_of
from qcode.evals.agents.telling import Told, conduct_of, effort_of, read_stream
from qcode.evals.harness import processes
from qcode.evals.harness.surroundings import environment
from qcode.settings_file import written

PATIENCE_S = 30.0
"""Behind its own time limit it has so long to end by itself, with the work so far kept."""
PROVIDER_FAILED = 3
_NOT_THE_AGENTS = {
    2: "wrong usage",
    PROVIDER_FAILED: "the provider failed",
    5: "no sandbox can be had",
}
"""Exit codes by which nothing can be judged (the exit codes of `qcode run`)."""
HIDES = "QCODE_EVAL_HIDES"
"""The variable with the places of tests and answers, parted as PATH is: the sandbox hides them."""
_LINES = 400
_OWN = ("PYTHON", "QCODE_", "EVAL_", "XDG_", "HOME", "PATH")
"""Variables of a task that would steer qcode itself, and not what it starts alone."""


class Qcode:
    """This very installation."""

    name = "qcode"
    keeps_requests = False

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Nothing is looked for in the environment: it is this very installation."""

    def version(self) -> str:
        """Return qcode's version."""
        return qcode.__version__

    async def work(self, work: Work, environ: Mapping[str, str]) -> Outcome:
        """Run one task, or go on with its session at a second try."""
        _write_settings(work.home, work.endpoint, environ)
        out = work.artefacts / f"agent-{2 if work.is_retry else 1}.jsonl"
        err = out.with_suffix(".err")
        ran = await processes.run(
            _command(work),
            cwd=work.folder,
            env=_environment(work, environ),
            limit_s=work.limits.time_s + PATIENCE_S,
            out=out,
            err=err,
            record=work.folder.parent / processes.RECORD,
            given=_prompt_file(work) if _is_long(work) else None,
        )
        told = read_stream(out)
        journal = _keep_journal(work)
        return Outcome(
            exit_code=ran.code,
            answer=str(told.result.get("result", "")),
            ended=str(told.result.get("subtype", "")) or _crash(ran.code, journal, err),
            effort=effort_of(told, journal, ran.seconds),
            conduct=conduct_of(told, journal),
            error=not_judged(ran.code, told, err, journal),
        )


def _command(work: Work) -> list[str]:
    argv = [sys.executable, "-P", "-m", "qcode", "run", "-y", "-o", "stream-json", "--quiet"]
    argv += _limits(work.limits)
    argv += [str(each) for each in work.task.more.get("qcode_options", ())]
    if work.is_retry:
        argv.append("--continue")
    return [*argv, "--", "-" if _is_long(work) else work.prompt]


def _is_long(work: Work) -> bool:
    """Whether the prompt has no room on a command line, where Linux takes 128 KiB a word."""
    return len(work.prompt.encode("utf-8", "replace")) > 100_000 or "\0" in work.prompt


def _prompt_file(work: Work) -> Path:
    path = work.artefacts / ("prompt-2.txt" if work.is_retry else "prompt.txt")
    path.write_text(work.prompt, encoding="utf-8", errors="replace")
    return path


def _limits(limits: Limits) -> list[str]:
    given = {
        "--max-time": f"{limits.time_s:g}",
        "--max-steps": limits.steps,
        "--max-tokens": limits.tokens,
        "--max-cost": limits.cost_usd,
    }
    return [
        word for name, value in given.items() if value is not None for word in (name, str(value))
    ]


def _environment(work: Work, environ: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value for name, value in variables_of(work.task).items() if not name.startswith(_OWN)
    }
    kept[processes.MARK] = str(work.folder.parent)
    for name in ("QCODE_SANDBOX", work.endpoint.api_key_env):
        if name and name in environ:
            kept[name] = environ[name]
    for name in _keys_of(work.endpoint, environ):
        kept[name] = environ[name]
    venv = environ.get("VIRTUAL_ENV")
    return environment(environ, work.home, kept, venv=Path(venv) if venv else None)


def _keys_of(endpoint: Endpoint, environ: Mapping[str, str]) -> list[str]:
    """Return the variables that a hosted model's provider reads its key from."""
    if endpoint.base_url or endpoint.api_key_env:
        return []
    return [name for name in environ if name.endswith("_API_KEY")]


def settings_of(endpoint: Endpoint) -> dict[str, Any]:
    """Return the settings by which qcode asks an endpoint as it is to be asked."""
    settings: dict[str, Any] = {"model": endpoint.model}
    if endpoint.base_url:
        settings["base_url"] = endpoint.base_url
        # Only here: hosted models' own interfaces refuse fields that they do not know.
        body: dict[str, Any] = {"seed": endpoint.seed}
        if endpoint.temperature is not None:
            body["temperature"] = endpoint.temperature
        settings["extra_body"] = body
    if endpoint.api_key_env:
        settings["api_key_env"] = endpoint.api_key_env
    if endpoint.context_window:
        settings["context_window"] = endpoint.context_window
    return settings


def _write_settings(home: Path, endpoint: Endpoint, environ: Mapping[str, str]) -> None:
    folder = home / ".config/qcode"
    folder.mkdir(parents=True, exist_ok=True)
    settings = settings_of(endpoint)
    if hides := [each for each in environ.get(HIDES, "").split(os.pathsep) if each]:
        settings["hidden"] = hides
    lines = [f"{name} = {written(value)}\n" for name, value in settings.items()]
    (folder / "config.toml").write_text("".join(lines), encoding="utf-8")
    usual = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/")) / ".config")
    with contextlib.suppress(OSError):  # what the person says of their own models holds here too
        shutil.copyfile(usual / "qcode/models.toml", folder / "models.toml")


def _keep_journal(work: Work) -> Path | None:
    """Copy the session's journal to what is kept; return the copy."""
    sessions = sorted((work.home / ".local/state/qcode/sessions").glob("*.jsonl"))
    if not sessions:
        return None
    kept = work.artefacts / "journal.jsonl"
    shutil.copyfile(sessions[-1], kept)
    os.chmod(kept, 0o600)
    return kept


def not_judged(code: int | None, told: Told, err: Path, journal: Path | None) -> str:
    """Return why there is nothing to judge; empty: there is.

    Where qcode breaks down once its session has begun, that is its own fault, and counts.
    """
    if code is None or (code not in _NOT_THE_AGENTS and (told.result or journal is not None)):
        return ""
    why = str(told.result.get("error", "")) or _last_line(err)
    return f"{_NOT_THE_AGENTS.get(code, f'qcode ended with {code}')}: {why}"


def _crash(code: int | None, journal: Path | None, err: Path) -> str:
    """Return how it broke down, where it said no result; empty: it was ended, or never began."""
    return f"crash: {_last_line(err)}" if code is not None and journal is not None else ""


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:_LINES] if said else "it said nothing"
