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
from typing import TYPE_CHECKING, Any, Protocol

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

if TYPE_CHECKING:
    from qcode.sandbox.policy import Grant

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
    result = Result("It was interrupted.", "interrupted", is_error=True)
    running = ByHand(agent, command, emit)
    await running.begin(f"! {command}")
    try:
        result = await running.run()
    finally:
        text = await running.end(result)
        told.aside(load("by_hand", command=agent.masker.mask(command), outcome=_shortened(text)))


class ByHand:
    """One command that is run although no model called for it."""

    def __init__(self, agent: Agent, command: str, emit: Emit) -> None:
        self.agent = agent
        self.emit = emit
        self.tool: Tool[Any] = agent.tools[TOOL]
        self.call = ToolCall(f"hand_{next(_numbers)}", TOOL, json.dumps({"command": command}))
        self.params = parse(self.tool, self.call.arguments)
        self.summary = self.tool.summary(self.params)
        self._live = StreamMasker(agent.masker)
        self._started = 0.0

    async def begin(self, title: str) -> None:
        """Tell that it begins, and keep the files as they are.

        Raises:
            QcodeError: they cannot be kept, so it must not be run.
        """
        self.emit(events.ToolStarted(self.call, self.summary))
        if self.agent.checkpoints is not None:
            paths = self.tool.touches(self.params).paths
            title = self.agent.masker.mask(title)
            await self.agent.checkpoints.before(title, self.call.id, paths)
        self._started = time.perf_counter()

    async def run(self, grant: Grant | None = None) -> Result:
        """Run it; a failure to is a result, too."""
        context = replace(
            self.agent.context, output=lambda text: self._show(self._live.feed(text)), grant=grant
        )
        try:
            return await self.tool.run(self.params, context)
        except ToolError as error:
            return Result(str(error), str(error).split("\n", 1)[0], is_error=True)

    async def end(self, result: Result) -> str:
        """Keep what it did to files and tell how it went; return what it printed, for the model."""
        self._show(self._live.flush())
        if self.agent.checkpoints is not None:
            await _keep(self.agent, self.call, self.emit)
        mask = self.agent.masker.mask
        text = with_tags_seen(mask(result.text))
        message = ToolMessage(self.call.id, TOOL, text, result.is_error)
        took = time.perf_counter() - self._started
        self.emit(events.ToolFinished(message, mask(result.summary), mask(result.diff), took))
        return text

    def _show(self, text: str) -> None:
        if text:
            self.emit(events.ToolOutput(self.call.id, text))


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
