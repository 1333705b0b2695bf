"""The steps of a session: each request with what was new in it, its answer, what calls came to."""

from __future__ import annotations

from qcode.journal.loading import Loaded
from qcode.messages import Asked, AssistantMessage, Message, ToolMessage
from qcode.record import Record


class Step(Record):
    """One request to the model, and what came of the calls that it was answered with."""

    number: int
    sent: tuple[Message, ...]
    """What the request had that the one before had not, without results of calls."""
    answer: AssistantMessage
    results: tuple[ToolMessage, ...]
    asked: Asked | None
    """Its tokens and time; None: not known."""
    at: str
    """When it ended, UTC; empty: not known."""


def steps(session: Loaded) -> list[Step]:
    """Return the steps of a session."""
    messages = session.conversation.from_the_start()
    answers = [each for each in messages if isinstance(each, AssistantMessage)]
    requests = [each for each in session.asked if not each.purpose]
    # They are noted in order; where one of them failed or was interrupted, nothing fits.
    times = dict(zip(map(id, answers), requests, strict=False))
    fits = len(answers) == len(requests)
    found: list[Step] = []
    sent: list[Message] = []
    at = 0
    while at < len(messages):
        message = messages[at]
        at += 1
        if not isinstance(message, AssistantMessage):
            sent.append(message)
            continue
        results = []
        while at < len(messages) and isinstance(each := messages[at], ToolMessage):
            results.append(each)
            at += 1
        noted = session.notes.of(message)
        asked = times[id(message)] if fits else Asked(noted.usage) if noted.usage else None
        step = Step(len(found) + 1, tuple(sent), message, tuple(results), asked, noted.at)
        found.append(step)
        sent.clear()
    return found
