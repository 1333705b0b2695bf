"""qcode's modules compiled before any test starts a program.

A program imports some 300 of them: 0.2 s of its start where they are compiled, 0.5 s where they
are not. By themselves they never are where `PYTHONDONTWRITEBYTECODE` is set, as in many container
images, or where a sandbox keeps a program from writing beside its source.
"""

from __future__ import annotations

import compileall
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def compile_modules() -> None:
    """Compile those that changed; 0.1 s if none did. What cannot be written is left as it is."""
    for name in ("qcode", "tools", "prompts", "tests/support"):  # links are not followed
        compileall.compile_dir(ROOT / name, quiet=2)
    # Not the folders in there: tests copy the repositories, and tell what is new in them.
    compileall.compile_dir(ROOT / "evals", maxlevels=0, quiet=2)
