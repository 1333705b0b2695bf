"""What qcode needs on this machine: git, and one day a sandbox."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from qcode.doctor.check import Check
from qcode.messages import JsonObject
from qcode.sandbox import house

_TIMEOUT_S = 10.0


def git(folder: Path) -> Check:
    """Say which git there is, and whether the folder is in a repository."""
    version = _run(folder, "--version").removeprefix("git version ")
    if not version:
        finding = "git is not there: what qcode changes cannot be looked at or taken back"
        return Check("git", "warn", finding, "install git")
    top = _run(folder, "rev-parse", "--show-toplevel")
    figures = {"version": version, "repository": top or None}
    if not top:
        finding = f"{version}; {folder} is in no repository, so changes cannot be taken back"
        return Check(
            "git", "warn", finding, "git init, and commit before letting qcode work", figures
        )
    return Check("git", "ok", f"{version}, in the repository {top}", "", figures)


def sandbox(scratch: Path) -> Check:
    """Say by which means commands are confined, tried just now."""
    from qcode.sandbox.choose import choose
    from qcode.sandbox.policy import Network, Tier

    scratch.mkdir(parents=True, exist_ok=True)
    path = os.environ.get("PATH", "")
    choice = choose(None, network=Network.OFF, scratch=scratch, path=path)
    choice.starter.close()
    tried = [{"tier": a.tier, "why": a.why, "advice": a.advice} for a in choice.attempts]
    figures: JsonObject = {"tier": choice.tier, "not_available": tried}
    if choice.tier is not Tier.NONE:
        worse = f"; {choice.attempts[0].tier} is not: {choice.attempts[0].why}" if tried else ""
        return Check("sandbox", "ok", f"{choice.tier} works{worse}", "", figures)
    why = "; ".join(f"{a.tier}: {a.why}" for a in choice.attempts) or "none is known here"
    advice = next((a.advice for a in choice.attempts if a.advice), "")
    return Check(
        "sandbox", "fail", f"none works here ({why})", advice or "install bubblewrap", figures
    )


def _run(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = house.run(["git", *arguments], cwd=folder, env=environment, timeout_s=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else os.fsdecode(done.stdout).strip()
