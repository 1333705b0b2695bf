"""What happens during a turn, and in which order.

```
TurnStarted
    StepStarted
        PromptProgress, Waiting …            while the server reads the prompt
        Retrying …                           what was shown of this step's answer is void
        ReasoningDelta, TextDelta …          as the model writes
        CallStarted, CallArguments …         a tool call being written; groups may interleave
        AnswerFinished                       the whole answer, already in the journal
        UsageReported
        ApprovalNeeded                       before the call it asks about is run
        CheckpointMade                       before the first call that writes
        ToolStarted, ToolOutput …, ToolFinished
                                             one group a tool call; read-only ones interleave
    Compacted                                between steps
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
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from qcode.messages import AssistantMessage, ToolCall, ToolMessage, Usage


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


@dataclass(frozen=True, slots=True)
class TurnStarted:
    text: str


@dataclass(frozen=True, slots=True)
class StepStarted:
    number: int
    """1 for the first step of the turn."""


@dataclass(frozen=True, slots=True)
class PromptProgress:
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Waiting:
    silent_s: float


@dataclass(frozen=True, slots=True)
class Retrying:
    attempt: int
    of: int
    wait_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class CallStarted:
    index: int
    """Position among the answer's calls."""
    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    index: int
    text: str


@dataclass(frozen=True, slots=True)
class AnswerFinished:
    message: AssistantMessage
    finish_reason: str | None
    usage: Usage


@dataclass(frozen=True, slots=True)
class UsageReported:
    """Tokens of this step and of the session so far."""

    step: Usage
    session: Usage


@dataclass(frozen=True, slots=True)
class ApprovalNeeded:
    call: ToolCall
    summary: str
    reason: str


@dataclass(frozen=True, slots=True)
class CheckpointMade:
    ref: str
    """The git ref that holds the workspace's state before the step."""


@dataclass(frozen=True, slots=True)
class Compacted:
    before_tokens: int
    after_tokens: int


@dataclass(frozen=True, slots=True)
class ToolStarted:
    call: ToolCall
    summary: str
    """One line for a person: what is done to what."""


@dataclass(frozen=True, slots=True)
class ToolOutput:
    call_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolFinished:
    result: ToolMessage
    summary: str
    """One line for a person: how it went."""
    diff: str
    """Unified diff of what changed, or empty."""
    duration_s: float


@dataclass(frozen=True, slots=True)
class ErrorRaised:
    message: str
    """One line: the cause and what to do."""
    exit_code: int


@dataclass(frozen=True, slots=True)
class TurnFinished:
    end: TurnEnd
    steps: int
    usage: Usage
    """Of this turn."""


Event: TypeAlias = (
    TurnStarted
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
    | CheckpointMade
    | Compacted
    | ToolStarted
    | ToolOutput
    | ToolFinished
    | ErrorRaised
    | TurnFinished
)

Emit: TypeAlias = Callable[[Event], None]
