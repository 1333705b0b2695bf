"""Facts learned from what is run in a session: a consumer of events like any other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qcode import events
from qcode.events import Event
from qcode.record import Record, replace

if TYPE_CHECKING:
    from datetime import date

    from qcode.facts.store import Fact, Store
    from qcode.manifests import Purpose

_EXIT = re.compile(r"exit (\d+)")
_READS = frozenset(
    {"read_file", "list_directory", "glob", "grep_search", "todo_write", "run_shell_command"}
)
"""Tools that change no file by themselves; a command is looked at on its own."""


class Seen(Record):
    """One run of a command."""

    purpose: Purpose
    command: str
    passed: bool
    seconds: float
    state: Hashable
    """Of the files when it began; None where that is not known."""


@dataclass(slots=True)
class Learner:
    """Gathers while turns go on; `save` writes what was learned."""

    store: Callable[[], Store]
    """Opens the facts, once there is something to write."""
    session: str
    state: Callable[[], Hashable]
    """Tells one state of the files from another; None: not known."""
    mask: Callable[[str], str] = lambda text: text
    runs: list[Seen] = field(default_factory=list)
    _started: dict[str, tuple[Purpose, str, Hashable]] = field(default_factory=dict)
    _changes: int = 0
    """Counted up by whatever may have changed a file."""

    def handle(self, event: Event) -> None:
        """Take in what happened."""
        match event:
            case events.TurnStarted():
                self._changes += 1  # a person may have changed anything meanwhile
            case events.ToolStarted(call) | events.CallChanged(call) if (
                call.name == "run_shell_command"
            ):
                from qcode.facts.commands import purpose_of  # at the first command, not before

                command = _command(call.arguments)
                purpose = purpose_of(command)
                # What is masked could not be run again as it stands.
                if purpose is None or self.mask(command) != command:
                    self._started.pop(call.id, None)
                    self._changes += 1
                else:
                    self._started[call.id] = (purpose, command.strip(), self._now())
            case events.ToolStarted(call) if call.name not in _READS:
                self._changes += 1
            case events.CheckpointMade(call_id):
                if call_id not in self._started:
                    self._changes += 1
            case events.Blocked(call_id) | events.Refused(call_id):
                self._started.pop(call_id, None)  # the fault was not the command's
            case events.ToolFinished(result, summary, _, duration_s):
                begun = self._started.pop(result.call_id, None)
                if begun is not None and (code := _code(summary, result.is_error)) is not None:
                    self._saw(*begun, code, duration_s)
            case _:
                pass

    def verified(self, command: str, exit_code: int | None, seconds: float) -> None:
        """Take in how a command went that a person named to verify the work."""
        from qcode.facts.commands import purpose_of

        if exit_code is not None and "\n" not in command and self.mask(command) == command:
            self._saw(purpose_of(command) or "test", command.strip(), None, exit_code, seconds)

    def _saw(
        self, purpose: Purpose, command: str, state: Hashable, code: int, seconds: float
    ) -> None:
        from qcode.facts.commands import counts

        if counts(command, code):
            self.runs.append(Seen(purpose, command, code == 0, round(seconds, 1), state))

    def _now(self) -> Hashable:
        state = self.state()
        return None if state is None else (self._changes, state)

    def save(self, today: date) -> None:
        """Write what was learned; nothing is written if nothing was.

        Raises:
            QcodeError: it cannot be written.
        """
        runs, self.runs = self.runs, []
        if not runs:
            return
        from qcode.facts.store import manifests

        store = self.store()
        present = manifests(store.root)
        store.change(lambda facts: _with(facts, runs, self.session, today, present))


def _command(arguments: str) -> str:
    try:
        read = json.loads(arguments)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(read, dict) or read.get("directory") or read.get("is_background"):
        return ""
    command = read.get("command")
    return command if isinstance(command, str) else ""


def _code(summary: str, is_error: bool) -> int | None:
    if not is_error:
        return 0
    exited = _EXIT.fullmatch(summary)
    return int(exited[1]) if exited else None


def _with(
    facts: Sequence[Fact],
    runs: Sequence[Seen],
    session: str,
    today: date,
    present: dict[str, str],
) -> list[Fact]:
    """Return the facts with these runs, those seen last at the end."""
    from qcode.facts.store import Fact, rests_on

    known = {fact.command: fact for fact in facts}
    for run in runs:
        before = known.pop(run.command, None) or Fact(run.purpose, run.command)
        on_same_files = {
            each.passed
            for each in runs
            if each.command == run.command and each.state is not None and each.state == run.state
        }
        resting = rests_on(run.command, present)
        if before.rests_on and before.rests_on != resting and not before.kept:
            before = Fact(run.purpose, run.command)  # it was another project, so to say
        known[run.command] = replace(
            before,
            passed=before.passed + run.passed,
            failed=before.failed + (not run.passed),
            last="passed" if run.passed else "failed",
            seconds=run.seconds,
            flaky=before.flaky or len(on_same_files) > 1,
            session=session,
            date=today.isoformat(),
            rests_on=resting,
        )
    return list(known.values())
