"""What happens during a turn, and in which order.

```
Described                                    a picture that the model cannot be shown
TurnStarted
    StepStarted
        PromptProgress, Waiting …            while the server reads the prompt
        Retrying …                           what was shown of this step's answer is void
        ReasoningDelta, TextDelta …          as the model writes
        CallStarted, CallArguments …         a tool call being written; groups may interleave
        AnswerFinished                       the whole answer, already in the journal
        UsageReported
        ApprovalNeeded                       before the call it asks about is run
        CallRepaired                         before a call that was read otherwise than written
        CallChanged                          what the person made of a call, before it is run
        ToolStarted, ToolOutput …, CheckpointMade, Blocked, Refused, ToolFinished
                                             one group a tool call; read-only ones interleave
        ProtocolSwitched                     calls could not be read: asked for in another way
        Nudged                               the model is asked to go on; the turn does
    Heard                                    between steps: what the person said meanwhile
    SteppedUp                                before an answer: a stronger model takes this step
    LeftAlone                                instead: it was to, and may not or could not
    PromptProgress, Waiting …, UsageReported  before a step, where a summary is asked for
    Compacted                                before a step
ErrorRaised                                  if the turn ends by an error
TurnFinished                                 always last
```

After an interruption the rest of a step may be missing, but every `ToolStarted`
has its `ToolFinished` and the turn its `TurnFinished`.

Events are facts: frozen, serialisable, in need of no answer. Questions go
through the `Approver` protocol; `ApprovalNeeded` only tells that one is open.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

from qcode.messages import AssistantMessage, ToolCall, ToolMessage, Usage
from qcode.record import Record


class TurnEnd(StrEnum):
    """Why a turn ended."""

    ANSWERED = "answered"
    """The model stopped calling tools."""
    INTERRUPTED = "interrupted"
    BUDGET = "budget"
    PROVIDER = "provider"
    """The provider failed for good."""
    GAVE_UP = "gave_up"
    """The model repeated itself or produced nothing usable until qcode stopped it."""
    ERROR = "error"


class TurnStarted(Record):
    text: str


class Heard(Record):
    """Something the person said during the turn; the next request holds it."""

    text: str


class StepStarted(Record):
    number: int
    """1 for the first step of the turn."""


class PromptProgress(Record):
    done: int
    total: int


class Waiting(Record):
    silent_s: float


class Retrying(Record):
    attempt: int
    of: int
    wait_s: float
    reason: str


class ReasoningDelta(Record):
    text: str


class TextDelta(Record):
    text: str


class CallStarted(Record):
    index: int
    """Position among the answer's calls."""
    name: str


class CallArguments(Record):
    index: int
    text: str


class AnswerFinished(Record):
    message: AssistantMessage
    finish_reason: str | None
    usage: Usage
    model: str = ""
    """Who answered; empty: the session's model."""


class UsageReported(Record):
    """Tokens of one request and of the session so far."""

    step: Usage
    session: Usage
    purpose: str = ""
    """What it was for (`summary`, `stronger step`, `picture`); empty: a step of the model."""


class ApprovalNeeded(Record):
    call: ToolCall
    summary: str
    reason: str


class CallRepaired(Record):
    """A call had one reading, though not the one that the letter gives."""

    call: ToolCall
    """As it is run."""
    notes: tuple[str, ...]


class CallChanged(Record):
    """A person changed a call before they allowed it."""

    call: ToolCall
    """As it is run."""
    summary: str


class Nudged(Record):
    """What qcode itself said to the model, and why in words for a person."""

    text: str
    reason: str


class ProtocolSwitched(Record):
    protocol: str
    """How the next request tells of tools: `native` or `prompted`."""


class SteppedUp(Record):
    """The model is stuck; this step's answer is a stronger one's."""

    model: str
    why: str


class Described(Record):
    """A picture is put into words, since the model does not see."""

    name: str
    model: str
    """Who does it."""


class LeftAlone(Record):
    """A stronger model was to take a step, and did not."""

    model: str
    why: str


class CheckpointMade(Record):
    """A call changed files, which can be taken back by this number."""

    call_id: str
    step: int
    ref: str
    """The git ref that holds the files as they are now; its parent those before."""


class Compacted(Record):
    before_tokens: int
    after_tokens: int
    note: str = ""
    """What came of asking the model for a summary; empty: it was not asked."""


class ToolStarted(Record):
    call: ToolCall
    summary: str
    """One line for a person: what is done to what."""


class ToolOutput(Record):
    call_id: str
    text: str


class Blocked(Record):
    """The sandbox kept a call from something; the model is told, and what to ask for."""

    call_id: str
    what: tuple[str, ...]


class Refused(Record):
    """A call was not allowed, so it was not run."""

    call_id: str
    what: str
    """The tool, and what it was about to do."""


class ToolFinished(Record):
    result: ToolMessage
    summary: str
    """One line for a person: how it went."""
    diff: str
    """Unified diff of what changed, or empty."""
    duration_s: float


class ErrorRaised(Record):
    message: str
    """One line: the cause and what to do."""
    exit_code: int


class TurnFinished(Record):
    end: TurnEnd
    steps: int
    usage: Usage
    """Of this turn."""


Event: TypeAlias = (
    TurnStarted
    | Heard
    | StepStarted
    | PromptProgress
    | Waiting
    | Retrying
    | ReasoningDelta
    | TextDelta
    | CallStarted
    | CallArguments
    | AnswerFinished
    | UsageReported
    | ApprovalNeeded
    | CallRepaired
    | CallChanged
    | Nudged
    | ProtocolSwitched
    | SteppedUp
    | LeftAlone
    | Described
    | CheckpointMade
    | Compacted
    | ToolStarted
    | ToolOutput
    | Blocked
    | Refused
    | ToolFinished
    | ErrorRaised
    | TurnFinished
)

Emit: TypeAlias = Callable[[Event], None]
