"""What a turn does about answers that are no use as they are: ask again, differently, or stop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from qcode.calls.decoder import Decoded
from qcode.calls.found import Fault
from qcode.messages import JsonObject
from qcode.prompts import load
from qcode.record import Record

FORCED_FROM = 2
"""So many answers in a row whose calls cannot be read, and the next has to be a call.

The endpoint is asked to constrain it to the tools' schemas.
"""
SWITCHED_FROM = 3
"""So many, and the tools are offered in the other protocol, too.

Sooner, with the first constraint, if no call came by the present one: llama.cpp held a model
that writes its calls as text to `tool_choice`, and it wrote blank lines up to the limit.
"""
MISREAD_ALLOWED = 5
"""So many, and the turn ends."""
EMPTY_ALLOWED = 2
"""Answers without anything, in a row."""


class Turnaround(Enum):
    """How the next request differs."""

    AS_BEFORE = "as before"
    FORCE_CALL = "force a call"
    SWITCH = "switch the protocol, and force a call"


class Advice(Record):
    """What follows an answer that ends no turn."""

    nudge: str = ""
    """What the model is told; nothing: the results of its calls say it."""
    reason: str = ""
    """The same for a person."""
    turnaround: Turnaround = Turnaround.AS_BEFORE
    give_up: str = ""
    """Why the turn ends here instead."""


class Recovery:
    """Keeps count over one turn; one `Advice` an answer."""

    def __init__(self, schemas: Mapping[str, JsonObject], *, prompted: bool = False) -> None:
        self._schemas = schemas
        self._prompted = prompted
        """Whether the turn begins with the tools in the prompt, where a constraint is tried first:
        such models rarely write better calls natively."""
        self._misread = 0
        self._empty = 0
        self._announced = self._shown = self._acted = False
        self._structured = False
        """Whether a call came through the API's own field."""
        self._switched = False

    @property
    def misread(self) -> int:
        """Answers in a row whose calls could not be read."""
        return self._misread

    def begin_anew(self) -> None:
        """Count from nothing: another model took a step."""
        self._misread = self._empty = 0
        self._announced = False

    def after_calls(self, faults: Iterable[Fault], *, structured: bool) -> Advice:
        """Take an answer with calls; the model hears of their faults by their results."""
        self._empty = 0
        self._structured |= structured
        unreadable = (Fault.INVALID, Fault.UNKNOWN_TOOL, Fault.MISSING_NAME)
        if all(fault in unreadable for fault in faults):
            return self._misheard("")
        # A cut call was well-formed as far as it went.
        self._misread = 0
        self._acted = True
        return Advice()

    def after_text(self, decoded: Decoded, finish_reason: str | None) -> Advice | None:
        """Take an answer without a call; None if it simply is the answer."""
        if decoded.fault == "empty":
            self._empty += 1
            if self._empty >= EMPTY_ALLOWED:
                return Advice(
                    give_up=f"the model gave neither an answer nor a tool call, {self._empty} times"
                    " in a row; ask again in other words, or take another model"
                )
            return Advice(load("calls/empty"), "the model said nothing; asked once more")
        self._empty = 0
        if decoded.fault or finish_reason == "length":
            return None
        # Slow to import, and needed only at the end of a turn.
        from qcode.calls.intent import announces, unheard_call

        if unheard := unheard_call(decoded.text, self._schemas):
            nudge = load("calls/unheard", problem=unheard.problem)
            reason = "what looked like a call was none; asked once more"
            if unheard.is_attempt:
                return self._misheard(nudge, reason)
            # An example in an answer is asked about once, and then is what it is.
            if not self._shown:
                self._shown = True
                return Advice(nudge, reason)
            return None
        if not announces(decoded.text):
            return None
        if not self._announced:
            self._announced = True
            return Advice(load("calls/announced"), "the model announced a step; asked to take it")
        if self._acted:
            return None
        return Advice(
            give_up="the model only says what it would do, and calls no tool; "
            "`qcode doctor` shows whether its calls arrive, or take another model"
        )

    def _misheard(self, nudge: str, reason: str = "") -> Advice:
        self._misread += 1
        if self._misread >= MISREAD_ALLOWED:
            return Advice(
                give_up=f"the model's tool calls could not be read {self._misread} times in a row; "
                "`qcode doctor` shows what the endpoint makes of them, or take another model"
            )
        turnaround = Turnaround.AS_BEFORE
        if self._misread >= FORCED_FROM:
            turnaround = Turnaround.FORCE_CALL
            late = self._misread >= SWITCHED_FROM + self._prompted or not (
                self._structured or self._prompted
            )
            if late and not self._switched:
                turnaround, self._switched = Turnaround.SWITCH, True
        return Advice(nudge, reason, turnaround)
