"""`agent`: hands a task to another agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Protocol

from qcode.errors import ToolError
from qcode.prompts import load
from qcode.record import Record
from qcode.subagents.definitions import Subagent
from qcode.tools.base import Context, Effect, Result, Tool
from qcode.tools.schema import ASKED, HIDDEN
from qcode.tools.sizes import Sizes

_SHOWN = 160
"""Characters of a description that the model is told beforehand."""


class Staff(Protocol):
    """Has tasks done."""

    @property
    def log(self) -> Sequence[str]:
        """A line on each task that was done, for a person."""
        ...

    async def work(self, kind: Subagent, about: str, task: str, context: Context) -> Result:
        """Take a task to its answer; `about` is it in a few words."""
        ...


class Params(Record):
    prompt: Annotated[str, "all it has to know"]
    subagent_type: Annotated[str, ASKED]
    description: Annotated[str | None, "3-5 words"] = None
    run_in_background: Annotated[bool | None, HIDDEN] = None


class AgentTool(Tool[Params]):
    """The tool; what it may touch is decided call by call of the agent that it starts."""

    name = "agent"
    effect = Effect.STATE
    params = Params

    def __init__(self, subagents: Sequence[Subagent], staff: Staff) -> None:
        self.subagents = tuple(subagents)
        self.staff = staff
        self._known: Mapping[str, Subagent] = {one.name: one for one in subagents}

    @property
    def runs_beside(self) -> bool:
        """Agents work side by side; what they change is done one after the other."""
        return True

    def described(self, sizes: Sizes) -> str:
        """Return what the model reads of it: the kinds that there are."""
        rows = [f"- {one.name}: {_short(one.description)}" for one in self._known.values()]
        return load("tools/agent", types="\n".join(rows))

    def summary(self, params: Params) -> str:
        """Return which agent does what."""
        what = params.description or " ".join(params.prompt.split())[:60]
        return f"{params.subagent_type}: {what}"

    async def run(self, params: Params, context: Context) -> Result:
        """Have it done.

        Raises:
            ToolError: there is no such agent, or it came to no answer.
        """
        if not params.prompt.strip():
            raise ToolError("`prompt` is empty. The agent knows nothing but what stands there.")
        chosen = self._known.get(params.subagent_type)
        if chosen is None and not params.subagent_type:
            chosen = next(iter(self._known.values())) if len(self._known) == 1 else None
        if chosen is None:
            names = ", ".join(self._known)
            raise ToolError(f"There is no agent `{params.subagent_type[:80]}`. There are: {names}.")
        return await self.staff.work(chosen, params.description or "", params.prompt, context)


def _short(description: str) -> str:
    line = " ".join(description.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1].rsplit(' ', 1)[0]} …"
