"""Taking a conversation back to before a tool call; pure."""

from __future__ import annotations

from collections.abc import Sequence

from qcode.messages import AssistantMessage, Message, UserMessage


def before_call(messages: Sequence[Message], call_id: str) -> int | None:
    """Return how many messages stay when all from the answer with that call on are dropped.

    Where nothing was done yet for the message that the answer is to, that
    message goes too: the person says it anew, or something else.
    """
    for position, message in enumerate(messages):
        if isinstance(message, AssistantMessage) and any(
            call.id == call_id for call in message.tool_calls
        ):
            alone = position > 0 and isinstance(messages[position - 1], UserMessage)
            return position - 1 if alone else position
    return None
