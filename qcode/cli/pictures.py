"""The picture in the clipboard, kept as a file that a message can point at."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from qcode.sandbox.plain import taken

MOST_BYTES = 20_000_000
_TIMEOUT_S = 3.0
_PNG = b"\x89PNG\r\n\x1a\n"
"""How such a file begins (W3C, Portable Network Graphics, 5.2)."""
_PROGRAMS: tuple[tuple[str, ...], ...] = (
    ("wl-paste", "--no-newline", "--type", "image/png"),
    ("xclip", "-selection", "clipboard", "-target", "image/png", "-out"),
    ("pngpaste", "-"),
)


def kept(folder: Path, environ: Mapping[str, str]) -> str | None:
    """Write the picture to a folder that only the person reads; return its path.

    None: there is none, or no program that knows.
    """
    for argv in _PROGRAMS:
        program = shutil.which(argv[0], path=environ.get("PATH"))
        if program is None:
            continue
        data = taken((program, *argv[1:]), env=environ, timeout_s=_TIMEOUT_S, most=MOST_BYTES)
        if data is None or not data.startswith(_PNG):
            continue
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / f"{hashlib.sha256(data).hexdigest()[:12]}.png"
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as out:
            out.write(data)
        return str(file)
    return None
