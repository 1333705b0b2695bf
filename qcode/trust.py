"""Which folders a person trusts to loosen what is asked and what may be touched.

What is trusted is not the folder but what its settings say: they come with a clone
and change with a pull. So the trust is in a digest of them, and is asked for again
when they are others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcode.errors import QcodeError
from qcode.files_safe import read_small


def digest(wishes: Mapping[str, Any]) -> str:
    """Return what stands for these settings and no others."""
    import hashlib

    text = json.dumps(wishes, sort_keys=True, ensure_ascii=True, default=list)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class Trust:
    """The person's file of trusted folders, by real path."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def folders(self) -> dict[str, str]:
        """Return each trusted folder with the digest of its settings."""
        try:
            read = json.loads(read_small(self.file))
        except (OSError, ValueError):
            return {}  # what cannot be read grants nothing
        if not isinstance(read, dict):
            return {}
        return {str(key): value for key, value in read.items() if isinstance(value, str)}

    def covers(self, folder: Path, wishes: Mapping[str, Any]) -> bool:
        """Whether a person trusted this folder with these very settings."""
        return self.folders().get(str(folder.resolve())) == digest(wishes)

    def add(self, folder: Path, wishes: Mapping[str, Any]) -> None:
        """Trust a folder with its present settings.

        Raises:
            QcodeError: it cannot be noted.
        """
        self._save({**self.folders(), str(folder.resolve()): digest(wishes)})

    def remove(self, folder: Path) -> bool:
        """Trust a folder no more; return whether it was trusted.

        Raises:
            QcodeError: it cannot be noted.
        """
        folders = self.folders()
        known = folders.pop(str(folder.resolve()), None)
        if known is not None:
            self._save(folders)
        return known is not None

    def _save(self, folders: Mapping[str, str]) -> None:
        fresh = self.file.with_name(f".{self.file.name}.{os.getpid():x}")
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(folders, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, self.file)
        except OSError as error:
            raise QcodeError(
                f"cannot write `{self.file}`: {error.strerror}",
                hint="free some space or set XDG_STATE_HOME to a folder that can be written",
            ) from error
