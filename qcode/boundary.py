"""What a permission has to know of the sandbox; whoever opens a session fills it in."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from qcode.record import Record
from qcode.sandbox.policy import Grant
from qcode.workspace import Workspace


class Boundary(Protocol):
    """The facts about the sandbox that decide whether a person is asked."""

    @property
    def confines(self) -> bool:
        """Whether commands run in a sandbox that was tried, or in one that the caller vouches for.

        Only then are commands that certainly just read run unasked.
        """
        ...

    @property
    def label(self) -> str:
        """The tier in a few words, for the question (`bubblewrap, no network`; `no sandbox`)."""
        ...

    @property
    def asks_each(self) -> bool:
        """Whether a person is asked about every command in every mode: nothing confines them,
        though something should.
        """
        ...

    @property
    def network(self) -> str:
        """What commands may reach: `off`, `proxy` or `on`."""
        ...

    def contacts(self) -> list[tuple[str, bool]]:
        """Return the hosts that were asked for through the proxy, and whether they were reached."""
        ...

    @property
    def refusal(self) -> str:
        """Why no command may be run at all; empty where they may.

        Not empty where none of the tiers works and nobody agreed to go without.
        """
        ...

    async def ready(self) -> None:
        """Find out which tier there is; called before the first command is judged.

        Raises:
            QcodeError: a sandbox that was asked for cannot be had.
        """
        ...

    def inside(self, real: Path) -> bool:
        """Whether a path lies in one of the roots."""
        ...

    def hidden(self, real: Path) -> str:
        """Why a path is not to be read, or nothing."""
        ...

    def protected(self, written: str) -> str:
        """Why a path, as the model wrote it, is not to be written to; or nothing.

        Also what it leads to is looked at.
        """
        ...

    def writable(self, real: Path) -> bool:
        """Whether a path lies where the policy lets things be written."""
        ...

    def beyond(self, grant: Grant) -> Grant:
        """Return what of a wish the policy does not give already.

        Raises:
            ToolError: it is for what nobody may allow.
        """
        ...


class Unconfined(Record):
    """No sandbox, by a person's choice: only the file tools keep to the workspace."""

    workspace: Workspace
    label: str = "no sandbox"
    refusal: str = ""
    network: str = "on"
    asks_each: bool = False

    def contacts(self) -> list[tuple[str, bool]]:
        """None that are known of."""
        return []

    @property
    def confines(self) -> bool:
        """No."""
        return False

    async def ready(self) -> None:
        """Nothing has to be found out."""

    def inside(self, real: Path) -> bool:
        """Whether it is in the workspace."""
        return self.workspace.contains(real)

    def hidden(self, real: Path) -> str:
        """Nothing is."""
        return ""

    def protected(self, written: str) -> str:
        """Folders whose files are obeyed."""
        return "it decides what is run or allowed later" if self.workspace.guards(written) else ""

    def writable(self, real: Path) -> bool:
        """Whether it is in the workspace."""
        return self.workspace.contains(real)

    def beyond(self, grant: Grant) -> Grant:
        """Nothing, since commands may do all that the person may."""
        return Grant()
