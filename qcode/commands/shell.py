"""The shell commands of a custom command: asked about, confined and kept as a model's are."""

from __future__ import annotations

from qcode import events
from qcode.agent import Agent
from qcode.boundary import Unconfined
from qcode.by_hand import ByHand
from qcode.commands.running import Run
from qcode.errors import QcodeError, ToolError
from qcode.events import Emit
from qcode.messages import ToolCall
from qcode.permit import Gate, Permitted
from qcode.tools.base import Result


def runner(agent: Agent, emit: Emit, name: str) -> Run:
    """Return what runs the commands of `/name`; what happens is told through `emit`."""

    def asking(call: ToolCall, summary: str, reason: str) -> None:
        emit(events.ApprovalNeeded(call, summary, reason))

    gate = Gate(agent, agent.boundary or Unconfined(agent.context.workspace), asking)

    async def run(command: str) -> str:
        running = ByHand(agent, command, emit)
        try:
            permitted = await gate.permit(
                running.call, running.tool, running.params, running.summary
            )
        except ToolError as error:
            permitted = Permitted(str(error))
        if permitted.refusal:
            emit(events.Refused(running.call.id, f"{running.tool.name} {command}"))
            raise QcodeError(
                f"`/{name}` was not sent, since its `{command}` may not be run: "
                f"{_for_people(permitted.refusal)}"
            )
        if permitted.changed is not None:  # the person wrote it otherwise
            running = ByHand(agent, permitted.changed.params.command, emit)
        result = Result("It was interrupted.", "interrupted", is_error=True)
        await running.begin(f"/{name}: {running.summary}")
        try:
            result = await running.run(permitted.grant)
        finally:
            text = await running.end(result)
        return text

    return run


def _for_people(refusal: str) -> str:
    """Return why a call was refused without what a model is to do then."""
    first = refusal.split(". ")[0].rstrip(".").removeprefix("Not allowed: ")
    return first[:1].lower() + first[1:]
