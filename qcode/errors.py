"""Errors with an addressee.

```
Exception
├── QcodeError            for the person: one line, an exit code, no traceback
│   ├── UsageError        2: wrong arguments or unreadable configuration
│   ├── ProviderError     3: the model's endpoint failed (see `ProviderFault`)
│   ├── BudgetError     4: steps, tokens, cost or time are used up
│   ├── OfflineError    3: offline, and it would have left this machine (an OSError as well)
│   └── SandboxError      5: the sandbox asked for cannot be had
└── ToolError             for the model: what was wrong and what to do instead
    └── AlreadySo         what was to be done is done
```

Anything else is a bug of qcode and keeps its traceback (shown with `--debug`).
"""

from __future__ import annotations

import errno
from enum import StrEnum


class QcodeError(Exception):
    """Something a person has to know; printed as one line, then the program ends.

    `message` says what happened, `hint` what to do about it; both without a
    full stop at the end, lower case.
    """

    exit_code = 1
    is_told = False
    """Whether a program that reads the output was told of it already."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(QcodeError):
    """Wrong arguments, a missing directory or an unreadable configuration."""

    exit_code = 2


class ProviderFault(StrEnum):
    """Why a request to a model failed; decides whether it is tried again."""

    UNREACHABLE = "unreachable"
    """No connection, or it broke before anything useful arrived."""
    UNAUTHORISED = "unauthorised"
    UNKNOWN_MODEL = "unknown_model"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    """5xx: the server is there but cannot serve now."""
    CONTEXT_TOO_LONG = "context_too_long"
    REFUSED = "refused"
    """Any other 4xx: the request itself is not accepted."""
    TOOLS_REFUSED = "tools_refused"
    """The server or its model takes no native tools, or cannot work with their schemas."""
    NOT_AN_API = "not_an_api"
    """The endpoint answers, but not in the wire format (HTML, say)."""
    STREAM_BROKEN = "stream_broken"
    """The answer ended before it was whole, or went silent."""
    BAD_OUTPUT = "bad_output"
    """The server could not make sense of what its model wrote."""
    EMPTY = "empty"
    """The answer was whole and had nothing in it."""


RETRYABLE = frozenset(
    {
        ProviderFault.UNREACHABLE,
        ProviderFault.RATE_LIMITED,
        ProviderFault.OVERLOADED,
        ProviderFault.STREAM_BROKEN,
        ProviderFault.BAD_OUTPUT,
        ProviderFault.EMPTY,
    }
)


class ProviderError(QcodeError):
    """A request to a model failed.

    `retry_after_s` is what the server asked for (Retry-After), if it did.
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        fault: ProviderFault,
        hint: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.fault = fault
        self.retry_after_s = retry_after_s

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed when sent again."""
        return self.fault in RETRYABLE


class BudgetError(QcodeError):
    """A budget the person set (steps, tokens, cost, time) is used up."""

    exit_code = 4


class OfflineError(QcodeError, OSError):
    """Something would have left this machine, which was to stay by itself (`--offline`).

    It is an OSError besides, so that a library takes it for what it can live with: there is
    no way to that host.
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.errno, self.strerror = errno.ENETUNREACH, str(self)


class SandboxError(QcodeError):
    """The sandbox asked for cannot be had on this machine."""

    exit_code = 5


class ToolError(Exception):
    """A tool could not do what was asked; the text goes to the model as the result.

    It says what was wrong and what to do instead. `essence` is what of it tells
    whether the same call came to the same again; by default all of it.
    """

    def __init__(self, text: str, *, essence: str = "") -> None:
        super().__init__(text)
        self.essence = essence or text


class AlreadySo(ToolError):
    """What a call was to bring about is so already; nothing was changed."""
