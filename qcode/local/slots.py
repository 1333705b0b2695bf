"""What the local server once read of a prompt, kept on disk: it need not read it again.

A file is the state of the server's slot (llama.cpp's own format, the tokens it stands for
among it) after it read how a session begins: a server that restores it is where it was. It
fits one server, model and template, so each combination has a folder. A wrong file does no
harm: the server compares the tokens and reads anew what differs.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from qcode.local.engine import Engine, Extension
from qcode.paths import cache_dir

KEPT = 4
"""Files, of all folders together; the newest ones."""
MOST_BYTES = 2 << 30
"""Of all files together. One has 10 to 25 MB with the models that qcode knows."""
_SUFFIX = ".slot"
_UNFINISHED = ".unfinished"


def root() -> Path:
    """Where the folders are."""
    return cache_dir() / "slots"


def folder_for(
    engine: Engine, model: Path, template: Path | None, cache_type: str = "f16"
) -> Path | None:
    """Return the folder for what serves a model, made for nobody else; None if it cannot be.

    `cache_type` is that of keys and values, which a file holds as they are.
    """
    if not isinstance(engine, Extension) and "--slot-save-path" not in engine.options:
        return None
    digest = hashlib.sha256()
    try:
        if isinstance(engine, Extension):
            digest.update(str(engine.library).encode())  # its name has the version
        else:
            digest.update(_identity(engine.path))
        digest.update(_identity(model))
        digest.update(template.read_bytes() if template else b"")
        digest.update(b"" if cache_type == "f16" else cache_type.encode())
        folder = root() / digest.hexdigest()[:16]
        for path in (root(), folder):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)
    except OSError:
        return None
    return folder


def _identity(file: Path) -> bytes:
    found = file.stat()
    return f"{file.resolve()}\0{found.st_size}\0{found.st_mtime_ns}\0".encode()


class Slots:
    """The files of one folder. A name says what a file begins with, what it is, and its size.

    The size, because llama.cpp's server dies of a file that was cut short.
    """

    def __init__(self, folder: Path, begins: str, whole: str) -> None:
        """`begins` and `whole` are digests: of what all sessions have, and of what this one has."""
        self._folder = folder
        self._begins = begins
        self._stem = f"{begins}-{whole}"
        self.unfinished = f"{self._stem}{_UNFINISHED}"
        """The name under which the server is to save."""

    @property
    def is_kept(self) -> bool:
        """Whether there is a file of all of it."""
        return bool(self._intact(self._stem))

    def find(self) -> str | None:
        """Return the name of the file that helps most: of all of it, or of its beginning."""
        found = self._intact(self._stem) or self._intact(self._begins)
        return found[0].name if found else None

    def used(self, name: str) -> None:
        """Note that a file was of use, so that others go before it."""
        try:
            os.utime(self._folder / name)
        except OSError:
            pass  # it is only about the order

    def drop(self, name: str) -> None:
        """Remove a file that the server does not take."""
        (self._folder / name).unlink(missing_ok=True)

    def finish(self) -> None:
        """Take what the server has saved among the files; remove those that are too many."""
        saved = self._folder / self.unfinished
        descriptor = os.open(saved, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fchmod(descriptor, 0o600)
            os.fsync(descriptor)  # a name must not outlive a power cut that its bytes do not
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        for other in self._folder.glob(f"{self._stem}-*{_SUFFIX}"):
            other.unlink(missing_ok=True)
        saved.replace(self._folder / f"{self._stem}-{size}{_SUFFIX}")
        prune()

    def _intact(self, begins: str) -> list[Path]:
        """Return the files whose names begin so and whose size is right, the newest first."""
        found = _by_age(self._folder.glob(f"{begins}-*{_SUFFIX}"))
        return [path for path in found if path.stem.rpartition("-")[2] == str(path.stat().st_size)]


def prune(kept: int = KEPT, most_bytes: int = MOST_BYTES) -> int:
    """Remove all but the newest files, and folders without any; return the bytes removed."""
    removed = total = 0
    for at, file in enumerate(_by_age(root().glob(f"*/*{_SUFFIX}"))):
        size = file.stat().st_size
        total += size
        if at >= kept or total > most_bytes:
            file.unlink(missing_ok=True)
            removed += size
    return removed


def clean() -> int:
    """Remove all files; return their bytes. Folders stay: a running server saves to one."""
    removed = 0
    for file in root().glob("*/*"):
        if file.suffix in (_SUFFIX, _UNFINISHED):
            removed += file.stat().st_size
            file.unlink(missing_ok=True)
    return removed


def _by_age(files: Iterable[Path]) -> list[Path]:
    """Return the files, the newest first."""
    found = [(path.stat().st_mtime_ns, path) for path in files]
    return [path for _, path in sorted(found, reverse=True)]
