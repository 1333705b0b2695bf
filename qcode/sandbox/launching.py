"""Starting processes: the one way in which anything of a session is run."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from qcode.sandbox.blocked import Block
from qcode.sandbox.child import Child
from qcode.sandbox.policy import Grant


class Purpose(StrEnum):
    """What a process is for; decides what of the policy it gets."""

    COMMAND = "command"
    """Something that the model or the person wants to be run: all that the policy allows."""
    JOB = "job"
    """The same, and it goes on beside other commands, which can reach its ports."""
    LOOK = "look"
    """qcode's own looking at files: nothing is written, nothing is connected to."""


class Launcher(Protocol):
    """Whoever starts processes; confined or not is its own affair."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What processes get as their environment, unless told otherwise."""
        ...

    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | str,
        env: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
        purpose: Purpose = Purpose.COMMAND,
        grant: Grant | None = None,
    ) -> Child:
        """Start a program.

        Raises:
            OSError: there is no such program or directory, or the system is out of something.
            SandboxError: it cannot be confined as it has to be.
        """
        ...

    def blocked(self, child: Child, printed: str) -> tuple[Block, ...]:
        """Return what a child that was started here was kept from.

        It is told from what it printed, and from what was found and put back after its end.
        """
        ...

    def close(self) -> None:
        """End what still runs, and give up what is held; starting anew is possible."""
        ...
