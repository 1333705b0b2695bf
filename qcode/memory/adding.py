"""Adding a line to the files of instructions: what a person types behind `#`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from qcode.errors import QcodeError
from qcode.files_safe import read_small
from qcode.memory.files import Places, top_of


def file_for(places: Places, *, own: bool) -> Path:
    """Return the file that a note goes to: the first that is there, otherwise a new one.

    `own`: the person's own, for all projects; otherwise that of the repository or directory.
    """
    folder = places.own if own else top_of(places.cwd)
    found = (folder / name for name in places.names)
    return next((file for file in found if file.is_file()), folder / places.names[0])


def add_note(places: Places, note: str, *, own: bool) -> Path:
    """Add a note as an item at the end of a file; return the file.

    The file is replaced as a whole or not at all; a link stays one.

    Raises:
        QcodeError: it cannot be read or written.
    """
    file = file_for(places, own=own)
    real = Path(os.path.realpath(file))
    top = Path(os.path.realpath(top_of(places.cwd)))
    if not own and top not in real.parents:
        raise QcodeError(f"`{file}` leads out of the repository, so nothing was added to it")
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        try:
            before, mode = read_small(real).decode("utf-8"), real.stat().st_mode & 0o777
        except FileNotFoundError:
            before, mode = "", 0o600 if own else 0o644
        end = "\r\n" if "\r\n" in before else "\n"
        if before and not before.endswith("\n"):
            before += end
        last = before.rstrip().rpartition("\n")[2]
        # An item goes on with the list that is there, and else stands apart.
        gap = "" if not before or last.startswith(("- ", "* ")) else end
        _replace(real, f"{before}{gap}- {' '.join(note.split())}{end}".encode(), mode)
    except UnicodeDecodeError as error:
        raise QcodeError(f"`{file}` is no text in UTF-8, so nothing was added to it") from error
    except OSError as error:
        raise QcodeError(f"`{file}` cannot be changed: {error.strerror or error}") from error
    return file


def _replace(file: Path, data: bytes, mode: int) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fchmod(out.fileno(), mode)
            os.fsync(out.fileno())
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise
