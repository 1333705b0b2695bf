"""qcode in programs: an agent, tools of one's own, and what happens as typed events.

```python
from qcode.api import Agent, tool
```

Errors that a person can do something about are `QcodeError`s, with a line that says what.
"""

from __future__ import annotations

import logging

from qcode.api.agent import Agent, run_sync
from qcode.api.asking import Approve, Question, Verdict
from qcode.api.function_tool import Context, FunctionTool, tool
from qcode.api.opening import Options
from qcode.api.result import Result, TurnError
from qcode.approvals import ApprovalRequest, Decision, Scope
from qcode.budget import Budget
from qcode.errors import (
    BudgetError,
    OfflineError,
    ProviderError,
    ProviderFault,
    QcodeError,
    SandboxError,
    ToolError,
    UsageError,
)
from qcode.events import (
    AnswerFinished,
    ApprovalNeeded,
    Blocked,
    CallArguments,
    CallChanged,
    CallRepaired,
    CallStarted,
    CheckpointMade,
    Compacted,
    Described,
    ErrorRaised,
    Event,
    Heard,
    LeftAlone,
    Nudged,
    PromptProgress,
    ProtocolSwitched,
    ReasoningDelta,
    Refused,
    Retrying,
    SteppedUp,
    StepStarted,
    TextDelta,
    ToolFinished,
    ToolOutput,
    ToolStarted,
    TurnEnd,
    TurnFinished,
    TurnStarted,
    UsageReported,
    Waiting,
)
from qcode.messages import AssistantMessage, Message, ToolCall, ToolMessage, Usage, UserMessage
from qcode.permissions import Mode
from qcode.providers import Provider
from qcode.tools.base import Effect, Tool
from qcode.tools.base import Result as ToolResult

__all__ = [
    "Agent",
    "AnswerFinished",
    "ApprovalNeeded",
    "ApprovalRequest",
    "Approve",
    "AssistantMessage",
    "Blocked",
    "Budget",
    "BudgetError",
    "CallArguments",
    "CallChanged",
    "CallRepaired",
    "CallStarted",
    "CheckpointMade",
    "Compacted",
    "Context",
    "Decision",
    "Described",
    "Effect",
    "ErrorRaised",
    "Event",
    "FunctionTool",
    "Heard",
    "LeftAlone",
    "Message",
    "Mode",
    "Nudged",
    "OfflineError",
    "Options",
    "PromptProgress",
    "ProtocolSwitched",
    "Provider",
    "ProviderError",
    "ProviderFault",
    "QcodeError",
    "Question",
    "ReasoningDelta",
    "Refused",
    "Result",
    "Retrying",
    "SandboxError",
    "Scope",
    "StepStarted",
    "SteppedUp",
    "TextDelta",
    "Tool",
    "ToolCall",
    "ToolError",
    "ToolFinished",
    "ToolMessage",
    "ToolOutput",
    "ToolResult",
    "ToolStarted",
    "TurnEnd",
    "TurnError",
    "TurnFinished",
    "TurnStarted",
    "Usage",
    "UsageError",
    "UsageReported",
    "UserMessage",
    "Verdict",
    "Waiting",
    "run_sync",
    "tool",
]

# Whoever wants the log sets one up; without, Python would print warnings to stderr.
logging.getLogger("qcode").addHandler(logging.NullHandler())
