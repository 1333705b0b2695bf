"""Runs the tests of a task that was made for a container, in a folder. No part of qcode imports it.

It is laid into `$EVAL_CHECK` beside `judge.json` and the tests, and is all standard library. The
paths of the container that the tests name are put right there: the folder, the tests' own
directory, and where a reward is written. Its last line says how it went.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Judge the folder; the exit code is 0 if it passes."""
    aside = Path(os.environ["EVAL_CHECK"])
    folder = Path(os.environ["EVAL_REPO"])
    wanted = json.loads((aside / "judge.json").read_text(encoding="utf-8"))
    logs = aside / "logs"
    logs.mkdir(exist_ok=True)
    places = {
        wanted["root"]: str(folder),
        "/tests": str(aside / "tests"),
        "/logs/verifier": str(logs),
    }
    for path in (aside / "tests").rglob("*"):
        if path.is_file():
            put_right(path, places)
    own = {"TEST_DIR": str(aside / "tests"), "PYTHONDONTWRITEBYTECODE": "1", **wanted["environ"]}
    environ = {**os.environ, **own}
    if wanted["kind"] == "pytest":
        files = [str(aside / "tests" / name) for name in wanted["files"]]
        # Not by what lies in the folder under pytest's name (`-P`).
        words = [sys.executable, "-P", "-m", "pytest", "-rA", "-p", "no:cacheprovider"]
        words += [f"--rootdir={aside / 'tests'}", *files]
        done = subprocess.run(
            words, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output = done.stdout.decode("utf-8", "replace")
        print(output)
        last = next((line for line in reversed(output.splitlines()) if line.strip()), "")
        return said(done.returncode == 0, "still_failing", last.strip("= "))
    script = aside / "tests" / wanted["files"][0]
    done = subprocess.run(["bash", str(script)], cwd=folder, env=environ)
    reward = reward_in(logs)
    if reward is None:
        return said(False, "error", f"its tests wrote no reward (exit code {done.returncode})")
    return said(reward >= 1, "still_failing", f"reward {reward:g}")


def put_right(path: Path, places: dict[str, str]) -> None:
    """Replace the container's paths in a text file."""
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return
    for old, new in places.items():
        literal = new.replace("\\", r"\\")
        text = re.sub(rf"(?<![\w./-]){re.escape(old)}(?![\w-])", literal, text)
    path.write_bytes(text.encode("utf-8"))


def reward_in(logs: Path) -> float | None:
    """Return what was written as the reward; of several named ones the lowest."""
    try:
        return float((logs / "reward.txt").read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        pass
    try:
        value = json.loads((logs / "reward.json").read_text(encoding="utf-8"))
        numbers = value.values() if isinstance(value, dict) else [value]
        return min(float(each) for each in numbers)
    except (OSError, ValueError, TypeError):
        return None


def said(ok: bool, reason: str, detail: str) -> int:
    """Print the verdict; return the exit code."""
    sys.stdout.flush()
    print(json.dumps({"ok": ok, "reason": "pass" if ok else reason, "detail": detail}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
