"""MiniMax M2, and the same grammar in other envelopes: `<invoke name="NAME">`.

Source: the chat template of MiniMax-M2; Claude's tool-use text for
`<function_calls>`. Values are verbatim.
"""

from __future__ import annotations

from qcode.calls.invoke import InvokeFormat

FORMATS = (
    InvokeFormat("minimax", ("minimax:tool_call", "function_calls", "tool_call", "tool_calls")),
)
