"""A command that a person runs from within a session: `!make test`.

It is run as the model's are, in the same sandbox and with a checkpoint around it, but nobody is
asked: the person typed it. The model is told of it with the next message.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from itertools import count
from typing import Any, Protocol

from qcode import events
from qcode.agent import Agent
from qcode.errors import QcodeError, ToolError
from qcode.escapes import with_tags_seen
from qcode.events import Emit
from qcode.messages import ToolCall, ToolMessage
from qcode.prompts import load
from qcode.secrets import StreamMasker
from qcode.tools.base import Result, Tool
from qcode.tools.schema import parse

TOOL = "run_shell_command"
MOST = 6_000
"""Characters of the outcome that the model is told of: the beginning and, mostly, the end."""
_numbers = count(1)


class Told(Protocol):
    """Where it is kept what the model is told with the next message."""

    def aside(self, text: str) -> None:
        """Keep it."""
        ...


async def run_by_hand(agent: Agent, told: Told, command: str, emit: Emit) -> None:
    """Run a command and show what it does through `emit`; cancelling ends it.

    Raises:
        QcodeError: the files as they are could not be kept, so it was not run.
    """
    tool: Tool[Any] = agent.tools[TOOL]
    call = ToolCall(f"hand_{next(_numbers)}", TOOL, json.dumps({"command": command}))
    params = parse(tool, call.arguments)
    mask, live = agent.masker.mask, StreamMasker(agent.masker)

    def show(text: str) -> None:
        if text:
            emit(events.ToolOutput(call.id, text))

    emit(events.ToolStarted(call, command))
    checkpoints = agent.checkpoints
    if checkpoints is not None:
        await checkpoints.before(mask(f"! {command}"), call.id, tool.touches(params).paths)
    context = replace(agent.context, output=lambda text: show(live.feed(text)), grant=None)
    started = time.perf_counter()
    result = Result("It was interrupted.", "interrupted", is_error=True)
    try:
        result = await tool.run(params, context)
    except ToolError as error:
        result = Result(str(error), str(error).split("\n", 1)[0], is_error=True)
    finally:
        show(live.flush())
        if checkpoints is not None:
            await _keep(agent, call, emit)
        text = with_tags_seen(mask(result.text))
        told.aside(load("by_hand", command=mask(command), outcome=_shortened(text)))
        message = ToolMessage(call.id, TOOL, text, result.is_error)
        took = time.perf_counter() - started
        emit(events.ToolFinished(message, mask(result.summary), mask(result.diff), took))


async def _keep(agent: Agent, call: ToolCall, emit: Emit) -> None:
    """Keep what the command did to files, also when it was interrupted."""
    assert agent.checkpoints is not None
    keeping = asyncio.ensure_future(agent.checkpoints.after())
    try:
        made = await asyncio.shield(keeping)
    except asyncio.CancelledError:
        await asyncio.wait([keeping])
        raise
    except QcodeError as error:
        emit(events.ErrorRaised(f"the files as they are now could not be kept: {error}", 1))
        return
    if made is not None:
        emit(events.CheckpointMade(call.id, *made))


def _shortened(text: str) -> str:
    if len(text) <= MOST:
        return text
    head = MOST // 3
    left_out = len(text) - MOST
    return f"{text[:head]}\n[… {left_out:,} characters …]\n{text[-(MOST - head) :]}"
