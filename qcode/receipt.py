"""What a run touched: files written, commands run, hosts contacted, attempts blocked.

A consumer of events like any other; what the proxy saw and which files differ is
handed in by whoever prints it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from qcode import events
from qcode.events import Event
from qcode.messages import JsonObject

MOST_SHOWN = 8
"""Of each kind, for a person; the JSON has them all."""


@dataclass(slots=True)
class Receipt:
    """Gathers while turns go on; `lines` and `to_json` tell at the end."""

    tier: str = ""
    """By which means commands were confined, in a few words."""
    network: str = ""
    commands: list[tuple[str, str]] = field(default_factory=list)
    """Each command with how it went."""
    blocked: list[str] = field(default_factory=list)
    """What the sandbox kept a command or a tool from, in order."""
    refused: list[str] = field(default_factory=list)
    """Calls that were not allowed."""
    files: Sequence[str] = ()
    """Paths that were changed, relative to the workspace."""
    hosts: Sequence[tuple[str, bool]] = ()
    """Hosts that were asked for through the proxy, and whether they were reached."""
    _started: dict[str, str] = field(default_factory=dict)

    def handle(self, event: Event) -> None:
        """Take in what happened."""
        match event:
            case events.ToolStarted(call, summary) | events.CallChanged(call, summary) if (
                call.name == "run_shell_command"
            ):
                self._started[call.id] = summary
            case events.Blocked(_, what):
                self.blocked.extend(what)
            case events.Refused(call_id, what):
                self._started.pop(call_id, None)
                self.refused.append(what)
            case events.ToolFinished(result, summary):
                command = self._started.pop(result.call_id, None)
                if command is not None:
                    self.commands.append((command, summary))
            case _:
                pass

    @property
    def is_empty(self) -> bool:
        """Whether nothing was touched."""
        return not (self.commands or self.blocked or self.refused or self.files or self.hosts)

    def lines(self) -> list[str]:
        """Return the receipt for a person, a line each kind; nothing if nothing was touched."""
        if self.is_empty:
            return []
        parts = [
            _count(len(self.files), "file", "written"),
            _count(len(self.commands), "command", "run"),
            *self._contacts(),
            _count(len(self.blocked), "attempt", "blocked"),
        ]
        if self.refused:
            parts.append(_count(len(self.refused), "call", "not allowed"))
        if self.tier:
            parts.append(f"sandbox: {self.tier}")
        lines = [" · ".join(parts)]
        if self.files:
            lines.append(_some("wrote", self.files))
        if self.commands:
            lines.append(_some("ran", [command for command, _ in self.commands]))
        if reached := [host for host, was_reached in self.hosts if was_reached]:
            lines.append(_some("contacted", reached))
        if self.blocked:
            lines.append(_some("blocked", list(dict.fromkeys(self.blocked))))
        if self.refused:
            lines.append(_some("not allowed", list(dict.fromkeys(self.refused))))
        return lines

    def _contacts(self) -> list[str]:
        if self.network == "on":
            return ["network open"]
        reached = {host for host, was_reached in self.hosts if was_reached}
        return [_count(len(reached), "host", "contacted")]

    def to_json(self) -> JsonObject:
        """Return it for a program."""
        return {
            "sandbox": {"tier": self.tier, "network": self.network},
            "files_written": list(self.files),
            "commands": [{"command": command, "outcome": how} for command, how in self.commands],
            "hosts": [{"host": host, "reached": reached} for host, reached in self.hosts],
            "blocked": list(self.blocked),
            "refused": list(self.refused),
        }


def _count(number: int, what: str, done: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'} {done}"


def _some(verb: str, items: Sequence[str]) -> str:
    shown = [" ".join(item.split())[:120] for item in items[:MOST_SHOWN]]
    more = len(items) - len(shown)
    return f"  {verb}: {', '.join(shown)}{f', and {more} more' if more else ''}"
