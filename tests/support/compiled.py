"""qcode's modules compiled before any test starts a program, the tests' own before they are run.

A program imports some 300 of them: 0.2 s of its start where they are compiled, 0.5 s where they
are not. By themselves they never are where `PYTHONDONTWRITEBYTECODE` is set, as in many container
images, or where a sandbox keeps a program from writing beside its source.
"""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def compile_modules() -> None:
    """Compile those that changed; 0.1 s if none did. What cannot be written is left as it is."""
    for name in ("qcode", "tools", "prompts", "tests/support"):  # links are not followed
        compileall.compile_dir(ROOT / name, quiet=2)
    # Not the folders in there: tests copy the repositories, and tell what is new in them.
    compileall.compile_dir(ROOT / "evals", maxlevels=0, quiet=2)


def compile_tests() -> None:
    """Have pytest compile the tests' modules in two processes, each a half of them.

    What pytest makes of their assertions takes 25 s on a clean clone. Otherwise each of the two
    that run the tests would do it for all of them.
    """
    stale = sorted(_stale(), key=lambda path: -path.stat().st_size)
    if len(stale) < _FEW:
        return
    environ = {**os.environ}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    collect = (
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
    )
    quiet = subprocess.DEVNULL
    # What cannot be collected is told by the run of the tests that follows.
    halves = [
        subprocess.Popen([*collect, *half], cwd=ROOT, env=environ, stdout=quiet, stderr=quiet)
        for half in (stale[::2], stale[1::2])
    ]
    for half in halves:
        half.wait()


_FEW = 40
"""So many are compiled sooner by whoever runs them."""


def _stale() -> Iterator[Path]:
    for path in (ROOT / "tests").rglob("test_*.py"):
        made = [*(path.parent / "__pycache__").glob(f"{path.stem}.*-pytest-*.pyc")]
        if all(each.stat().st_mtime < path.stat().st_mtime for each in made):
            yield path


if __name__ == "__main__":
    compile_modules()
    compile_tests()
